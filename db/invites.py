"""Queries for invites: links that create an account and a friendship."""

from datetime import datetime

from db.caps import INVITES, PAGE, check_room, newest
from db.errors import Missing
from db.expiry import is_good
from db.tables import Invite, User


def add(user_id: int, digest: str, uses: int | None, expires_at: datetime | None) -> Invite:
    """Store a new invite; null: no limit. Raises Clash("limit_reached")."""
    check_room(Invite.select().where(Invite.user == user_id), INVITES)
    added: Invite = Invite.create(user=user_id, digest=digest, uses=uses, expires_at=expires_at)
    return added


def of_user(user_id: int, before: int | None = None, limit: int = PAGE) -> list[Invite]:
    """A user's invites, newest first: those before an id."""
    return list(newest(Invite.select().where(Invite.user == user_id), Invite.id, before, limit))


def remove(user_id: int, invite_id: int) -> None:
    """Revoke an invite. Raises Missing where the user has none of that id."""
    if not Invite.delete().where((Invite.user == user_id) & (Invite.id == invite_id)).execute():
        raise Missing("not_found")


def find(digest: str) -> Invite | None:
    """The invite with a digest, if it can still be used."""
    unused = Invite.uses.is_null() | (Invite.used < Invite.uses)
    fresh = is_good(Invite.created_at, Invite.expires_at)
    found: Invite | None = Invite.select(Invite, User).join(User).where((Invite.digest == digest) & unused & fresh).first()
    return found


def take(digest: str) -> User:
    """Use an invite once; returns its creator. Raises Missing("invite")."""
    invite = find(digest)
    if invite is None:
        raise Missing("invite")
    Invite.update(used=Invite.used + 1).where(Invite.id == invite.id).execute()
    inviter: User = invite.user
    return inviter
