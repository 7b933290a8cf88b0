"""The sound of a recording: from a file that exists in that format, else decoded while it is sent (WAV), or made once and cached."""

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Literal

from aiohttp import hdrs, web

from db.tables import Recording
from sfu.errors import NotFound
from web.auth.downloads import DOWNLOADS, Right
from web.auth.identity import LOGIN, current_user
from web.http import timeouts
from web.http.json_body import query_as
from web.http.problems import problem
from web.http.ranges import SentFile, part_of, tag_of
from web.http.route import Given
from web.http.shapes import Query
from web.recordings.archive import ARCHIVE
from web.recordings.recordings import allowed, variant_of
from web.recordings.transcoding import TRANSCODING
from workers.child import ChildFailed
from workers.recordings import opusfile, wav

logger = logging.getLogger(__name__)

TYPES = {"wav": "audio/wav", "flac": "audio/flac", "opus": "audio/ogg"}
SOUNDS = tuple(TYPES.values())
SOUND = (Given(200, None, SOUNDS, ("ETag",)), Given(206, None, SOUNDS, ("ETag", "Content-Range")), Given(304))


class AudioQuery(Query, frozen=True, kw_only=True):
    """variant null: denoised where there is one. both: two channels, the original on the left, the denoised on the right."""

    variant: Literal["original", "denoised", "both"] | None = None
    format: Literal["wav", "flac", "opus"] = "wav"
    download: bool = False


async def audio(request: web.Request) -> web.StreamResponse:
    """The sound of a recording in the variant and format that is asked for, whole or a range."""
    recording = await allowed(request)
    listener = (await current_user(request)).id
    right = Right(request[LOGIN].id, listener, recording.user_id, recording.id)
    request.app[DOWNLOADS].begin(request, right)  # from here on the answer ends when the right to hear it ends
    query = query_as(request, AudioQuery)
    variant, form = variant_of(recording, query.variant), query.format
    headers: dict[str, str] = {hdrs.CONTENT_TYPE: TYPES[form], hdrs.CACHE_CONTROL: "private, no-cache"}
    if query.download:
        headers[hdrs.CONTENT_DISPOSITION] = f'attachment; filename="{_file_name(recording, form)}"'
    folder = request.app[ARCHIVE].folder_of(recording)
    samples, ready = await asyncio.to_thread(_look, folder, recording, variant, form)
    if not samples:
        raise NotFound("There is no sound in this recording.")
    try:
        async with timeouts.while_there(request):
            if ready is None and form == "wav":
                return await _view(request, listener, folder, variant, samples, f"{recording.id}-{variant}-{samples}", headers)
            if ready is None:
                name = f"{recording.id}-{variant}-{samples}.{form}"
                ready = await request.app[TRANSCODING].made(listener, folder, variant, form, samples, name)
    except ChildFailed:
        if await asyncio.to_thread(folder.exists):
            raise
        raise NotFound("It has just been deleted.") from None
    return await _sent(request, ready, headers)


async def _sent(request: web.Request, file: Path, headers: dict[str, str]) -> web.StreamResponse:
    """A whole file, or the range of it that is asked for."""
    try:
        stat = await asyncio.to_thread(file.stat)
    except FileNotFoundError:
        raise NotFound("It has just been deleted.") from None
    part = part_of(request, stat.st_size, tag_of(stat), stat.st_mtime)
    if part is not None and part[0] >= part[1]:
        return _no_such_range(stat.st_size)
    return SentFile(file, headers, part)


def _no_such_range(size: int) -> web.Response:
    return problem(416, "no_such_range", f"It has {size} bytes.", headers={hdrs.CONTENT_RANGE: f"bytes */{size}"})


def _look(folder: Path, recording: Recording, variant: str, form: str) -> tuple[int, Path | None]:
    """(length in samples, the file that is this form already). Not for the loop: reads the disk."""
    try:
        samples = max(opusfile.length(folder / f"{name}.opus") for name in ("original", "denoised") if variant in (name, "both"))
    except FileNotFoundError:
        return 0, None
    heard = variant == recording.variants[-1] and recording.state == "ready"
    ready = folder / (f"{variant}.opus" if form == "opus" else wav.HEARD if form == "wav" and heard else "none")
    return samples, ready if ready.exists() else None


async def _view(
    request: web.Request, ear: int, folder: Path, variant: str, samples: int, tag: str, headers: dict[str, str]
) -> web.StreamResponse:
    """A WAV that is no file: its length is known, its bytes are decoded while they are sent."""
    size = wav.size(samples, 2 if variant == "both" else 1)
    headers |= {hdrs.ACCEPT_RANGES: "bytes", hdrs.ETAG: f'"{tag}"'}
    if any(known.value in (tag, "*") for known in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    wanted = part_of(request, size, f'"{tag}"')
    start, stop = wanted or (0, size)
    if start >= stop:
        return _no_such_range(size)
    response = web.StreamResponse(headers=headers)
    response.content_length = stop - start
    if wanted:
        response.set_status(206)
        response.headers[hdrs.CONTENT_RANGE] = f"bytes {start}-{stop - 1}/{size}"
    pieces = request.app[TRANSCODING].view(ear, lambda: timeouts.hang_up(request), folder, variant, samples, start, stop)
    async with contextlib.aclosing(pieces):
        if request.method == hdrs.METH_HEAD:
            await response.prepare(request)
            return response
        first = await anext(pieces)  # errors before the first piece can still be told by a status
        await response.prepare(request)
        try:
            await written(response, first)
            async for piece in pieces:
                await written(response, piece)
        except (ChildFailed, TimeoutError) as failure:  # deleted meanwhile, say; an answer that has begun can only be aborted
            logger.warning("a recording is broken off: %s", failure or "nobody takes it")
            timeouts.hang_up(request)
            return response
    await response.write_eof()
    return response


async def written(response: web.StreamResponse, piece: bytes) -> None:
    """Raises TimeoutError where the client takes nothing."""
    async with asyncio.timeout(timeouts.STALLED_S):
        await response.write(piece)


def _file_name(recording: Recording, form: str) -> str:
    return f"{recording.user.username}_{recording.started_at:%Y%m%d-%H%M%S}.{form}"
