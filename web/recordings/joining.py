"""Recordings of several servers: each closes the parts that it has, and the one that has the row joins all of them into one recording.

A part is closed once its files are ended and its digest is in the database; it is never changed after that. The joined files are made
beside the parts, and become the recording's in one transaction, after which the parts are deleted, each where it lies. So a kill at any
point leaves the parts as they are, and what is joined noted as to be deleted; or the whole, and the parts noted as that.

What cannot be had for `heirs.AWAY_S` is not waited for: the others are joined, and it stays apart. When it is there it is joined with them.
"""

import asyncio
import json
import logging
import shutil
import time
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from db import recording_parts, stored_folders
from db.connection import Database
from db.recording_parts import RATE_HZ, Closed
from db.tables import Recording, RecordingPart
from web.recordings.heirs import Heir, waited_enough
from web.recordings.part_files import PartFiles
from workers.child import ChildFailed, run_module
from workers.disk_room import DiskRoom
from workers.recordings.spans import AWAY, GAP

logger = logging.getLogger(__name__)

LOOK_S = 3.0  # between two looks at what other servers have closed
SOON_S, LATE_S = 10.0, 600.0  # until the next try to join a recording, twice as long after each failure
HERE = ".joining-"  # what is being made, in the folder of recordings; its rest is deleted at the start


class Prepared(NamedTuple):
    """The folder to finalise, and the recording's parts. joined: the ids of those that are joined in it; (): it is the recording's."""

    folder: str
    parts: Sequence[RecordingPart]
    joined: Collection[int]


class Joiner:
    """Asked by the archive's task, one recording at a time. Owns the folders `.joining-ID` while it works on one."""

    def __init__(self, database: Database, files: PartFiles, storage: Path, room: DiskRoom, node: str) -> None:
        self._database, self._files, self._storage, self._room, self._node = database, files, storage, room, node
        self._heir = Heir(database, files, node)
        self._later: dict[int, tuple[float, float]] = {}  # recording -> not before this moment, after a pause of so many seconds
        self.making: set[str] = set()  # folders that are noted as to be deleted until they are a recording's
        self._may_be_open = True  # what has ended: at the start, and after each try to close something
        self._spoilt: dict[int, set[int]] = {}  # recording -> parts that were not what was closed when it was tried last
        self._since: dict[int, float] = {}  # recordings of which parts are closed and not joined -> since when this server has seen it

    async def close_apart(self, but: Collection[int]) -> bool:
        """Close the parts here with whose recordings another server goes on, except those that are still written, and what could not be
        closed when its recording ended; whether there was one. Raises Unavailable."""
        found = await self._database.read(recording_parts.to_close, self._node, but)
        if self._may_be_open:
            found += await self._database.read(recording_parts.left_open, self._node)
            self._may_be_open = False
        for part in found:
            await self._close(part, part.folder or part.recording.folder)
        return bool(found)

    async def due(self) -> list[Recording]:
        """The recordings that are to be joined now: all of their parts are closed, or the rest is not waited for. Raises Unavailable."""
        await self._heir.look()
        now_s = time.monotonic()
        found = await self._database.read(recording_parts.to_join, self._node)
        self._since = {each.id: self._since.get(each.id, now_s) for each in found}
        self._later = {each.id: self._later[each.id] for each in found if each.id in self._later}
        self._spoilt = {each.id: self._spoilt[each.id] for each in found if each.id in self._spoilt}
        return [each for each in found if now_s >= self._later.get(each.id, (0.0, 0.0))[0] and self._is_time(each.id, each.parts)]

    def _is_time(self, recording: int, parts: Sequence[RecordingPart]) -> bool:
        return self._is_overdue(recording) or all(part.to_s is not None for part in parts if part.folder is not None)

    def _is_overdue(self, recording: int) -> bool:
        """Whether what cannot be had of its parts is not waited for."""
        return recording in self._heir.inherited or waited_enough(self._since.get(recording, float("inf")))

    async def prepared(self, recording: Recording) -> Prepared:
        """Before it is finalised: close its own part, and join all that are closed and can be had, if it is time. Raises Unavailable."""
        parts = await self._parts(recording)
        for part in parts:
            if part.folder is None and part.to_s is None and part.node == self._node:
                await self._close(part, recording.folder)
        parts = await self._parts(recording)
        unchanged = Prepared(recording.folder, parts, ())
        if not any(part.folder is not None and part.sha256 is not None for part in parts) or not self._is_time(recording.id, parts):
            return unchanged
        if any(part.folder is None and part.to_s is None and part.node == self._node for part in parts):
            self.put_off(recording.id)  # it could not be closed: without it the recording is not whole
            return unchanged
        try:
            joined = await self._joined(recording, parts)
        except (ChildFailed, OSError) as failure:
            logger.error("recording %s: its parts could not be joined: %s", recording.id, failure)
            joined = None
        finally:
            await asyncio.to_thread(shutil.rmtree, self._making(recording), ignore_errors=True)
        if joined is None:
            self.put_off(recording.id)
            return unchanged
        return joined

    async def _parts(self, recording: Recording) -> list[RecordingPart]:
        return await self._database.read(recording_parts.of_recordings, [recording.id])

    async def _close(self, part: RecordingPart, folder: str) -> None:
        """End its files and note what it is; a child that fails is tried again with the next look. What is in S3 alone is not looked at."""
        here = await asyncio.to_thread((self._storage / folder).is_dir)
        if not here and await self._database.read(stored_folders.find, folder) is not None:
            return
        self._may_be_open = True
        try:
            closed = Closed(**json.loads(await run_module("workers.recordings.part", self._storage / folder)))
        except (ChildFailed, ValueError) as failure:
            logger.error("recording %s: the part of epoch %s could not be closed: %s", part.recording_id, part.epoch, failure)
            return
        if await self._database.run(recording_parts.close, part.id, closed) and part.folder is not None:
            length_s = closed.to_s - closed.from_s
            logger.info("recording %s: the part of epoch %s, %.1f s, waits to be joined", part.recording_id, part.epoch, length_s)

    async def _joined(self, recording: Recording, parts: Sequence[RecordingPart]) -> Prepared | None:
        """Fetch and join. None where a part cannot be had that is waited for, or there is no room. Raises ChildFailed, OSError."""
        wanted = [part for part in parts if part.sha256 is not None]
        if not await asyncio.to_thread(self._room.has, 2 * sum(part.size_bytes for part in wanted)):
            logger.warning("recording %s: its parts wait for room: under %s bytes are left", recording.id, self._room.floor)
            return None
        making, joined_before = self._making(recording), recording_parts.is_joined(recording)
        with ExitStack() as held:
            found = await self._found(recording, wanted, held)
            lost = [part for part in wanted if part.id not in found and (part.folder is None and joined_before)]
            if lost or not found:
                return None
            arguments = [str(max(round((part.to_s or 0.0) * RATE_HZ) for part in wanted))]
            for part in wanted:
                if part.id in found:
                    arguments += [_stretch(part) if part.folder is None and joined_before else str(part.sha256), str(found[part.id])]
            spoilt = self._spoilt.get(recording.id, set())
            good = any(part.folder and part.id in found and part.id not in spoilt for part in wanted)
            whole = not (good and self._is_overdue(recording.id))
            arguments = [*(["--whole"] if whole else []), str(making / "whole"), *arguments]
            altered = set(json.loads(await run_module("workers.recordings.join", *arguments)))
            self._spoilt[recording.id] = {part for part, folder in found.items() if str(folder) in altered}
        if altered:
            logger.error("recording %s: %s of its parts differ from what was closed: %s", recording.id, len(altered), ", ".join(altered))
            found = {part: folder for part, folder in found.items() if str(folder) not in altered}
            if whole or not any(part.id in found and part.folder is not None for part in wanted):
                return None
        name = recording_parts.whole_of(recording)
        self.making.add(name)
        await asyncio.to_thread(_emptied, self._storage / name)
        await self._database.run(stored_folders.discard_here, name, self._node)
        await asyncio.to_thread((making / "whole").rename, self._storage / name)
        logger.info("recording %s: %s of %s parts are joined", recording.id, len(found), len(parts))
        return Prepared(name, parts, list(found))

    async def _found(self, recording: Recording, parts: Sequence[RecordingPart], held: ExitStack) -> dict[int, Path]:
        """The folder of each part that can be had; {} where one cannot that is waited for, or none that lies apart. held: keeps what lies
        here.
        """
        places: dict[str, Path | None] = {}
        for part in sorted(parts, key=lambda part: part.folder is None):
            lies = part.folder or recording.folder
            if part.folder is None and not any(places.values()):
                return {}
            if lies not in places:
                places[lies] = await self._files.found(part, recording.folder, self._making(recording) / Path(lies).name, held)
            if places[lies] is None and not self._is_overdue(recording.id):
                return {}
        there = ((part.id, places[part.folder or recording.folder]) for part in parts)
        return {part: folder for part, folder in there if folder is not None}

    def _making(self, recording: Recording) -> Path:
        return self._storage / "recordings" / f"{HERE}{recording.id}"

    def over(self, recording: int, folder: str) -> None:
        """It is joined, as far as it can be, and has that folder, or is gone: what is still missing has its time again."""
        self.making.discard(folder)
        self._since.pop(recording, None)
        self._later.pop(recording, None)
        self._heir.inherited.discard(recording)

    async def undo(self, recording: int, folder: str) -> None:
        """What was joined could not be finalised: delete it, and try again later. The parts have all of it."""
        self.put_off(recording)
        await asyncio.to_thread(shutil.rmtree, self._storage / folder, ignore_errors=True)
        self.making.discard(folder)

    def put_off(self, recording: int) -> None:
        """It could not be joined: try again later."""
        _, pause_s = self._later.get(recording, (0.0, SOON_S / 2))
        pause_s = min(2 * pause_s, LATE_S)
        self._later[recording] = time.monotonic() + pause_s, pause_s


def told_away(spans: list[dict[str, Any]] | None, ready: Prepared, folder: str) -> list[dict[str, Any]] | None:
    """The spans of a recording of which parts are not in its folder: what is missing where one of those belongs is at another server."""
    if spans is None:
        return None
    there = [part for part in ready.parts if part.sha256 is not None and _is_in(part, ready, folder)]
    gaps = []
    for missing in ready.parts:
        if missing not in there and (missing.folder is not None or missing.sha256 is not None):
            from_s = max((part.to_s or 0.0 for part in there if part.epoch < missing.epoch), default=0.0)
            to_s = min((part.from_s for part in there if part.epoch > missing.epoch), default=float("inf"))
            gaps.append((from_s - 0.5, to_s + 0.5))
    away = [span["kind"] == GAP and any(from_s <= span["from_s"] and span["to_s"] <= to_s for from_s, to_s in gaps) for span in spans]
    return [{**span, "reason": AWAY} if is_away else span for span, is_away in zip(spans, away, strict=True)]


def _is_in(part: RecordingPart, ready: Prepared, folder: str) -> bool:
    return part.id in ready.joined if folder == ready.folder and ready.joined else part.folder is None


def _stretch(part: RecordingPart) -> str:
    """Where the sound of a part is that was joined before, as the child takes it."""
    return f"{round(part.from_s * RATE_HZ)}-{round((part.to_s or 0.0) * RATE_HZ)}"


def _emptied(folder: Path) -> None:
    """What is there is of a run that was killed before it was the recording's. The folder of the joined files replaces an empty one."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
