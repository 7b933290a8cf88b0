"""Questions about recordings. The rows are also the list of work: what is `finalising` waits for its child process."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast

import peewee

from db.errors import Clash, Denied, Missing
from db.models import Recording, User, now

MOST_CHAPTERS = 1000  # of one recording; later ones are not kept


class Ended(NamedTuple):
    """What is known of a recording when its files are closed, or again when it is finalised."""

    duration_s: float
    variants: list[str]
    size_bytes: int
    stats: Mapping[str, Any]  # added to what is there
    spans: list[dict[str, Any]] | None = None  # None: not known yet, what is there stays
    denoised_share: float | None = None


def begin(username: str, broadcast: str, title: str | None, started_at: datetime) -> Recording:
    """Make the row of a broadcast that is beginning, `live`; its folder is told from storage's. Raises Missing without such a user."""
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
    """The files are closed: live → finalising. Nothing happens where it is no longer live."""
    _end(recording_id, "live", "finalising", ended)


def finish(recording_id: int, ended: Ended, playable: bool) -> None:
    """The child is through: finalising → ready, or failed where there is nothing to play."""
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


def interrupt() -> int:
    """At the start nothing is live: what says so was interrupted and shall be finalised. Returns how many there were."""
    return int(Recording.update(state="finalising").where(Recording.state == "live").execute())


def next_to_finalise() -> Recording | None:
    """The oldest recording that waits for its child."""
    found: Recording | None = Recording.select().where(Recording.state == "finalising").order_by(Recording.id).first()
    return found


def of_user(user_id: int, limit: int, before_id: int | None = None, before: datetime | None = None) -> list[Recording]:
    """A user's recordings with the user, newest first, of those before an id or a moment."""
    question = Recording.select(Recording, User).join(User).where(Recording.user == user_id)
    if before_id is not None:
        question = question.where(Recording.id < before_id)
    if before is not None:
        question = question.where(Recording.started_at < before)
    return list(question.order_by(Recording.id.desc()).limit(limit))


def find(recording_id: int) -> Recording:
    """One recording with its user. Raises Missing."""
    found: Recording | None = Recording.select(Recording, User).join(User).where(Recording.id == recording_id).first()
    if found is None:
        raise Missing("not_found")
    return found


def own(user_id: int, recording_id: int) -> Recording:
    """One of the user's own. Raises Missing, Denied."""
    found = find(recording_id)
    if found.user_id != user_id:
        raise Denied("not_allowed")
    return found


def rename(user_id: int, recording_id: int, title: str | None) -> Recording:
    """Give it another title. Raises Missing, Denied."""
    found = own(user_id, recording_id)
    found.title = title or None
    Recording.update(title=found.title).where(Recording.id == recording_id).execute()
    return found


def remove(user_id: int, recording_id: int) -> str:
    """Delete the row; the files in the folder that is returned are the caller's to delete. Raises Missing, Denied, Clash("still_live")."""
    found = own(user_id, recording_id)
    if found.state == "live":
        raise Clash("still_live")
    found.delete_instance()
    return str(found.folder)


def add_chapter(recording_id: int, at_s: float, kind: str, text: str) -> bool:
    """Append a chapter; False where it is not kept (no such recording, or too many)."""
    recording = Recording.get_or_none(Recording.id == recording_id)
    if recording is None or len(recording.chapters) >= MOST_CHAPTERS:
        return False
    chapters = [*recording.chapters, {"at_s": at_s, "kind": kind, "text": text}]
    Recording.update(chapters=chapters).where(Recording.id == recording_id).execute()
    return True


def used_bytes(user_id: int) -> int:
    """What a user's recordings take on the disk."""
    return int(Recording.select(peewee.fn.COALESCE(peewee.fn.SUM(Recording.size_bytes), 0)).where(Recording.user == user_id).scalar())


def remove_older(keep_days: int) -> list[str]:
    """Delete the rows of what has ended and began over `keep_days` ago; the folders that are returned are the caller's to delete."""
    old = Recording.started_at < now() - timedelta(days=keep_days)
    return _removed(list(Recording.select().where(_ended() & old)))


def remove_over_quota(quota_bytes: int) -> list[str]:
    """Delete each user's oldest until the rest fits; what is live or being finalised counts but stays. As remove_older."""
    total = peewee.fn.SUM(Recording.size_bytes)
    over = Recording.select(Recording.user, total.alias("total")).group_by(Recording.user).having(total > quota_bytes)
    going: list[Recording] = []
    for user_id, held in cast(Iterable[tuple[int, int]], over.tuples()):
        for recording in Recording.select().where(_ended() & (Recording.user == user_id)).order_by(Recording.id):
            if held <= quota_bytes:
                break
            going.append(recording)
            held -= recording.size_bytes
    return _removed(going)


def _ended() -> Any:
    return Recording.state.in_(["ready", "failed"])


def _removed(going: list[Recording]) -> list[str]:
    Recording.delete().where(Recording.id.in_([recording.id for recording in going])).execute()
    return [recording.folder for recording in going]
