"""Queries for the server's owner, about everybody's accounts: who there is and what it holds; and what is done to one of them.

Every act is noted in the log of acts (`db.audit`) in its own transaction. The owner is checked in it, too: who has just handed the
server over does nothing more to it.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, NamedTuple, cast

import peewee

from db import audit, companions, logins, ownership, resets, users
from db.audit import Act
from db.bound import TABLES
from db.caps import PAGE, newest
from db.errors import Clash, Denied, Missing
from db.tables import Login, NamePart, Recording, User

LAST = "\U0010ffff"  # sorts after every letter of a name
MOST_HOLDERS = 50


class Held(NamedTuple):
    """Of one account: its recordings, those in the trash too, and the bytes of their files."""

    username: str
    recordings: int
    used_bytes: int


def listed(wanted: str, before: int | None = None, limit: int = PAGE) -> list[User]:
    """Accounts whose name contains `wanted`, whatever its case; newest first: those before an id."""
    rows = User.select()
    if wanted:
        parts = NamePart.select(NamePart.user).where((NamePart.part >= wanted) & (NamePart.part < wanted + LAST))
        rows = rows.where(((User.username >= wanted) & (User.username < wanted + LAST)) | User.id.in_(parts))
    return list(newest(rows, User.id, before, limit))


def holdings(user_ids: Collection[int]) -> dict[int, Held]:
    """What each of these accounts has stored, by id; those with nothing are missing."""
    rows = _held().where(User.id.in_(list(user_ids)))
    return {number: Held(name, count, int(size)) for number, name, count, size in rows.tuples()}


def largest() -> list[Held]:
    """The accounts that hold most, at most fifty, the largest first."""
    rows = _held().order_by(peewee.SQL("bytes").desc()).limit(MOST_HOLDERS)
    return [Held(name, count, int(size)) for _, name, count, size in rows.tuples()]


def last_seen(user_ids: Collection[int]) -> dict[int, datetime]:
    """When each of these accounts used a login last, to the hour; those that are signed in nowhere are missing."""
    seen = Login.select(Login.user, peewee.fn.MAX(Login.seen_at)).where(Login.user.in_(list(user_ids))).group_by(Login.user)
    rows = cast(Iterable[tuple[int, datetime]], seen.tuples())
    return dict(rows)


def reset_link(actor: User, username: str, digest: str) -> None:
    """Make a link that sets a new password for the account. Raises Missing, Denied("not_owner")."""
    resets.put(_noted(actor, "reset_link", username).id, digest)


def suspend(actor: User, username: str, suspended: bool) -> User:
    """Suspend an account, or lift that; its companion sessions end. Raises Missing, Denied("not_owner"), Clash("self")."""
    user = _noted(actor, "suspended" if suspended else "readmitted", username)
    if suspended:
        _check_other(actor, user)
    User.update(suspended=suspended).where(User.id == user.id).execute()
    if suspended:
        companions.remove_of(user.id)
    return user


def log_out(actor: User, username: str) -> list[int]:
    """End all logins of an account; returns their ids. Raises Missing, Denied("not_owner")."""
    return logins.remove_of(_noted(actor, "logged_out", username).id)


def remove(actor: User, username: str) -> list[str]:
    """Delete an account with its rows; returns the folders of its recordings. Raises Missing, Denied("not_owner"), Clash("self")."""
    user = _noted(actor, "removed", username)
    _check_other(actor, user)
    return users.remove(user.id)


def hand_over(actor: User, username: str) -> None:
    """Make another account the owner; reset links made before are void. Raises Missing, Denied("not_owner"), Clash("suspended")."""
    user = _noted(actor, "owner", username)
    if user.suspended:
        raise Clash("suspended")
    ownership.hand_over(actor.id, user.id)
    resets.void_all()  # whoever was the owner may have kept some


def check_leaving(user: User, successor: str | None) -> None:
    """Changes nothing. Raises what `leave` raises: to be asked before anything of the account is ended."""
    with TABLES.atomic() as trial:
        _prepare_to_leave(user, successor)
        trial.rollback(False)


def leave(user: User, successor: str | None) -> list[str]:
    """Delete one's own account with its rows; returns the folders of its recordings.

    An owner hands the server over to `successor` in the same transaction, and has to where others are there.
    Raises Missing("no_such_user"), Clash("suspended"), Clash("name_an_owner").
    """
    _prepare_to_leave(user, successor)
    return users.remove(user.id)


def _prepare_to_leave(user: User, successor: str | None) -> None:
    if successor is not None and ownership.held_owner_id() == user.id:
        hand_over(user, successor)
    ownership.check_may_leave(user.id)


def _check_other(actor: User, user: User) -> None:
    """Raises Clash("self"): nobody suspends or removes the server's owner, who is `actor`."""
    if user.id == actor.id:
        raise Clash("self")


def _noted(actor: User, act: Act, username: str) -> User:
    """The account `username`; `actor` stays the owner until the transaction ends."""
    if ownership.held_owner_id() != actor.id:
        raise Denied("not_owner")
    user = users.find(username)
    if user is None:
        raise Missing("no_such_user")
    audit.note(actor.username, act, user.username)
    return user


def _held() -> "peewee.ModelSelect[Any]":
    size = peewee.fn.COALESCE(peewee.fn.SUM(Recording.size_bytes), 0).alias("bytes")
    return User.select(User.id, User.username, peewee.fn.COUNT(Recording.id), size).join(Recording).group_by(User.id, User.username)
