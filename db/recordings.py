"""Queries for recordings. The rows are also the work queue: one that is `finalising` waits for its child process."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import peewee

from db import chapters
from db.errors import Denied, Missing
from db.tables import Recording, User


class Ended(NamedTuple):
    """What is known of a recording when its files are closed, and again when it is finalised."""

    duration_s: float
    variants: list[str]
    size_bytes: int
    stats: Mapping[str, Any]  # merged into the existing ones
    spans: list[dict[str, Any]] | None = None  # None: unknown, the existing ones stay
    denoised_share: float | None = None


def begin(username: str, broadcast: str, title: str | None, started_at: datetime) -> Recording:
    """Create the `live` row of a new broadcast; its folder is relative to storage's. Raises Missing without such a user."""
    user = User.get_or_none(User.username == username)
    if user is None:
        raise Missing("no_such_user")
    begun: Recording = Recording.create(
        user=user, broadcast=broadcast, title=title or None, started_at=started_at, variants=["original"], folder=""
    )
    begun.folder = f"recordings/{begun.id}"
    begun.save()
    return begun


def close(recording_id: int, ended: Ended) -> None:
    """The files are closed: live → finalising. Does nothing where it is no longer live."""
    _end(recording_id, "live", "finalising", ended)


def finish(recording_id: int, ended: Ended, playable: bool) -> None:
    """The child has ended: finalising → ready, or failed where there is nothing to play."""
    _end(recording_id, "finalising", "ready" if playable else "failed", ended)


def _end(recording_id: int, before: str, after: str, ended: Ended) -> None:
    recording = Recording.get_or_none(Recording.id == recording_id, Recording.state == before)
    if recording is None:
        return
    recording.state, recording.duration_s, recording.size_bytes = after, ended.duration_s, ended.size_bytes
    recording.variants, recording.denoised = ended.variants, "denoised" in ended.variants
    recording.stats = {**recording.stats, **ended.stats}
    if ended.spans is not None and ended.denoised_share is not None:
        recording.spans, recording.denoised_share = ended.spans, ended.denoised_share
    recording.save()


def interrupt(going_on: Collection[str] = ()) -> int:
    """At the start: live → finalising for all recordings but those of broadcasts that continue. Returns how many."""
    interrupted = (Recording.state == "live") & Recording.broadcast.not_in(list(going_on))
    return int(Recording.update(state="finalising").where(interrupted).execute())


def next_to_finalise(but: Collection[int] = ()) -> Recording | None:
    """The oldest recording that waits for its child, except these."""
    waiting = (Recording.state == "finalising") & Recording.id.not_in(list(but))
    found: Recording | None = Recording.select().where(waiting).order_by(Recording.id).first()
    return found


def of_user(
    user_id: int, limit: int, before_id: int | None = None, before: datetime | None = None, *, in_trash: bool = False
) -> list[Recording]:
    """A user's recordings with the user, newest first, those before an id or a time; or those in the trash."""
    question = Recording.select(Recording, User).join(User).where((Recording.user == user_id) & Recording.deleted_at.is_null(not in_trash))
    if before_id is not None:
        question = question.where(Recording.id < before_id)
    if before is not None:
        question = question.where(Recording.started_at < before)
    found = list(question.order_by(Recording.id.desc()).limit(limit))
    chapters.fill_in(found)
    return found


def find(recording_id: int) -> Recording:
    """One recording with its user, unless it is in the trash. Raises Missing."""
    here = (Recording.id == recording_id) & Recording.deleted_at.is_null()
    found: Recording | None = Recording.select(Recording, User).join(User).where(here).first()
    if found is None:
        raise Missing("not_found")
    return found


def gone(recording_ids: Collection[int]) -> set[int]:
    """Which of these recordings no longer exist, or are in the trash."""
    there = Recording.select(Recording.id).where(Recording.id.in_(list(recording_ids)) & Recording.deleted_at.is_null())
    return set(recording_ids) - {recording.id for recording in there}


def own(user_id: int, recording_id: int) -> Recording:
    """One of the user's own. Raises Missing, Denied."""
    found = find(recording_id)
    if found.user_id != user_id:
        raise Denied("not_allowed")
    return found


def rename(user_id: int, recording_id: int, title: str) -> Recording:
    """Give it another title. Raises Missing, Denied."""
    found = own(user_id, recording_id)
    found.title = title
    chapters.fill_in([found])
    Recording.update(title=found.title).where(Recording.id == recording_id).execute()
    return found


def used_bytes(user_id: int) -> int:
    """The bytes of a user's recordings on the disk, including the trash."""
    return int(Recording.select(peewee.fn.COALESCE(peewee.fn.SUM(Recording.size_bytes), 0)).where(Recording.user == user_id).scalar())
