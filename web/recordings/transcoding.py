"""Recordings in formats that are not stored: decoded and encoded by a bounded number of child processes."""

import asyncio
import contextlib
import errno
import os
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from db.errors import Unavailable
from web.http.fair_shares import FairQueue, FairShares, Words
from web.http.metrics import Sample
from workers.child import ChildFailed, run_module
from workers.disk_room import DiskRoom
from workers.recordings import wav

MADE = "recordings/.made"  # the cache, from storage.path; a file's name begins with the recording's number and a hyphen
AT_ONCE = 2  # children that decode for streams; one more makes files
MOST_VIEWS = 24  # streams at once, each of which holds at most LARGEST bytes
MOST_OF_ONE = 8  # of them one person's: some tabs, each with two variants to compare
SMALLEST, LARGEST = 512 * 1024, 4 * 1024 * 1024  # bytes that one child decodes; the first pieces are small, for a quick start
CACHE_BYTES = 2_000_000_000
MOST_MADE = 64  # requests that wait for files to be made
MOST_MADE_OF_ONE = 8  # of them one person's
VIEWS = Words(
    "recording_streams",
    "streams of recordings",
    "You are listening to too many recordings at once.",
    "Too many recordings are being listened to.",
)
CONVERSIONS = Words(
    "conversions",
    "waits for converted recordings",
    "You are having too many recordings converted at once.",
    "Too many recordings are being converted.",
)


class Making:
    """A file that is being made, and how many requests wait for it."""

    def __init__(self, task: asyncio.Task[None]) -> None:
        self.task, self.waiting = task, 0


class Transcoding:
    """Owns a bounded cache folder (least recently used files are deleted first) and its child processes, scheduled fairly by user."""

    def __init__(self, cache: Path, room: DiskRoom) -> None:
        """room: how much of the disk the cache may use."""
        self._cache, self._room = cache, room
        self._views = FairShares(MOST_VIEWS, MOST_OF_ONE, VIEWS)
        self._asked = FairShares(MOST_MADE, MOST_MADE_OF_ONE, CONVERSIONS, retry_after_s=10)
        self._decoding = FairQueue(AT_ONCE)
        self._maker = FairQueue(1)
        self._making: dict[Path, Making] = {}
        self._tasks: set[asyncio.Task[None]] = set()  # of _making, and those given up that still wait for their child's end

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Kill the children that make files. Streams end with their requests."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def samples(self) -> Iterable[Sample]:
        """For /metrics."""
        yield from self._views.samples()
        yield from self._asked.samples()

    async def view(
        self, ear: int, end: Callable[[], object], folder: Path, variant: str, samples: int, start: int, stop: int
    ) -> AsyncGenerator[bytes, None]:
        """Bytes start..stop-1 of the WAV, piece by piece; no child runs while the client is slow.

        ear: the id of who listens. end: called where the place is given to another; of one person's streams that is the one whose
        taker has not come for the longest time. Raises TooMany before the first piece, ChildFailed.
        """
        with self._views.place(ear, end) as place:
            size = SMALLEST
            while start < stop:
                self._views.touch(place)
                until = min(stop, start + size)
                async with self._decoding.turn(ear):
                    wanted = ("wav", "--samples", samples, "--start", start, "--stop", until)
                    piece = await run_module("workers.recordings.transcode", folder, variant, *wanted)
                yield piece
                start, size = until, min(LARGEST, 2 * size)

    async def sent(self, ear: int, end: Callable[[], object], pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        """The pieces, which are not decoded: they take a place as those of `view` do. Raises TooMany, and what `pieces` raise."""
        async with contextlib.aclosing(pieces):
            with self._views.place(ear, end) as place:
                async for piece in pieces:
                    self._views.touch(place)
                    yield piece

    async def made(self, ear: int, folder: Path, variant: str, form: str, samples: int, name: str) -> Path:
        """The whole recording as flac or opus, from the cache or made now and kept there as `name`; once for all who wait for it.

        ear: the id of who asks first. Given up where all who wait are cancelled. Raises TooMany, ChildFailed; ChildFailed too where
        the recording is deleted meanwhile; nothing is kept then. Unavailable where the disk has no room for it.
        """
        path = self._cache / name
        with self._asked.place(ear):
            making = self._making.get(path)
            if making is None:
                making = self._begin(path, self._make(ear, folder, variant, form, samples, path))
            making.waiting += 1
            try:
                await asyncio.shield(making.task)
            finally:
                making.waiting -= 1
                if not making.waiting:
                    self._give_up(path, making)
        return path

    def _begin(self, path: Path, work: Coroutine[Any, Any, None]) -> Making:
        making = self._making[path] = Making(asyncio.create_task(work, name=f"making {path.name}"))
        self._tasks.add(making.task)
        making.task.add_done_callback(self._tasks.discard)
        making.task.add_done_callback(lambda task: task.cancelled() or task.exception())  # also where nobody waits for it any more
        return making

    def _give_up(self, path: Path, making: Making) -> None:
        """Nobody waits for the file any more, whether it is done or not. A later request starts anew, after this child has ended."""
        if self._making.get(path) is making:
            del self._making[path]
        making.task.cancel()

    async def _make(self, ear: int, folder: Path, variant: str, form: str, samples: int, path: Path) -> None:
        if await asyncio.to_thread(_touched, path):
            return
        async with self._maker.turn(ear):
            if not await asyncio.to_thread(_made_room, self._cache, self._room, _size(variant, form, samples)):
                raise Unavailable("storage_full", f"no room for {path.name}")
            try:
                await run_module("workers.recordings.transcode", folder, variant, form, "--samples", samples, "--output", path)
            except ChildFailed as failure:
                if os.strerror(errno.ENOSPC) in str(failure):
                    raise Unavailable("storage_full", f"{path.name}: {failure}") from failure
                raise
            finally:
                wanted = await asyncio.to_thread(_settled, path, folder)
        if not wanted:
            raise ChildFailed("the recording was deleted meanwhile")


TRANSCODING = web.AppKey("TRANSCODING", Transcoding)


def _touched(path: Path) -> bool:
    """Whether the file exists; if so its access time is renewed, and its modification time, of which the ETag is made, is kept.

    Makes the folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
    except FileNotFoundError:
        return False
    return True


def _settled(path: Path, folder: Path) -> bool:
    """After the child has ended: delete partial files, shrink the cache. False where the recording is gone; then delete its file too."""
    for half in path.parent.glob(f"{path.name}.*.part"):
        half.unlink(missing_ok=True)
    if not folder.exists():
        path.unlink(missing_ok=True)
        return False
    _shrink(path.parent, path)
    return True


def _size(variant: str, form: str, samples: int) -> int:
    """The most bytes that the file can have."""
    return wav.size(samples, 2 if variant == "both" else 1) if form == "flac" else samples // 4  # 96 kb/s of 48,000 samples


def _made_room(cache: Path, room: DiskRoom, wanted: int) -> bool:
    """Whether the file fits, after deleting least recently used files as far as needed."""
    for file in [file for _, _, file in _by_use(cache) if file.suffix != ".part"]:
        if room.has(wanted):
            break
        file.unlink(missing_ok=True)
    return room.has(wanted)


def _shrink(cache: Path, newest: Path) -> None:
    """Delete least recently used files until the rest fits; never the newest. A file that is being sent stays readable."""
    files = _by_use(cache)
    total = sum(size for _, size, _ in files)
    for _, size, file in files:
        if total <= CACHE_BYTES:
            break
        if file != newest:
            file.unlink(missing_ok=True)
            total -= size


def _by_use(cache: Path) -> list[tuple[float, int, Path]]:
    """(access time, size, file) of each cached file, oldest first. Files that vanish meanwhile are left out."""
    found = []
    for file in cache.iterdir():
        with contextlib.suppress(FileNotFoundError):
            stat = file.stat()
            found.append((stat.st_atime, stat.st_size, file))
    return sorted(found)
