"""Queries for logins: which browsers are signed in as whom. Only digests of cookies are stored."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from db.caps import LOGINS, PAGE, newest
from db.errors import Missing
from db.locks import hold_users
from db.tables import Login, User, now

IDLE = timedelta(days=30)
LIFE = timedelta(days=180)  # from signing in, whether used or not; then the password is needed again
KEPT = timedelta(days=90)  # rows of idle logins, so that a temporarily wrong clock deletes none
MOST_ENDED = 100  # by one new login, if older rows exceed the limit
TOUCH_AFTER = timedelta(hours=1)


class Added(NamedTuple):
    """A new login, and the ids of those that it replaces."""

    login: Login
    ended: list[int]


def add(user_id: int, digest: str, address: str, agent: str, password_hash: str, replaced: int | None = None) -> Added | None:
    """Sign a browser in; None where the verified password is no longer the user's, or the user is suspended.

    The oldest of too many ends; `replaced`, the one that the caller ends for the new one, does not count.
    """
    hold_users(user_id)
    if not User.select().where((User.id == user_id) & (User.password_hash == password_hash) & ~User.suspended).exists():
        return None
    mine = Login.select(Login.id).where((Login.user == user_id) & (Login.id != replaced))
    ended = [login.id for login in mine.order_by(Login.id).limit(min(MOST_ENDED, max(0, mine.count() + 1 - LOGINS)))]
    if ended:
        Login.delete().where(Login.id.in_(ended)).execute()
    return Added(Login.create(user=user_id, digest=digest, address=address, agent=agent), ended)


def find(digest: str) -> Login | None:
    """The login with a digest, and its user, unless it was idle for 30 days or is 180 days old.

    The row stays: the clock may be wrong.
    """
    found: Login | None = Login.select(Login, User).join(User).where((Login.digest == digest) & _alive()).first()
    return found


def is_stale(login: Login) -> bool:
    """Whether the time of last use should be updated."""
    return bool(now() - login.seen_at > TOUCH_AFTER)


def touch(digest: str) -> bool:
    """Update the time of last use; False where the login no longer exists."""
    return bool(Login.update(seen_at=now()).where(Login.digest == digest).execute())


def of_user(user_id: int, before: int | None = None, limit: int = PAGE) -> list[Login]:
    """A user's valid logins, newest first: those before an id."""
    return list(newest(Login.select().where((Login.user == user_id) & _alive()), Login.id, before, limit))


def ids_of(user_id: int) -> list[int]:
    """The ids of all of a user's logins."""
    return [login.id for login in Login.select(Login.id).where(Login.user == user_id)]


def gone(login_ids: Collection[int]) -> set[int]:
    """Which of these logins no longer exist, or belong to somebody who is suspended."""
    there = Login.select(Login.id).join(User).where(Login.id.in_(list(login_ids)) & ~User.suspended)
    return set(login_ids) - {login.id for login in there}


def remove_idle(moment: datetime) -> int:
    """Delete the rows of logins that expired long ago. `moment`: a trusted time. Returns how many."""
    long_over = (Login.seen_at < moment - KEPT) | (Login.created_at < moment - LIFE - KEPT)
    return int(Login.delete().where(long_over).execute())


def remove(user_id: int, login_id: int) -> None:
    """Sign one browser of a user out. Raises Missing where the user has no such login."""
    if not Login.delete().where((Login.user == user_id) & (Login.id == login_id)).execute():
        raise Missing("not_found")


def remove_digest(digest: str) -> None:
    """Sign out the browser with that digest, if it is signed in."""
    Login.delete().where(Login.digest == digest).execute()


def remove_of(user_id: int) -> list[int]:
    """Sign out all of a user's browsers; returns the ids of their logins."""
    ended = ids_of(user_id)
    Login.delete().where(Login.user == user_id).execute()
    return ended


def remove_others(user_id: int, kept_id: int) -> list[int]:
    """Sign out all of a user's browsers but one; returns the ids of their logins."""
    others = (Login.user == user_id) & (Login.id != kept_id)
    ended = [login.id for login in Login.select(Login.id).where(others)]
    Login.delete().where(others).execute()
    return ended


def _alive() -> Any:
    """Expired rows are refused, not deleted, because the clock may be wrong."""
    moment = now()
    return (Login.seen_at >= moment - IDLE) & (Login.created_at >= moment - LIFE)
