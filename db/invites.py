"""Queries for invites: links that make a friendship, and for who has no account, an account."""

from datetime import datetime

from db.caps import INVITES, PAGE, check_room, newest
from db.errors import Clash, Missing
from db.expiry import is_good
from db.friendships import are_friends, befriend, has_blocked
from db.locks import hold_users
from db.tables import Invite, User


def add(user_id: int, digest: str, uses: int | None, expires_at: datetime | None, nonce: str | None = None) -> Invite:
    """Store a new invite; null: no limit. Raises Clash("limit_reached")."""
    hold_users(user_id)
    check_room(Invite.select().where(Invite.user == user_id), INVITES)
    added: Invite = Invite.create(user=user_id, digest=digest, uses=uses, expires_at=expires_at, nonce=nonce)
    return added


def of_user(user_id: int, before: int | None = None, limit: int = PAGE) -> list[Invite]:
    """A user's invites, newest first: those before an id."""
    return list(newest(Invite.select().where(Invite.user == user_id), Invite.id, before, limit))


def of_all(before: int | None = None, limit: int = PAGE) -> list[Invite]:
    """Everybody's invites with their makers, newest first: those before an id."""
    return list(newest(Invite.select(Invite, User).join(User), Invite.id, before, limit))


def remove(user_id: int, invite_id: int) -> None:
    """Revoke an invite. Raises Missing where the user has none of that id."""
    if not Invite.delete().where((Invite.user == user_id) & (Invite.id == invite_id)).execute():
        raise Missing("not_found")


def find(digest: str) -> Invite | None:
    """The invite with a digest, if it can still be used and its maker is not suspended."""
    unused = Invite.uses.is_null() | (Invite.used < Invite.uses)
    fresh = is_good(Invite.created_at, Invite.expires_at) & ~User.suspended
    found: Invite | None = Invite.select(Invite, User).join(User).where((Invite.digest == digest) & unused & fresh).first()
    return found


def take(digest: str) -> User:
    """Use an invite once; returns its creator. Raises Missing("invite")."""
    invite = find(digest)
    if invite is None:
        raise Missing("invite")
    left = Invite.uses.is_null() | (Invite.used < Invite.uses)
    if not Invite.update(used=Invite.used + 1).where((Invite.id == invite.id) & left).execute():  # somebody else has taken the last use
        raise Missing("invite")
    inviter: User = invite.user
    return inviter


def accept(user_id: int, digest: str) -> User:
    """Use an invite once for an account that there is; the inviter becomes a friend and is returned.

    Raises Missing("not_found") for an invite that cannot be used, or whose maker has blocked the user, and Clash already_friends,
    own_invite, blocked, limit_reached; then it is not used up.
    """
    invite = find(digest)
    if invite is None or has_blocked(invite.user_id, user_id):
        raise Missing("not_found")
    if invite.user_id == user_id:
        raise Clash("own_invite")
    if are_friends(user_id, invite.user_id):
        raise Clash("already_friends")
    if has_blocked(user_id, invite.user_id):
        raise Clash("blocked")
    befriend(user_id, invite.user_id)
    try:
        return take(digest)
    except Missing:
        raise Missing("not_found") from None
