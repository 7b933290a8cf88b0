"""Recordings on the disk: a row and a folder each, and the child processes that finalise them.

States: live → finalising → ready, or failed where there is nothing to play. The rows are the work list, so a restart continues:
what is still `live` was interrupted, what is `finalising` waits for its child.
"""

import asyncio
import contextlib
import errno
import json
import logging
import secrets
import shutil
import time
from collections import deque
from collections.abc import Collection, Iterable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from db import chapters, recordings, trash
from db.connection import Database
from db.errors import Unavailable
from db.recordings import Ended
from db.tables import Recording
from sfu.config import schema
from sfu.recording.recorder import Totals
from web.recordings.transcoding import MADE
from workers.child import ChildFailed, run_module
from workers.disk_room import MB, DiskRoom

logger = logging.getLogger(__name__)

RETRY_S = 10.0  # after the database or the system has refused, as with a full disk
LONGEST_RETRY_S = 600.0  # between two tries to finalise one recording for which the disk has no room
MOST_UNWRITTEN = 1000  # chapters
WHY = {"storage_full": errno.ENOSPC, "database_busy": errno.EBUSY, "database_away": errno.EIO}  # no row, as the media plane hears it


class Archive:
    """Owns the folder of recordings and the task that finalises them, one child at a time. `tidying` deletes what is too old."""

    def __init__(
        self, database: Database, storage: Path, settings: schema.RecordingConfig, floor_mb: int = 0, *, going_on: Collection[str] = ()
    ) -> None:
        """storage: `storage.path`, to which the rows' folders are relative; floor_mb of its disk stay free; going_on: broadcasts
        whose recordings continue.
        """
        self._database = database
        self._storage = storage
        self._settings = settings
        self._going_on = going_on
        self.settled = asyncio.Event()  # a recording is ready or failed, so its size is known; `tidying` waits for this
        self._work = asyncio.Event()
        self._room = DiskRoom(storage, floor_mb * MB)
        self._unwritten: dict[int, Ended] = {}  # ends of recordings that are not in the database yet
        self._chapters: deque[tuple[int, float, str, str]] = deque(
            maxlen=MOST_UNWRITTEN
        )  # chapters that are not in the database yet; beyond the limit the oldest are lost
        self._later: dict[int, tuple[float, float]] = {}  # recording -> not before this moment, after a pause of so many seconds
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._prepare)
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
        """Finalise what the last run left `live`, except for broadcasts that continue. At the start only, before any broadcast."""
        interrupted = await self._database.run(recordings.interrupt, going_on)
        if interrupted:
            self._work.set()
            logger.warning("%s recordings were interrupted and are finalised now", interrupted)

    async def begin(self, username: str, broadcast: str, title: str | None, started_at: datetime) -> tuple[int, Path]:
        """Make the row (`state: live`); its id and the folder for its files, which the recorder makes.

        Raises OSError where the row cannot be written: then nothing is recorded; after EBUSY it can be tried again.
        """
        if not await asyncio.to_thread(self._room.has):
            raise OSError(errno.ENOSPC, f"under {self._room.floor} bytes are left for it")
        try:
            row = await self._database.run(recordings.begin, username, broadcast, title, started_at)
        except Unavailable as trouble:
            raise OSError(WHY[trouble.code], f"no row for the recording: {trouble}") from trouble
        except Exception as error:
            raise OSError(f"no row for the recording: {error}") from error
        await asyncio.to_thread(_set_aside, self.folder_of(row))
        return row.id, self.folder_of(row)

    async def finish(self, recording: int, totals: Totals) -> None:
        """The files are closed: set `finalising` and start the child. Raises nothing: writing is repeated until the database accepts it."""
        variants = ["original", "denoised"] if totals.denoised else ["original"]
        stats = {"packets": totals.packets, "dropped": totals.dropped, "late": totals.late, "failed": totals.failed}
        self._unwritten[recording] = Ended(totals.duration_s, variants, totals.size_bytes, stats)
        try:
            await self._write_down()
        except Unavailable as trouble:
            logger.error("recording %s: its end could not be written down yet: %s", recording, trouble)
        except Exception:
            logger.exception("recording %s: its end could not be written down yet", recording)
        self._work.set()

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
        gone = await asyncio.to_thread(delete_files, self._storage, list(folders))
        try:
            await self._database.run(trash.forget, gone)
        except Unavailable:
            pass  # the next round finds nothing there and forgets them
        except Exception:
            logger.exception("files are deleted and still noted; the next round finds nothing there and forgets them")

    async def _write_chapters(self) -> None:
        while self._chapters:
            chapter = self._chapters.popleft()
            try:
                await self._database.run(chapters.add, *chapter)
            except (Unavailable, asyncio.CancelledError):
                self._chapters.appendleft(chapter)
                raise

    async def _write_down(self) -> None:
        await self._write_chapters()
        while self._unwritten:
            recording, ended = next(iter(self._unwritten.items()))
            await self._database.run(recordings.close, recording, ended)
            self._unwritten.pop(recording, None)

    async def _finalising(self) -> None:
        while True:
            self._work.clear()
            done = False
            try:
                await self._write_down()
                done = await self._finalise_all()
            except Unavailable:
                pass  # the database has logged it
            except Exception:
                logger.exception("finalising goes on in %s s", RETRY_S)
            if done:
                await self._work.wait()
            else:
                await asyncio.sleep(RETRY_S)

    async def _finalise_all(self) -> bool:
        """One after another. False where something is left, for want of room."""
        said = False
        while (recording := await self._database.read(recordings.next_to_finalise, later := self._not_yet())) is not None:
            while not await asyncio.to_thread(self._room.has):
                if not said:
                    logger.warning("recording %s waits for room: under %s bytes are left", recording.id, self._room.floor)
                said = True
                await asyncio.sleep(RETRY_S)
                await self._write_down()
            await self._finalise(recording)
            self.settled.set()
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
        wanted = [*(["--wav"] if self._settings.wav else []), f"--floor={self._room.floor}"]
        try:
            said = json.loads(await run_module("workers.recordings.finalise", self.folder_of(recording), *wanted))
        except (ChildFailed, ValueError) as failure:
            logger.error("recording %s: could not be finalised: %s", recording.id, failure)
            said = {"duration_s": recording.duration_s, "variants": recording.variants, "size_bytes": recording.size_bytes}
            said |= {"failed": "failed", "whole": True}
        if said["failed"] == "storage_full" and not said["whole"]:
            self._put_off(recording.id)  # as it stands it is `finalising`: it is ready when it has its outline
            return
        self._later.pop(recording.id, None)
        failed, playable = said["failed"], said["duration_s"] > 0
        stats = {"failed": failed} if failed else {}
        if merged := said.get("spans_merged"):
            stats["spans_merged"] = merged
        heard = said.get("spans"), said.get("denoised_share")
        ended = Ended(said["duration_s"], said["variants"], said["size_bytes"], stats, *heard)
        await self._database.run(recordings.finish, recording.id, ended, playable)
        logger.info("recording %s: %.1f s, %s bytes%s", recording.id, *ended[0:3:2], f", {failed}" if failed else "")

    def _prepare(self) -> None:
        folder = self._storage / "recordings"
        folder.mkdir(parents=True, exist_ok=True)
        for gone in folder.glob(".gone-*"):
            shutil.rmtree(gone, ignore_errors=True)
        for made in (self._storage / MADE).glob("*"):  # half a file, or of a recording that was deleted as the last run was killed
            if made.suffix == ".part" or not (folder / made.name.partition("-")[0]).is_dir():
                made.unlink(missing_ok=True)


ARCHIVE = web.AppKey("ARCHIVE", Archive)


def _set_aside(folder: Path) -> None:
    """A folder that is there before its recording is of one that the database has lost, by a copy put back: it is kept. Where it cannot
    be moved, the recorder will find it in its way and say so.
    """
    if folder.exists():
        lost = folder.with_name(f"lost-{folder.name}-{secrets.token_hex(4)}")
        with contextlib.suppress(OSError):
            folder.rename(lost)
            logger.warning("%s was there without a row; now it is %s", folder, lost.name)


def delete_files(storage: Path, folders: Iterable[str]) -> list[str]:
    """Delete the files of recordings, and what was made of them; folders as the rows name them. Returns those of which all is gone.

    Not for the loop.
    """
    return [name for name in folders if _is_gone(storage, storage / name)]


def _is_gone(storage: Path, folder: Path) -> bool:
    gone = folder.with_name(f".gone-{folder.name}")  # out of sight at once
    try:
        with contextlib.suppress(FileNotFoundError):
            folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
        for made in (storage / MADE).glob(f"{folder.name}-*"):
            made.unlink(missing_ok=True)
        return not gone.exists()
    except OSError as error:
        logger.warning("%s could not be deleted yet: %s", folder, error)
        return False
