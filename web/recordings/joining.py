"""Recordings of several servers: each closes the parts that it has, and the one that has the row joins all of them into one recording.

A part is closed once its files are ended and its digest is in the database; it is never changed after that. The joined files are made
beside the parts, and become the recording's in one transaction, after which the parts are deleted, each at its server. So a kill at any
point leaves the parts as they are, or the whole and parts that are noted as to be deleted.
"""

import asyncio
import json
import logging
import shutil
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from db import recording_parts
from db.connection import Database
from db.recording_parts import Closed
from db.tables import Recording, RecordingPart
from web.recordings.part_files import PartFiles
from workers.child import ChildFailed, run_module
from workers.disk_room import DiskRoom
from workers.recordings.spans import AWAY, GAP

logger = logging.getLogger(__name__)

LOOK_S = 3.0  # between two looks at what other servers have closed
SOON_S, LATE_S = 10.0, 600.0  # until the next try to join a recording, twice as long after each failure
HERE = ".joining-"  # what is being made, in the folder of recordings; its rest is deleted at the start


class Joiner:
    """Asked by the archive's task, one recording at a time. Owns the folders `.joining-ID` while it works on one."""

    def __init__(self, database: Database, files: PartFiles, storage: Path, room: DiskRoom, node: str) -> None:
        self._database, self._files, self._storage, self._room, self._node = database, files, storage, room, node
        self._later: dict[int, tuple[float, float]] = {}  # recording -> not before this moment, after a pause of so many seconds

    async def close_apart(self, but: Collection[int]) -> None:
        """Close the parts here with whose recordings another server goes on, except those that are still written. Raises Unavailable."""
        for part in await self._database.read(recording_parts.to_close, self._node, but):
            await self._close(part, str(part.folder))

    async def due(self) -> list[Recording]:
        """The recordings that can be joined now, for all of their parts are closed. Raises Unavailable."""
        now_s = time.monotonic()
        not_yet = [recording for recording, (not_before_s, _) in self._later.items() if now_s < not_before_s]
        return await self._database.read(recording_parts.to_join, self._node, not_yet)

    async def prepared(self, recording: Recording) -> tuple[str, list[RecordingPart]]:
        """Before it is finalised: close its own part, and join all, where all are closed and can be had. Returns the folder to finalise,
        which is another one than the recording's where they are joined, and the parts. Raises Unavailable.
        """
        parts = await self._parts(recording)
        for part in parts:
            if part.folder is None and part.to_s is None and part.node == self._node:
                await self._close(part, recording.folder)
        parts = await self._parts(recording)
        apart = [part for part in parts if part.folder is not None]
        if not apart or any(part.to_s is None for part in apart):
            return recording.folder, parts
        try:
            joined = await self._joined(recording, parts)
        except (ChildFailed, OSError) as failure:
            logger.error("recording %s: its parts could not be joined: %s", recording.id, failure)
            joined = None
        finally:
            await asyncio.to_thread(shutil.rmtree, self._making(recording), ignore_errors=True)
        if joined is None:
            self.put_off(recording.id)
            return recording.folder, parts
        self._later.pop(recording.id, None)
        return joined, parts

    async def _parts(self, recording: Recording) -> list[RecordingPart]:
        return await self._database.read(recording_parts.of_recordings, [recording.id])

    async def _close(self, part: RecordingPart, folder: str) -> None:
        """End its files and note what it is; a child that fails is tried again with the next look."""
        try:
            closed = Closed(**json.loads(await run_module("workers.recordings.part", self._storage / folder)))
        except (ChildFailed, ValueError) as failure:
            logger.error("recording %s: the part of epoch %s could not be closed: %s", part.recording_id, part.epoch, failure)
            return
        if await self._database.run(recording_parts.close, part.id, closed) and part.folder is not None:
            length_s = closed.to_s - closed.from_s
            logger.info("recording %s: the part of epoch %s, %.1f s, waits to be joined", part.recording_id, part.epoch, length_s)

    async def _joined(self, recording: Recording, parts: Sequence[RecordingPart]) -> str | None:
        """Fetch and join; the folder. None where a part cannot be had, or there is no room. Raises ChildFailed, OSError."""
        wanted = [part for part in parts if part.sha256 is not None]
        if not await asyncio.to_thread(self._room.has, 2 * sum(part.size_bytes for part in wanted)):
            logger.warning("recording %s: its parts wait for room: under %s bytes are left", recording.id, self._room.floor)
            return None
        making, arguments = self._making(recording), []
        for part in wanted:
            folder = await self._files.found(part, recording.folder, making / str(part.epoch))
            if folder is None:
                return None
            arguments += [part.sha256, folder]
        await run_module("workers.recordings.join", making / "whole", *arguments)
        name = recording_parts.whole_of(recording.id)
        await asyncio.to_thread(_moved, making / "whole", self._storage / name)
        logger.info("recording %s: %s parts are joined", recording.id, len(wanted))
        return name

    def _making(self, recording: Recording) -> Path:
        return self._storage / "recordings" / f"{HERE}{recording.id}"

    async def undo(self, recording: int, folder: str) -> None:
        """What was joined could not be finalised: delete it, and try again later. The parts have all of it."""
        self.put_off(recording)
        await asyncio.to_thread(shutil.rmtree, self._storage / folder, ignore_errors=True)

    def put_off(self, recording: int) -> None:
        """It could not be joined: try again later."""
        _, pause_s = self._later.get(recording, (0.0, SOON_S / 2))
        pause_s = min(2 * pause_s, LATE_S)
        self._later[recording] = time.monotonic() + pause_s, pause_s


def told_away(spans: list[dict[str, Any]] | None, parts: Sequence[RecordingPart]) -> list[dict[str, Any]] | None:
    """The spans of a recording whose parts are not joined yet: what is missing before its own part is at another server."""
    if spans is None or not any(part.folder is not None for part in parts):
        return spans
    from_s = max((part.from_s for part in parts if part.folder is None), default=float("inf"))
    return [{**span, "reason": AWAY} if span["kind"] == GAP and span["to_s"] <= from_s + 0.5 else span for span in spans]


def _moved(folder: Path, to: Path) -> None:
    """What is there is of a run that was killed before it was the recording's."""
    shutil.rmtree(to, ignore_errors=True)
    folder.rename(to)
