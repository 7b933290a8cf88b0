"""Where recordings live: rows in the database, a folder each, and the child processes that make them ready.

States: live → finalising → ready, or failed where there is nothing to play. The rows are the list of work, so a restart goes
on where it was: what was `live` was interrupted, what is `finalising` waits for its child.
"""

import asyncio
import contextlib
import json
import logging
import shutil
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from db import recordings
from db.connection import Database
from db.models import Recording
from db.recordings import Ended
from sfu import config
from sfu.recorder import Totals
from web.children import ChildFailed, run_module
from web.transcoding import MADE

logger = logging.getLogger(__name__)

TIDY_S = 600.0  # how often old recordings are looked for
RETRY_S = 10.0  # after the database or the system refused (a full disk, say)
MB = 1_000_000


class Archive:
    """Owns the folder of recordings and two tasks: one finalises, one child at a time, the other deletes what is too old or too much."""

    def __init__(self, database: Database, storage: Path, settings: config.Recording) -> None:
        """storage: `storage.path`, which the rows' folders are told from."""
        self._database = database
        self._storage = storage
        self._settings = settings
        self._work = asyncio.Event()
        self._unwritten: dict[int, Ended] = {}  # what could not be written down at the end of a broadcast
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._prepare)
        await self.reconcile()
        self._tasks = [asyncio.create_task(self._finalising(), name="finalise"), asyncio.create_task(self._tidying(), name="tidy")]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop both tasks and kill their child; what was being finalised is taken up at the next start."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def reconcile(self) -> None:
        """Take up what the last run left `live`. For the start only: nothing may be on air."""
        interrupted = await self._database.run(recordings.interrupt)
        if interrupted:
            logger.warning("%s recordings were interrupted and are finalised now", interrupted)

    async def begin(self, username: str, broadcast: str, title: str | None, started_at: datetime) -> tuple[int, Path]:
        """Make the row (`state: live`); its id and the folder for its files, which the recorder makes.

        Raises OSError where that cannot be written down: then there is no recording.
        """
        try:
            row = await self._database.run(recordings.begin, username, broadcast, title, started_at)
        except Exception as error:
            raise OSError(f"no row for the recording: {error}") from error
        return row.id, self.folder_of(row)

    async def finish(self, recording: int, totals: Totals) -> None:
        """The files are closed: `finalising`, and the child's turn. Raises nothing: it is tried again until the database takes it."""
        variants = ["original", "denoised"] if totals.denoised else ["original"]
        stats = {"packets": totals.packets, "dropped": totals.dropped, "late": totals.late, "failed": totals.failed}
        self._unwritten[recording] = Ended(totals.duration_s, variants, totals.size_bytes, stats)
        try:
            await self._write_down()
        except Exception:
            logger.exception("recording %s: its end could not be written down yet", recording)
        self._work.set()

    async def chapter(self, recording: int, at_s: float, kind: str, text: str) -> None:
        """Keep a cue as a chapter; beyond a thousand they are not kept."""
        await self._database.run(recordings.add_chapter, recording, round(at_s, 3), kind, text)

    def folder_of(self, recording: Recording) -> Path:
        """Where its files are: original.opus, denoised.opus, spans.log, NAME.peaks, heard.wav."""
        return self._storage / recording.folder

    async def forget(self, folders: Iterable[str]) -> None:
        """Delete the files of recordings whose rows are gone; names as the rows had them."""
        await asyncio.to_thread(delete_files, self._storage, list(folders))

    async def _write_down(self) -> None:
        while self._unwritten:
            recording, ended = next(iter(self._unwritten.items()))
            await self._database.run(recordings.close, recording, ended)
            self._unwritten.pop(recording, None)

    async def _finalising(self) -> None:
        while True:
            self._work.clear()
            try:
                await self._write_down()
                while (recording := await self._database.run(recordings.next_to_finalise)) is not None:
                    await self._finalise(recording)
                    await self._tidy()
            except Exception:
                logger.exception("finalising goes on in %s s", RETRY_S)
                await asyncio.sleep(RETRY_S)
            else:
                await self._work.wait()

    async def _finalise(self, recording: Recording) -> None:
        wanted = ["--wav"] if self._settings.wav else []
        try:
            said = json.loads(await run_module("workers.finalise", self.folder_of(recording), *wanted))
        except (ChildFailed, ValueError) as failure:
            logger.error("recording %s: could not be finalised: %s", recording.id, failure)
            said = {"duration_s": recording.duration_s, "variants": recording.variants, "size_bytes": recording.size_bytes}
            said |= {"failed": "finalise_failed"}
        failed, playable = said["failed"], said["duration_s"] > 0
        stats = {"failed": failed} if failed else {}
        if merged := said.get("spans_merged"):
            stats["spans_merged"] = merged
        heard = said.get("spans"), said.get("denoised_share")
        ended = Ended(said["duration_s"], said["variants"], said["size_bytes"], stats, *heard)
        await self._database.run(recordings.finish, recording.id, ended, playable)
        logger.info("recording %s: %.1f s, %s bytes%s", recording.id, *ended[0:3:2], f", {failed}" if failed else "")

    async def _tidying(self) -> None:
        while True:
            try:
                await self._tidy()
            except Exception:
                logger.exception("tidying goes on in %s s", TIDY_S)
            await asyncio.sleep(TIDY_S)

    async def _tidy(self) -> None:
        """Delete what is too old and what is too much."""
        folders: list[str] = []
        if self._settings.keep_days:
            folders += await self._database.run(recordings.remove_older, self._settings.keep_days)
        if self._settings.quota_mb:
            folders += await self._database.run(recordings.remove_over_quota, self._settings.quota_mb * MB)
        if folders:
            logger.info("%s recordings deleted by keep_days or quota_mb", len(folders))
            await self.forget(folders)

    def _prepare(self) -> None:
        folder = self._storage / "recordings"
        folder.mkdir(parents=True, exist_ok=True)
        for gone in folder.glob(".gone-*"):
            shutil.rmtree(gone, ignore_errors=True)
        for made in (self._storage / MADE).glob("*"):  # half a file, or of a recording that was deleted as the last run was killed
            if made.suffix == ".part" or not (folder / made.name.partition("-")[0]).is_dir():
                made.unlink(missing_ok=True)


def delete_files(storage: Path, folders: Iterable[str]) -> None:
    """Delete the files of recordings, and what was made of them; folders as the rows name them. Not for the loop."""
    for folder in [storage / name for name in folders]:
        gone = folder.with_name(f".gone-{folder.name}")  # out of sight at once, and found at the next start if there is none before
        with contextlib.suppress(FileNotFoundError):
            folder.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)
        for made in (storage / MADE).glob(f"{folder.name}-*"):
            made.unlink(missing_ok=True)
