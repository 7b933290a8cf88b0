"""The sound of a recording: a file of that format, here or in S3, else decoded while it is sent (WAV), or made once and cached."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable
from functools import partial
from pathlib import Path
from typing import Literal

from aiohttp import hdrs, web

from db.tables import Recording
from sfu.errors import NotFound
from web.auth.downloads import DOWNLOADS, Right
from web.auth.identity import current_user, login_id_of
from web.errors import NoSuchRange, StorageAway
from web.http import timeouts
from web.http.conditions import is_known
from web.http.json_body import query_as
from web.http.ranges import SentFile, part_of, tag_of
from web.http.route import Given
from web.http.shapes import Query
from web.recordings.recording_files import RECORDING_FILES, StoredFile, file_in
from web.recordings.recordings import allowed, variant_of
from web.recordings.transcoding import TRANSCODING
from workers.child import ChildFailed
from workers.recordings import opusfile, wav

logger = logging.getLogger(__name__)

Pieces = AsyncGenerator[bytes, None]
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
    right = Right(login_id_of(request) or 0, listener, recording.user_id, recording.id)
    request.app[DOWNLOADS].begin(request, right)  # from here on the answer ends when the right to hear it ends
    query = query_as(request, AudioQuery)
    variant, form = variant_of(recording, query.variant), query.format
    headers: dict[str, str] = {hdrs.CONTENT_TYPE: TYPES[form], hdrs.CACHE_CONTROL: "private, no-cache"}
    if query.download:
        headers[hdrs.CONTENT_DISPOSITION] = f'attachment; filename="{_file_name(recording, form)}"'
    files = request.app[RECORDING_FILES]
    stored = await files.stored(recording)
    if stored is not None and (file := file_in(stored, _ready(recording, variant, form))) is not None:
        return await _streamed(request, file.size, file.tag, partial(_sent_from_s3, request, listener, file), headers)
    names = [f"{name}.opus" for name in ("original", "denoised") if variant in (name, "both")]
    async with timeouts.while_there(request), files.folder(recording, stored, names, listener) as folder:
        return await _from_folder(request, listener, folder, recording, (variant, form), headers)


async def _from_folder(
    request: web.Request, listener: int, folder: Path, recording: Recording, wanted: tuple[str, str], headers: dict[str, str]
) -> web.StreamResponse:
    """Of the Opus files in a folder, and what is made of them."""
    variant, form = wanted
    samples, ready = await asyncio.to_thread(_look, folder, recording, variant, form)
    if not samples:
        raise NotFound("There is no sound in this recording.")
    transcoding, name = request.app[TRANSCODING], f"{Path(recording.folder).name}-{variant}-{samples}"
    try:
        if ready is None and form == "wav":
            decoded = partial(transcoding.view, listener, lambda: timeouts.hang_up(request), folder, variant, samples)
            return await _streamed(request, wav.size(samples, 2 if variant == "both" else 1), name, decoded, headers)
        if ready is None:
            ready = await transcoding.made(listener, folder, variant, form, samples, f"{name}.{form}")
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
        raise NoSuchRange(stat.st_size)
    return SentFile(file, headers, part)


def _look(folder: Path, recording: Recording, variant: str, form: str) -> tuple[int, Path | None]:
    """(length in samples, the file that is this form already). Not for the loop: reads the disk."""
    try:
        samples = max(opusfile.length(folder / f"{name}.opus") for name in ("original", "denoised") if variant in (name, "both"))
    except FileNotFoundError:
        return 0, None
    name = _ready(recording, variant, form)
    return samples, folder / name if name and (folder / name).exists() else None


def _ready(recording: Recording, variant: str, form: str) -> str | None:
    """The name of the file that is this form already, where it was made."""
    if form == "opus":
        return f"{variant}.opus"
    heard = variant == recording.variants[-1] and recording.state == "ready"
    return wav.HEARD if form == "wav" and heard else None


def _sent_from_s3(request: web.Request, listener: int, file: StoredFile, start: int, stop: int) -> Pieces:
    pieces = request.app[RECORDING_FILES].pieces(file, start, stop)
    return request.app[TRANSCODING].sent(listener, lambda: timeouts.hang_up(request), pieces)


async def _streamed(
    request: web.Request, size: int, tag: str, pieces_of: Callable[[int, int], Pieces], headers: dict[str, str]
) -> web.StreamResponse:
    """What is no file here: its length is known, its bytes are decoded, or come from S3, while they are sent.

    pieces_of: gives the bytes from a first one to before a last one.
    """
    headers |= {hdrs.ACCEPT_RANGES: "bytes", hdrs.ETAG: f'"{tag}"'}
    if is_known(request, tag):
        return web.Response(status=304, headers=headers)
    wanted = part_of(request, size, f'"{tag}"')
    start, stop = wanted or (0, size)
    if start >= stop:
        raise NoSuchRange(size)
    response = web.StreamResponse(headers=headers)
    response.content_length = stop - start
    if wanted:
        response.set_status(206)
        response.headers[hdrs.CONTENT_RANGE] = f"bytes {start}-{stop - 1}/{size}"
    async with contextlib.aclosing(pieces_of(start, stop)) as pieces:
        if request.method == hdrs.METH_HEAD:
            await response.prepare(request)
            return response
        first = await anext(pieces)  # errors before the first piece can still be told by a status
        await response.prepare(request)
        try:
            await written(response, first)
            async for piece in pieces:
                await written(response, piece)
        except (ChildFailed, StorageAway, TimeoutError) as failure:  # deleted meanwhile, say; an answer that has begun can only be aborted
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
