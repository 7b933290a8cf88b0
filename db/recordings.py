"""Queries for recordings. The rows are also the work queue: one that is `finalising` waits for its child process."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, cast

import peewee

from db import chapters, epochs, recording_parts
from db.errors import Denied, Missing
from db.locks import hold
from db.tables import Recording, User, of_node


class Ended(NamedTuple):
    """What is known of a recording when its files are closed, and again when it is finalised."""

    duration_s: float
    variants: list[str]
    size_bytes: int
    stats: Mapping[str, Any]  # merged into the existing ones
    spans: list[dict[str, Any]] | None = None  # None: unknown, the existing ones stay
    denoised_share: float | None = None


class JoinedParts(NamedTuple):
    """Parts of a recording, by id, are joined in `folder`, which replaces the folder `instead`."""

    folder: str
    instead: str
    parts: Collection[int]


STATES = ("live", "finalising", "ready", "failed")


class Stored(NamedTuple):
    """How many recordings, and the bytes of their files."""

    recordings: int
    size_bytes: int


def stored() -> dict[str, Stored]:
    """Of all users, by state; `trash`: in the trash, whatever their state."""
    state = peewee.Case(None, [(Recording.deleted_at.is_null(), Recording.state)], peewee.SQL("'trash'"))
    rows = Recording.select(state, peewee.fn.COUNT(peewee.SQL("*")), peewee.fn.SUM(Recording.size_bytes)).group_by(state)
    return {name: Stored(count, int(size or 0)) for name, count, size in cast(Iterable[tuple[str, int, int | None]], rows.tuples())}


def begin(username: str, broadcast: str, title: str | None, started_at: datetime, epoch: int | None = None, node: str = "") -> Recording:
    """Create the `live` row of a new broadcast; its folder is relative to the storage of `node`. One that is live at another server goes
    on in a folder here, if it was not taken with the epoch. Raises Missing without such a user, StaleEpoch.
    """
    epochs.check(broadcast, epoch)
    there: Recording | None = hold(Recording.select().where((Recording.broadcast == broadcast) & (Recording.state == "live"))).first()
    if there is not None and epoch is not None and there.node != node:
        recording_parts.go_on(there, node, epoch, recording_parts.length_s(there))
        return there
    if there is not None and epoch is not None and there.folder == recording_parts.folder_of(there.id, epoch):
        return there
    user = User.get_or_none(User.username == username)
    if user is None:
        raise Missing("no_such_user")
    begun: Recording = Recording.create(
        user=user, broadcast=broadcast, title=title or None, started_at=started_at, variants=["original"], folder="", node=node
    )
    begun.folder = f"recordings/{begun.id}"
    begun.save()
    if node and epoch is not None:
        recording_parts.begin(begun, epoch, 0.0)
    return begun


def is_live(tape: str) -> bool:
    """Whether a recording of this name is written, at whichever server."""
    return bool(Recording.select().where((Recording.broadcast == tape) & (Recording.state == "live")).exists())


def close(recording_id: int, ended: Ended, epoch: int | None = None, node: str = "") -> None:
    """The files are closed: live → finalising. Does nothing where it is no longer live, or live at another server than `node`. Raises
    StaleEpoch: it goes on elsewhere.
    """
    live = (Recording.id == recording_id) & (Recording.state == "live")
    named = Recording.select(Recording.broadcast).where(live).first()
    if named is None:
        return
    epochs.check(named.broadcast, epoch)
    recording = hold(Recording.select().where(live & of_node(Recording, node))).first()
    if recording is not None:
        _end(recording, "finalising", ended)


def close_left_behind(node: str, but: Collection[int]) -> int:
    """live → finalising for what this server has recorded of broadcasts that go on elsewhere without it; without `but`. How many."""
    ids = recording_parts.left_behind(node, but)
    return int(Recording.update(state="finalising").where(Recording.id.in_(ids) & (Recording.state == "live")).execute()) if ids else 0


def finish(recording_id: int, ended: Ended, playable: bool, joined: JoinedParts | None = None, node: str = "") -> list[str]:
    """The child has ended: finalising → ready, or failed where there is nothing to play. Returns folders for the caller to delete.

    joined: its parts are in another folder now; then what was ready without some of them is so again. Nothing is done where the
    recording is another server's than `node`, or has got another folder meanwhile than `joined` replaces.
    """
    there = (Recording.id == recording_id) & Recording.state.in_(("finalising", "ready", "failed")) & of_node(Recording, node)
    found = hold(Recording.select().where(there)).first()
    if found is None or (found.state != "finalising" if joined is None else found.folder != joined.instead):
        return []
    gone = [] if joined is None else recording_parts.replace(found, joined.folder, joined.parts)
    ended = ended._replace(size_bytes=ended.size_bytes + recording_parts.bytes_apart(recording_id))
    _end(found, "ready" if playable else "failed", ended)
    return gone


def _end(recording: Recording, state: str, ended: Ended) -> None:
    recording.state, recording.duration_s, recording.size_bytes = state, ended.duration_s, ended.size_bytes
    recording.variants, recording.denoised = ended.variants, "denoised" in ended.variants
    recording.stats = {**recording.stats, **ended.stats}
    if ended.spans is not None and ended.denoised_share is not None:
        recording.spans, recording.denoised_share = ended.spans, ended.denoised_share
    recording.save()


def interrupt(going_on: Collection[str] = (), node: str = "") -> int:
    """At the start: live → finalising for all recordings but those that continue, by name; of several servers those of `node`.

    Returns how many.
    """
    interrupted = (Recording.state == "live") & Recording.broadcast.not_in(list(going_on)) & of_node(Recording, node)
    return int(Recording.update(state="finalising").where(interrupted).execute())


def unclaimed() -> list[Recording]:
    """Of several servers: the recordings of the time when there was one."""
    return list(Recording.select(Recording.id, Recording.folder).where(Recording.node == ""))


def claim(recording_ids: Collection[int], node: str) -> None:
    """These recordings' files are at this server."""
    Recording.update(node=node).where(Recording.id.in_(list(recording_ids)) & (Recording.node == "")).execute()


def next_to_finalise(but: Collection[int] = (), node: str = "") -> Recording | None:
    """The oldest recording that waits for its child, except these; of several servers, of those of `node`."""
    waiting = (Recording.state == "finalising") & Recording.id.not_in(list(but)) & of_node(Recording, node)
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
    recording_parts.fill_in(found)
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
    recording_parts.fill_in([found])
    Recording.update(title=found.title).where(Recording.id == recording_id).execute()
    return found


def used_bytes(user_id: int) -> int:
    """The bytes of a user's recordings on the disk, including the trash."""
    return int(Recording.select(peewee.fn.COALESCE(peewee.fn.SUM(Recording.size_bytes), 0)).where(Recording.user == user_id).scalar())
