"""Queries for accounts."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

import peewee

from db import ownership, trash
from db.bound import TABLES
from db.errors import Clash
from db.friendships import befriend
from db.invites import take
from db.locks import hold_user_whole
from db.tables import User


def find(username: str) -> User | None:
    """The account with that name, regardless of case."""
    found: User | None = User.get_or_none(User.username == username)
    return found


def everybody() -> list[User]:
    """All accounts, oldest first."""
    return list(User.select().order_by(User.id))


def unknown(usernames: Collection[str]) -> set[str]:
    """Which of these names, in exactly this spelling, have no account, or one that is suspended."""
    there = User.select(User.username).where(User.username.in_(list(usernames)) & ~User.suspended)
    return set(usernames) - {user.username for user in there}


def create(username: str, password_hash: str, created_at: datetime | None = None) -> User:
    """Create an account. Raises Clash("username_taken")."""
    given = {} if created_at is None else {"created_at": created_at}
    try:
        with TABLES.atomic():  # a savepoint: the transaction outlives the refusal
            created: User = User.create(username=username, password_hash=password_hash, **given)
    except peewee.IntegrityError:
        raise Clash("username_taken") from None
    return created


class Joined(NamedTuple):
    """A new account and its inviter."""

    user: User
    inviter: User | None


def join(username: str, password_hash: str, *, invite: str | None = None, claim: str | None = None, here: bool = False) -> Joined:
    """Make an account by what its maker has. Raises Clash("username_taken"), Missing("invite"), Denied("bad_claim"): nothing is made then.

    invite: by digest; it makes the friendship too. claim: to the server, by its nonce. here: on the server's own machine, whose
    first account owns the server.
    """
    created = create(username, password_hash)
    inviter = None if invite is None else take(invite)
    if inviter is not None:
        befriend(created.id, inviter.id)
    if claim is not None:
        ownership.claim(created.id, claim)
    elif here:
        ownership.claim_if_only(created.id)
    return Joined(created, inviter)


def remove(user_id: int) -> list[str]:
    """Delete the account and all its rows. Returns the folders of its recordings, those in the trash too.

    The caller deletes the files; the folders stay noted until that is done (`db.trash`).
    """
    hold_user_whole(user_id)
    folders = trash.remove_of(user_id)
    User.delete().where(User.id == user_id).execute()
    return folders
