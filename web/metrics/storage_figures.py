"""For /metrics: the recordings by state, what is stored, and the disk."""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from aiohttp import web

from db import recordings
from db.connection import Database
from db.errors import Unavailable
from web.http.metrics import Sample

EVERY_S = 5.0
WAIT_S = 1.0
TRASH = "trash"


class Disk(NamedTuple):
    """Of the disk of `storage.path`, in bytes. free: what this user may still write."""

    free: int
    size: int


class StorageFigures:
    """Asks the database and the disk with a scrape, every 5 s at most. Where one does not answer within a second, it tells what it knew."""

    def __init__(self, database: Database, storage: Path) -> None:
        self._database, self._storage = database, storage
        self._asked = -EVERY_S  # monotonic
        self._stored: dict[str, recordings.Stored] = {}
        self._disk: Disk | None = None

    async def refresh(self) -> None:
        """Raises nothing of the database's."""
        if time.monotonic() - self._asked < EVERY_S:
            return
        self._asked = time.monotonic()
        with suppress(Unavailable, OSError, TimeoutError):
            async with asyncio.timeout(WAIT_S):
                self._disk = await asyncio.to_thread(_disk_of, self._storage)
                self._stored = await self._database.read(recordings.stored)

    def samples(self) -> Iterator[Sample]:
        for state in (*recordings.STATES, TRASH):
            count, size = self._stored.get(state, recordings.Stored(0, 0))
            yield Sample("hushcast_recordings", "gauge", "Recordings by state; those in the trash are only there.", count, {"state": state})
            help_ = "Bytes of the recordings' files; of those that are `live`, what was written before."
            yield Sample("hushcast_recordings_bytes", "gauge", help_, size, {"state": state})
        if self._disk is not None:
            yield Sample(
                "hushcast_disk_free_bytes", "gauge", "What the server may still write on the disk of storage.path.", self._disk.free
            )
            yield Sample("hushcast_disk_size_bytes", "gauge", "The size of the disk of storage.path.", self._disk.size)


STORAGE_FIGURES = web.AppKey("STORAGE_FIGURES", StorageFigures)


def _disk_of(folder: Path) -> Disk:
    found = os.statvfs(folder)
    return Disk(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)
