"""Recordings in other forms than they lie there: decoded by child processes, a bounded number at a time."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path
from types import TracebackType
from typing import Self

from sfu.errors import TooMany
from web.children import ChildFailed, run_module

MADE = "recordings/.made"  # the cache, from storage.path; a file's name begins with the recording's number and a hyphen
AT_ONCE = 2  # children that decode for streams; another one makes files
MOST_VIEWS = 24  # streams at once, each of which holds at most LARGEST bytes
MOST_OF_ONE = 8  # of them one person's: some tabs, each with two variants to compare
SMALLEST, LARGEST = 512 * 1024, 4 * 1024 * 1024  # bytes that one child decodes: few at first, for a quick start
CACHE_BYTES = 2_000_000_000
MOST_MADE = 16  # files being made or waited for at once


class Transcoding:
    """Owns a cache folder (bounded; the least recently used goes first) and the children that run for it."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._maker = asyncio.Semaphore(1)
        self._views: Counter[int] = Counter()  # by whose ear: a user's id
        self._making: dict[Path, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Kill what is being made. Streams end with their requests."""
        making = list(self._making.values())
        for task in making:
            task.cancel()
        await asyncio.gather(*making, return_exceptions=True)

    async def view(self, ear: int, folder: Path, variant: str, samples: int, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Bytes start..stop-1 of the WAV view, piece by piece; no child runs while the taker is slow. ear: the id of who listens.

        Raises TooMany before the first piece, ChildFailed.
        """
        if self._views[ear] >= MOST_OF_ONE:
            raise TooMany("You are listening to too many recordings at once.", retry_after_s=5)
        if self._views.total() >= MOST_VIEWS:
            raise TooMany("Too many recordings are being listened to.", retry_after_s=5)
        self._views[ear] += 1
        try:
            size = SMALLEST
            while start < stop:
                end = min(stop, start + size)
                async with self._slots:
                    wanted = ("wav", "--samples", samples, "--start", start, "--stop", end)
                    piece = await run_module("workers.transcode", folder, variant, *wanted)
                yield piece
                start, size = end, min(LARGEST, 2 * size)
        finally:
            self._views[ear] -= 1
            self._views += Counter()  # which drops who has none

    async def made(self, folder: Path, variant: str, form: str, samples: int, name: str) -> Path:
        """The whole recording as flac or opus, from the cache or made now and kept there as `name`. Raises TooMany, ChildFailed.

        ChildFailed too where the recording is deleted meanwhile; nothing is kept then.
        """
        path = self._cache / name
        task = self._making.get(path)
        if task is None:
            if len(self._making) >= MOST_MADE:
                raise TooMany("Too many recordings are being converted.", retry_after_s=10)
            task = asyncio.create_task(self._make(folder, variant, form, samples, path), name=f"making {name}")
            self._making[path] = task
            task.add_done_callback(lambda _: self._making.pop(path, None))
        await asyncio.shield(task)
        return path

    async def _make(self, folder: Path, variant: str, form: str, samples: int, path: Path) -> None:
        if await asyncio.to_thread(_touched, path):
            return
        async with self._maker:
            await run_module("workers.transcode", folder, variant, form, "--samples", samples, "--output", path)
        await asyncio.to_thread(_shrink, self._cache, path)
        if not await asyncio.to_thread(folder.exists):
            await asyncio.to_thread(path.unlink, missing_ok=True)
            raise ChildFailed("the recording was deleted meanwhile")


def _touched(path: Path) -> bool:
    """Whether the file is there; it counts as just used then, and stays as old as it is, which its ETag tells. Makes the folder for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
    except FileNotFoundError:
        return False
    return True


def _shrink(cache: Path, newest: Path) -> None:
    """Delete the files used longest ago until the rest fits; never the newest, and what is being sent stays readable to its reader."""
    files = sorted((file.stat().st_atime, file.stat().st_size, file) for file in cache.iterdir())
    total = sum(size for _, size, _ in files)
    for _, size, file in files:
        if total <= CACHE_BYTES:
            break
        if file != newest:
            file.unlink(missing_ok=True)
            total -= size
