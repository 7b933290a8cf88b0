"""Queries for companion sessions and the devices that joined them. Only digests of codes and passes are stored."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from db.errors import Missing
from db.locks import hold, hold_users
from db.tables import CompanionPass, CompanionSession, User, now

LIFE = timedelta(hours=12)
SLACK = timedelta(hours=1)  # a clock correction of less than this ends no session


def open_session(session_id: str, user_id: int, kind: str, digest: str, most: int) -> tuple[CompanionSession, list[str]]:
    """A new session, and the ids of the oldest ones that it replaces: a user has at most `most`."""
    hold_users(user_id)
    mine = CompanionSession.select(CompanionSession.id).where(CompanionSession.user == user_id)
    older = [each.id for each in mine.order_by(CompanionSession.created_at, CompanionSession.id)]
    ended = older[: max(0, len(older) + 1 - most)]
    if ended:
        remove(ended)
    made = CompanionSession.create(id=session_id, user=user_id, kind=kind, digest=digest, expires_at=now() + LIFE)
    return made, ended


def find(session_id: str) -> CompanionSession:
    """The session with its user, within its twelve hours, unless that is suspended. Raises Missing.

    A session that expires much later than twelve hours from now was created while the clock was ahead: it is refused like an expired one.
    The rows of both stay until a trusted time confirms it, so that a clock jump deletes none.
    """
    rows = CompanionSession.select(CompanionSession, User).join(User)
    mine = (CompanionSession.id == session_id) & ~User.suspended
    found: CompanionSession | None = rows.where(mine & _lasts(now())).first()
    if found is None:
        raise Missing("not_found")
    return found


def admit(session_id: str, digest: str, most: int) -> None:
    """Store a device's pass; beyond `most` devices the first one has to join again. Raises Missing."""
    if hold(CompanionSession.select().where(CompanionSession.id == session_id)).first() is None:
        raise Missing("not_found")
    CompanionPass.create(session=session_id, digest=digest)
    of_session = CompanionPass.select(CompanionPass.id).where(CompanionPass.session == session_id)
    kept = of_session.order_by(CompanionPass.id.desc()).limit(most)
    CompanionPass.delete().where((CompanionPass.session == session_id) & CompanionPass.id.not_in(kept)).execute()


def is_pass(session_id: str, digests: Collection[str]) -> bool:
    """Whether a device of this session has one of these passes."""
    return bool(CompanionPass.select().where((CompanionPass.session == session_id) & CompanionPass.digest.in_(list(digests))).exists())


def remove(session_ids: Collection[str]) -> None:
    """End these sessions; their devices are forgotten."""
    CompanionSession.delete().where(CompanionSession.id.in_(list(session_ids))).execute()


def remove_of(user_id: int) -> None:
    """End all of a user's."""
    CompanionSession.delete().where(CompanionSession.user == user_id).execute()


def remove_over(moment: datetime) -> None:
    """Delete the sessions that have expired at `moment`, a trusted time, and those created while the clock was ahead."""
    CompanionSession.delete().where(~_lasts(moment)).execute()


def gone(session_ids: Collection[str]) -> set[str]:
    """Which of these sessions no longer exist, or belong to somebody who is suspended."""
    there = CompanionSession.select(CompanionSession.id).join(User).where(CompanionSession.id.in_(list(session_ids)) & ~User.suspended)
    return set(session_ids) - {session.id for session in there}


def _lasts(moment: datetime) -> Any:
    return CompanionSession.expires_at.between(moment, moment + LIFE + SLACK)
