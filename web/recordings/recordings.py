"""Recordings: lists, titles, deletion, outlines and storage use. Their sound is in `web.recordings.audio`."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from aiohttp import web
from msgspec import Meta

from db import friendships, recordings
from db.caps import PAGE
from db.tables import Recording, User, now
from sfu.errors import NotFound, NotLive
from sfu.rfc3339 import rfc3339
from web.auth.downloads import DOWNLOADS
from web.auth.identity import current_user, friend_named
from web.errors import NoSuchVariant, NotFriends, NotReady
from web.http.json_body import body_as, query_as
from web.http.responses import encoded, encoded_list, id_of, nothing, ok, ready
from web.http.shapes import LARGEST_ID, Answer, Body, Invalid, Limit, Query, Timestamp, shown
from web.keys import CONFIG, DB, SWITCHBOARD
from web.recordings.recording_files import RECORDING_FILES
from web.recordings.tidying import TIDYING
from workers.disk_room import MB
from workers.recordings.peaks import outline

MOST_POINTS, LONGEST_TITLE = 10_000, 200
Share = Annotated[float, Meta(ge=0, le=1)]


def _before(value: str, _: Meta) -> int | datetime:
    """The id of a recording, or a moment in RFC 3339. Raises Invalid."""
    if value.isascii() and value.isdigit():
        if len(value) < 20 and 1 <= int(value) <= LARGEST_ID:
            return int(value)
        raise Invalid(f"must be a whole number from 1 to {LARGEST_ID}")
    try:
        moment = datetime.fromisoformat(value.replace(" ", "+"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid("must be the id of a recording, or a moment in RFC 3339") from None


class RecordingsPage(Query, frozen=True, kw_only=True):
    """before: the id of the last recording that one has, or a moment."""

    before: Annotated[int | datetime, Meta(extra={"read": _before})] | None = None
    limit: Limit = 50

    @property
    def part(self) -> tuple[int, int | None, datetime | None]:
        """How many, and before which id or moment, as the database takes them."""
        before_id, moment = (self.before, None) if isinstance(self.before, int) else (None, self.before)
        return min(self.limit, PAGE), before_id, moment


class OutlineQuery(Query, frozen=True, kw_only=True):
    """variant null: denoised where there is one."""

    variant: Literal["original", "denoised"] | None = None
    points: Annotated[int, Meta(ge=1, le=MOST_POINTS)] = 1000


class NewTitle(Body, frozen=True, kw_only=True):
    """What a recording is called from now on."""

    title: Annotated[str, Meta(min_length=1, max_length=LONGEST_TITLE, extra={"read": shown})]


class ChapterRow(Answer, frozen=True, kw_only=True):
    """A mark; kind: chord or practice."""

    at_s: float
    kind: str
    text: str


class RecordingSpan(Answer, frozen=True, kw_only=True):
    """A stretch that is not denoised, or where nothing was sent."""

    from_s: float
    to_s: float
    kind: Literal["bypass", "denoise_off", "gap"]
    reason: str | None


class PartRow(Answer, frozen=True, kw_only=True):
    """What one server has recorded. to_s null: it is not closed. sha256: of what `sha256sum` prints for its files, by their names."""

    node: str
    epoch: int
    from_s: float
    to_s: float | None
    sha256: str | None


class RecordingRow(Answer, frozen=True, kw_only=True):
    """A recording. denoised: any of it is. parts: what each of several servers has recorded of it. stats: counters of packets."""

    id: int
    username: str
    title: str | None
    state: Literal["live", "finalising", "ready", "failed"]
    started_at: Timestamp
    duration_s: float
    denoised: bool
    variants: list[str]
    size_bytes: int
    chapters: list[ChapterRow]
    stats: dict[str, Any]
    spans: list[RecordingSpan]
    denoised_share: Share
    parts: list[PartRow]


class Outline(Answer, frozen=True, kw_only=True):
    """The least and the largest sample of each of so many equal stretches, in [-1, 1]."""

    duration_s: float
    peaks: list[Annotated[list[float], Meta(min_length=2, max_length=2)]]


class StorageUse(Answer, frozen=True, kw_only=True):
    """What one's recordings take; null: no limit."""

    used_bytes: int
    quota_bytes: int | None
    keep_days: float | None


async def own(request: web.Request) -> web.Response:
    """List the own recordings, newest first."""
    user = await current_user(request)
    return await _listed(request, user)


async def of_friend(request: web.Request) -> web.Response:
    """List a friend's recordings, newest first."""
    return await _listed(request, await friend_named(request, await current_user(request)))


async def rename(request: web.Request) -> web.Response:
    """Rename an own recording. A live broadcast takes the new title too."""
    user = await current_user(request)
    body = await body_as(request, NewTitle)
    renamed = await request.app[DB].run(recordings.rename, user.id, id_of(request), body.title)
    if renamed.state == "live":
        with suppress(NotLive):  # it has ended just now
            broadcast = request.app[SWITCHBOARD].own(user.username)
            if broadcast.properties.tape == renamed.broadcast:  # not of one before, whose end is not written down yet
                broadcast.controls.retitle(body.title)
    return ok(row_of(renamed))


async def delete(request: web.Request) -> web.Response:
    """Move an own recording into the trash; where the trash keeps nothing, delete it with its files."""
    user = await current_user(request)
    await request.app[TIDYING].delete(user.id, id_of(request))
    request.app[DOWNLOADS].deleted([id_of(request)])
    return nothing()


async def peaks(request: web.Request) -> web.Response:
    """The outline of one variant, with as many pairs as asked for."""
    recording = await allowed(request)
    query = query_as(request, OutlineQuery)
    variant = variant_of(recording, query.variant)
    if recording.state in ("live", "finalising"):
        raise NotReady("The outline is made when the recording has ended.", retry_after_s=2)
    try:
        files, name = request.app[RECORDING_FILES], f"{variant}.peaks"
        async with files.folder(recording, await files.stored(recording), [name], (await current_user(request)).id) as folder:
            body = await asyncio.to_thread(_drawn, recording.duration_s, folder / name, query.points)
    except FileNotFoundError:
        raise NotFound("There is no outline of this recording.") from None
    return ready(body)


async def storage(request: web.Request) -> web.Response:
    """How much the own recordings take, the quota, and how long recordings are kept."""
    user = await current_user(request)
    settings = request.app[CONFIG].recording
    used = await request.app[DB].read(recordings.used_bytes, user.id)
    return ok(StorageUse(used_bytes=used, quota_bytes=settings.quota_mb * MB or None, keep_days=settings.keep_days or None))


async def allowed(request: web.Request) -> Recording:
    """The recording of the path, if the asker may hear it. Raises Missing, NotFriends."""
    user = await current_user(request)
    found = await request.app[DB].read(recordings.find, id_of(request))
    if found.user_id != user.id and not await request.app[DB].read(friendships.are_friends, user.id, found.user_id):
        raise NotFriends
    return found


def _drawn(duration_s: float, path: Path, points: int) -> bytes:
    """The outline as JSON, which of many points takes as long as reading it. Not for the loop. Raises FileNotFoundError."""
    return encoded(Outline(duration_s=duration_s, peaks=outline(path, points)))


def variant_of(recording: Recording, wanted: str | None) -> str:
    """The variant that is asked for; `denoised` where there is one and nothing is said. Raises NoSuchVariant."""
    variant = wanted or ("denoised" if recording.denoised else "original")
    if variant != "original" and not recording.denoised:
        raise NoSuchVariant
    return variant


def row_of(recording: Recording) -> RecordingRow:
    """A recording as lists show it. A live one is as long as it has lasted."""
    return RecordingRow(**values_of(recording))


def values_of(recording: Recording) -> dict[str, Any]:
    """The fields of a RecordingRow."""
    live = recording.state == "live"
    duration_s = (now() - recording.started_at).total_seconds() if live else recording.duration_s
    return {
        "id": recording.id,
        "username": recording.user.username,
        "title": recording.title,
        "state": recording.state,
        "started_at": rfc3339(recording.started_at),
        "duration_s": round(max(0.0, duration_s), 6),
        "denoised": recording.denoised,
        "variants": recording.variants,
        "size_bytes": recording.size_bytes,
        "chapters": recording.chapters,
        "stats": recording.stats,
        "spans": recording.spans,
        "denoised_share": recording.denoised_share,
        "parts": [{name: getattr(part, name) for name in PartRow.__struct_fields__} for part in recording.parts],
    }


async def _listed(request: web.Request, user: User) -> web.Response:
    found = await request.app[DB].read(recordings.of_user, user.id, *query_as(request, RecordingsPage).part)
    return ready(await asyncio.to_thread(_written, found))


def _written(found: list[Recording]) -> bytes:
    """The list as JSON. With a thousand chapters each it is megabytes: not for the loop."""
    return encoded_list(row_of(recording) for recording in found)
