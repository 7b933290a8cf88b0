"""Recordings on the disk: a row and a folder each, and the child processes that finalise them.

States: live → finalising → ready, or failed where there is nothing to play. The rows are the work list, so a restart continues:
what is still `live` was interrupted, what is `finalising` waits for its child. What several servers have of a recording: `joining`.
"""

import asyncio
import contextlib
import errno
import logging
import time
from collections import deque
from collections.abc import Collection, Iterable
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from db import chapters, recordings, trash
from db.connection import Database
from db.errors import StaleEpoch, Unavailable
from db.recordings import Ended, JoinedParts
from db.tables import Recording
from sfu.config import schema
from sfu.recording.broadcast_recording import NO_TOTALS
from sfu.recording.recorder import Totals
from web.recordings.fence import Fence, NoFence, TapeEpochs
from web.recordings.finalising import ended_as, finalised
from web.recordings.folders import delete_files, set_aside, swept
from web.recordings.joining import LOOK_S, Joiner, Prepared, told_away
from web.recordings.part_files import PartFiles
from workers.disk_room import MB, DiskRoom

logger = logging.getLogger(__name__)

RETRY_S = 10.0  # after the database or the system has refused, as with a full disk
LONGEST_RETRY_S = 600.0  # between two tries to finalise one recording for which the disk has no room
MOST_UNWRITTEN = 1000  # chapters
WHY = {"storage_full": errno.ENOSPC, "database_busy": errno.EBUSY, "database_away": errno.EIO}  # no row, as the media plane hears it


class Archive:
    """Owns the folder of recordings and the task that finalises them, one child at a time. `tidying` deletes what is too old."""

    def __init__(
        self,
        database: Database,
        storage: Path,
        settings: schema.RecordingConfig,
        floor_mb: int = 0,
        *,
        going_on: Collection[str] = (),
        node: str = "",
        fence: Fence | None = None,
    ) -> None:
        """storage: `storage.path`, to which the rows' folders are relative; floor_mb of its disk stay free; going_on: the names
        of recordings that continue; node: this server among several, which have the rows in common; "": there is one; fence: knows
        its epochs then.
        """
        self.node = node
        self._fence = fence or NoFence()
        self.epochs = TapeEpochs(self._fence)
        self._database, self._storage, self._settings = database, storage, settings
        self._going_on = going_on
        self.elsewhere: asyncio.Event | None = None  # set where `Uploads` has something to send to S3, or to delete there; None: no S3
        self.settled = asyncio.Event()  # a recording is ready or failed, so its size is known; `tidying` waits for this
        self._work = asyncio.Event()
        self._room = DiskRoom(storage, floor_mb * MB)
        self._unwritten: dict[int, Ended | None] = {}  # ends of recordings that are not in the database yet; None: it is empty
        self._chapters: deque[tuple[int, float, str, str]] = deque(maxlen=MOST_UNWRITTEN)  # not in the database yet; then the oldest go
        self._later: dict[int, tuple[float, float]] = {}  # recording -> not before this moment, after a pause of so many seconds
        self.parts = PartFiles(storage, node)
        self._joiner = Joiner(database, self.parts, storage, self._room, node)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(swept, self._storage)
        if self.node:
            await self._claim()
        await self.reconcile(self._going_on)
        self._task = asyncio.create_task(self._finalising(), name="finalise")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop the task and kill its child; the next start finalises what is left."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def reconcile(self, going_on: Collection[str]) -> None:
        """Finalise what the last run left `live`, except for recordings that continue. At the start only, before any broadcast."""
        interrupted = await self._database.run(recordings.interrupt, going_on, self.node)
        if interrupted:
            self._work.set()
            logger.warning("%s recordings were interrupted and are finalised now", interrupted)

    async def _claim(self) -> None:
        """What was recorded while there was one server is this one's where the files are here."""
        rows = await self._database.read(recordings.unclaimed)
        here = await asyncio.to_thread(lambda: [row.id for row in rows if self.folder_of(row).is_dir()])
        if here:
            await self._database.run(recordings.claim, here, self.node)

    async def begin(self, username: str, broadcast: str, title: str | None, started_at: datetime) -> tuple[int, Path]:
        """Make the row (`state: live`); its id and the folder for its files, which the recorder makes.

        Raises OSError where the row cannot be written: then nothing is recorded; after EBUSY it can be tried again.
        """
        if not await asyncio.to_thread(self._room.has):
            raise OSError(errno.ENOSPC, f"under {self._room.floor} bytes are left for it")
        try:
            epoch = await self._fence.take(username, broadcast)
            row = await self._database.run(recordings.begin, username, broadcast, title, started_at, epoch, self.node)
        except Unavailable as trouble:
            raise OSError(WHY[trouble.code], f"no row for the recording: {trouble}") from trouble
        except Exception as error:
            raise OSError(f"no row for the recording: {error}") from error
        self.epochs.begun(row.id, broadcast)
        await asyncio.to_thread(set_aside, self.folder_of(row))
        return row.id, self.folder_of(row)

    async def finish(self, recording: int, totals: Totals) -> None:
        """The files are closed: set `finalising` and start the child; delete it if it is empty.

        Raises nothing: writing is repeated until the database accepts it.
        """
        variants = ["original", "denoised"] if totals.denoised else ["original"]
        stats = {"packets": totals.packets, "dropped": totals.dropped, "late": totals.late, "failed": totals.failed}
        self._unwritten[recording] = None if totals.empty else Ended(totals.duration_s, variants, totals.size_bytes, stats)
        try:
            await self._write_down()
        except Unavailable as trouble:
            logger.error("recording %s: its end could not be written down yet: %s", recording, trouble)
        except Exception:
            logger.exception("recording %s: its end could not be written down yet", recording)
        self._work.set()

    async def give_up(self, recording: int) -> None:
        """It was taken over from another server, and does not go on here: what there is of it becomes the recording."""
        await self.finish(recording, NO_TOTALS)

    async def chapter(self, recording: int, at_s: float, kind: str, text: str) -> None:
        """Store a cue as a chapter; it waits while the database refuses; a recording keeps its first thousand."""
        self._chapters.append((recording, round(at_s, 3), kind, text))
        try:
            await self._write_chapters()
        except Unavailable:
            self._work.set()

    def folder_of(self, recording: Recording) -> Path:
        """Where its files are: original.opus, denoised.opus, spans.log, NAME.peaks, heard.wav."""
        return self._storage / recording.folder

    async def forget(self, folders: Iterable[str]) -> None:
        """Delete the files of recordings whose rows are gone; names as the rows had them. What cannot be deleted stays noted."""
        gone = await asyncio.to_thread(delete_files, self._storage, await self._here(folders))
        if self.elsewhere is not None:
            self.elsewhere.set()  # they stay noted until `Uploads` has deleted them in S3
            return
        try:
            await self._database.run(trash.forget, gone)
        except Unavailable:
            pass  # the next round finds nothing there and forgets them
        except Exception:
            logger.exception("files are deleted and still noted; the next round finds nothing there and forgets them")

    async def _here(self, folders: Iterable[str]) -> list[str]:
        """Those that are this server's to delete; another one has the rest."""
        try:
            own = set(await self._database.read(trash.discarded, self.node)) if self.node else None
        except Unavailable:
            return []  # they stay noted, and the next round finds them
        return [folder for folder in folders if (own is None or folder in own) and folder not in self._joiner.making]

    async def _write_chapters(self) -> None:
        while self._chapters:
            chapter = self._chapters.popleft()
            try:
                await self._database.run(chapters.add, *chapter, self.epochs.of(chapter[0]))
            except StaleEpoch:
                pass  # it goes on elsewhere
            except (Unavailable, asyncio.CancelledError):
                self._chapters.appendleft(chapter)
                raise

    async def _write_down(self) -> None:
        await self._write_chapters()
        while self._unwritten:
            recording, ended = next(iter(self._unwritten.items()))
            if ended is None:
                await self.forget(await self._database.run(trash.discard_empty, recording, self.node))
            else:
                with contextlib.suppress(StaleEpoch):  # it goes on elsewhere; the part that is here is closed next
                    await self._database.run(recordings.close, recording, ended, self.epochs.of(recording), self.node)
            self._unwritten.pop(recording, None)
            self.epochs.over(recording)

    async def _finalising(self) -> None:
        while True:
            self._work.clear()
            done = False
            try:
                await self._write_down()
                done = await self._finalise_all()
                if self.node:
                    await self._look_at_parts()
            except Unavailable:
                pass  # the database has logged it
            except Exception:
                logger.exception("finalising goes on in %s s", RETRY_S)
            if done:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S if self.node else None):
                        await self._work.wait()
            else:
                await asyncio.sleep(RETRY_S)

    async def _look_at_parts(self) -> None:
        """Of several servers: close what others go on with, join what they have closed, and delete what they have done with."""
        if await self._joiner.close_apart(self.epochs.recordings):
            self._settle()
        if await self._database.run(recordings.close_left_behind, self.node, self.epochs.recordings):
            self._work.set()
        for recording in await self._joiner.due():
            await self._finalise(recording)
            self._settle()
        if discarded := await self._database.read(trash.discarded, self.node):
            await self.forget(discarded)

    def _settle(self) -> None:
        """Something has its size now, and can move to S3."""
        self.settled.set()
        if self.elsewhere is not None:
            self.elsewhere.set()

    async def _finalise_all(self) -> bool:
        """One after another. False where something is left, for want of room."""
        said = False
        while (recording := await self._database.read(recordings.next_to_finalise, later := self._not_yet(), self.node)) is not None:
            while not await asyncio.to_thread(self._room.has):
                if not said:
                    logger.warning("recording %s waits for room: under %s bytes are left", recording.id, self._room.floor)
                said = True
                await asyncio.sleep(RETRY_S)
                await self._write_down()
            await self._finalise(recording)
            self._settle()
        # As it was when it was asked: whose time has come meanwhile was left out. What is not there any more is not waited for.
        self._later = {each: self._later[each] for each in later}
        return not self._later

    def _not_yet(self) -> list[int]:
        """The recordings whose next try is still to come."""
        return [recording for recording, (not_before, _) in self._later.items() if time.monotonic() < not_before]

    def _put_off(self, recording: int) -> None:
        _, pause_s = self._later.get(recording, (0.0, RETRY_S / 2))
        pause_s = min(2 * pause_s, LONGEST_RETRY_S)
        self._later[recording] = time.monotonic() + pause_s, pause_s
        logger.warning("recording %s: there was no room to finalise it; again in %g s", recording, pause_s)

    async def _finalise(self, recording: Recording) -> None:
        ready = await self._joiner.prepared(recording) if self.node else Prepared(recording.folder, (), ())
        folder, own = ready.folder, recording.folder
        if recording.state != "finalising" and folder == own:
            return  # it is ready without what could not be had
        wanted = partial(finalised, self._storage, recording, wav=self._settings.wav, floor=self._room.floor)
        said = await wanted(folder)
        if folder != own and said["failed"]:
            await self._joiner.undo(recording.id, folder)
            if recording.state != "finalising":
                return
            said = await wanted(folder := own)  # ready without the others' parts, until they are joined
        if said["failed"] == "storage_full" and not said["whole"]:
            self._put_off(recording.id)  # as it stands it is `finalising`: it is ready when it has its outline
            return
        self._later.pop(recording.id, None)
        ended = ended_as(recording, {**said, "spans": told_away(said.get("spans"), ready, folder)})
        joined = JoinedParts(folder, own, ready.joined) if folder != own else None
        try:
            gone = await self._database.run(recordings.finish, recording.id, ended, ended.duration_s > 0, joined, self.node)
        except Unavailable:  # unlike a job whose caller was cancelled, it does not go on
            self._joiner.making.discard(folder)  # which is still noted as to be deleted
            raise
        if joined is not None:
            self._joiner.over(recording.id, folder)
            if not gone:  # it was deleted, or went to another server, while it was joined
                await asyncio.to_thread(delete_files, self._storage, [folder])
        await self.forget(gone)
        logger.info("recording %s: %.1f s, %s bytes%s", recording.id, *ended[0:3:2], f", {said['failed']}" if said["failed"] else "")


ARCHIVE = web.AppKey("ARCHIVE", Archive)
