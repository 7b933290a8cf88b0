"""Recordings: lists, titles, deletion, outlines, and what they take on the disk. How they sound is `web.recordings.audio`."""

import asyncio
import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from db import friendships, recordings
from db.tables import Recording, User, now
from sfu.errors import BadRequest, Conflict, NoSuchVariant, NotFound, NotFriends, NotLive
from web.auth.downloads import DOWNLOADS
from web.auth.identity import current_user, friend_named
from web.http.json_body import fields_of
from web.http.paging import LARGEST_ID, limit_of, number_of
from web.http.responses import id_of, nothing, ok, stamp
from web.keys import ARCHIVE, CONFIG, DB, SWITCHBOARD
from web.recordings.tidying import TIDYING
from workers.disk_room import MB
from workers.recordings.peaks import outline

VARIANTS = ("original", "denoised")
MOST_POINTS, LONGEST_TITLE = 10_000, 200


async def own(request: web.Request) -> web.Response:
    """The asker's recordings, newest first."""
    user = await current_user(request)
    return await _listed(request, user)


async def of_friend(request: web.Request) -> web.Response:
    """A friend's recordings, newest first."""
    return await _listed(request, await friend_named(request, await current_user(request)))


async def rename(request: web.Request) -> web.Response:
    """Give an own recording another title. What is on air is called as its recording is."""
    user = await current_user(request)
    fields = await fields_of(request)
    title = fields.shown("title", LONGEST_TITLE)
    fields.check()
    renamed = await request.app[DB].run(recordings.rename, user.id, id_of(request), title)
    if renamed.state == "live":
        with suppress(NotLive):  # it has ended just now
            broadcast = request.app[SWITCHBOARD].own(user.username)
            if broadcast.id == renamed.broadcast:  # not of one before, whose end is not written down yet
                broadcast.retitle(title)
    return ok(shown(renamed))


async def delete(request: web.Request) -> web.Response:
    """Move an own recording into the trash; where nothing is kept there it is gone at once, its files too."""
    user = await current_user(request)
    await request.app[TIDYING].delete(user.id, id_of(request))
    request.app[DOWNLOADS].deleted([id_of(request)])
    return nothing()


async def peaks(request: web.Request) -> web.Response:
    """The outline of one variant, as many pairs as asked for."""
    recording = await allowed(request)
    variant = variant_of(request, recording, VARIANTS)
    points = number_of(request, "points", 1000, MOST_POINTS)
    if recording.state in ("live", "finalising"):
        raise Conflict("not_ready", "The outline is made when the recording has ended.", retry_after_s=2)
    try:
        path = request.app[ARCHIVE].folder_of(recording) / f"{variant}.peaks"
        text = await asyncio.to_thread(_drawn, recording.duration_s, path, points)
    except FileNotFoundError:
        raise NotFound("There is no outline of this recording.") from None
    return web.Response(text=text, content_type="application/json")


async def storage(request: web.Request) -> web.Response:
    """What the asker's recordings take, and how much and how long they may."""
    user = await current_user(request)
    settings = request.app[CONFIG].recording
    used = await request.app[DB].read(recordings.used_bytes, user.id)
    return ok({"used_bytes": used, "quota_bytes": settings.quota_mb * MB or None, "keep_days": settings.keep_days or None})


async def allowed(request: web.Request) -> Recording:
    """The recording of the path, if the asker may hear it. Raises Missing, NotFriends."""
    user = await current_user(request)
    found = await request.app[DB].read(recordings.find, id_of(request))
    if found.user_id != user.id and not await request.app[DB].read(friendships.are_friends, user.id, found.user_id):
        raise NotFriends
    return found


def _drawn(duration_s: float, path: Path, points: int) -> str:
    """The outline as JSON, which of many points takes as long as reading it. Not for the loop. Raises FileNotFoundError."""
    return json.dumps({"duration_s": duration_s, "peaks": outline(path, points)})


def variant_of(request: web.Request, recording: Recording, known: tuple[str, ...]) -> str:
    """The variant that is asked for; `denoised` where there is one and nothing is said. Raises BadRequest, NoSuchVariant."""
    wanted = request.query.get("variant") or ("denoised" if recording.denoised else "original")
    if wanted not in known:
        raise BadRequest({"variant": f"must be one of {', '.join(known)}"})
    if wanted != "original" and not recording.denoised:
        raise NoSuchVariant
    return wanted


def shown(recording: Recording) -> dict[str, Any]:
    """A recording as the interface description has it. A live one is as long as it has lasted."""
    live = recording.state == "live"
    duration_s = (now() - recording.started_at).total_seconds() if live else recording.duration_s
    return {
        "id": recording.id,
        "username": recording.user.username,
        "title": recording.title,
        "state": recording.state,
        "started_at": stamp(recording.started_at),
        "duration_s": round(max(0.0, duration_s), 6),
        "denoised": recording.denoised,
        "variants": recording.variants,
        "size_bytes": recording.size_bytes,
        "chapters": recording.chapters,
        "stats": recording.stats,
        "spans": recording.spans,
        "denoised_share": recording.denoised_share,
        "parts": [],  # all of it lies on this server
    }


async def _listed(request: web.Request, user: User) -> web.Response:
    found = await request.app[DB].read(recordings.of_user, user.id, *page_of(request))
    return web.Response(text=await asyncio.to_thread(_written, found), content_type="application/json")


def _written(found: list[Recording]) -> str:
    """The list as JSON. With a thousand chapters each it is megabytes: not for the loop, and one by one, so that the loop gets its turn."""
    return f"[{', '.join(json.dumps(shown(recording)) for recording in found)}]"


def page_of(request: web.Request) -> tuple[int, int | None, datetime | None]:
    """Which part of a list is asked for: how many, and before which id or moment. Raises BadRequest."""
    return limit_of(request, 50), *_before(request)


def _before(request: web.Request) -> tuple[int | None, datetime | None]:
    """`before`: the id of a recording, or a moment in RFC 3339. Raises BadRequest."""
    text = request.query.get("before", "")
    if not text or (text.isascii() and text.isdigit()):
        return (number_of(request, "before", 0, LARGEST_ID) or None), None
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))
        return None, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadRequest({"before": "must be the id of a recording, or a moment in RFC 3339"}) from None
