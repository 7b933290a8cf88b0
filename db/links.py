"""Queries for listen links, which give access to a user's live broadcast without an account."""

from collections.abc import Collection
from datetime import datetime

from db.caps import LINKS, PAGE, check_room, newest
from db.errors import Missing
from db.expiry import is_good
from db.locks import hold_users
from db.tables import ListenLink, User


def add(user_id: int, digest: str, expires_at: datetime | None, nonce: str | None = None) -> ListenLink:
    """Store a new link; `expires_at` null: valid until it is deleted. Raises Clash("limit_reached")."""
    hold_users(user_id)
    check_room(ListenLink.select().where(ListenLink.user == user_id), LINKS)
    added: ListenLink = ListenLink.create(user=user_id, digest=digest, expires_at=expires_at, nonce=nonce)
    return added


def of_user(user_id: int, before: int | None = None, limit: int = PAGE) -> list[ListenLink]:
    """A user's links, newest first: those before an id."""
    return list(newest(ListenLink.select().where(ListenLink.user == user_id), ListenLink.id, before, limit))


def remove(user_id: int, link_id: int) -> None:
    """Revoke a link. Raises Missing where the user has none of that id."""
    if not ListenLink.delete().where((ListenLink.user == user_id) & (ListenLink.id == link_id)).execute():
        raise Missing("not_found")


def gone(link_ids: Collection[int]) -> set[int]:
    """Which of these links no longer exist, or belong to somebody who is suspended."""
    there = ListenLink.select(ListenLink.id).join(User).where(ListenLink.id.in_(list(link_ids)) & ~User.suspended)
    return set(link_ids) - {link.id for link in there}


def find(digest: str) -> ListenLink | None:
    """The link with a digest, and its user, if it is valid and the user is not suspended."""
    fresh = is_good(ListenLink.created_at, ListenLink.expires_at) & ~User.suspended
    found: ListenLink | None = ListenLink.select(ListenLink, User).join(User).where((ListenLink.digest == digest) & fresh).first()
    return found
