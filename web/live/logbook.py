"""Live broadcasts in the database: written while they last, and read by the next start, which resumes them."""

import asyncio
import logging
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from db import broadcasts
from db.connection import Database
from db.tables import LiveBroadcast, Recording
from sfu.broadcast.snapshots import BroadcastSnapshot, ResumableBroadcast
from sfu.config import schema
from sfu.elapsed import Moment
from web.live.whip import owner

logger = logging.getLogger(__name__)

RETRY_S = 5.0  # after the database has refused, as with a full disk
LAST_S = 1.0  # how long the end of the server waits for the database


class Logbook:
    """Implements the media plane's Memory. Owns the task that deletes the rows that could not be deleted at once."""

    def __init__(self, database: Database, storage: Path, settings: schema.RecordingConfig) -> None:
        self._database = database
        self._storage = storage
        self._settings = settings
        self._ended: set[str] = set()  # broadcasts whose rows are still to be removed
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.found: list[ResumableBroadcast] = []  # broadcasts that the last run left on air

    async def __aenter__(self) -> Self:
        left = await self._database.read(broadcasts.left)
        self.found = [self._survivor(*each) for each in left.going_on]
        for broadcast in left.over:
            await self.forget(broadcast)
        self._task = asyncio.create_task(self._forgetting(), name="forget what has ended")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._ended:
            await self._forget_at_last()

    @property
    def going_on(self) -> Collection[str]:
        """The broadcasts whose recordings are not over yet."""
        return {each.snapshot.id for each in self.found if each.tape is not None}

    async def keep(self, left: BroadcastSnapshot, title: str | None) -> None:
        """Write the broadcast down, and the recording's title where it has changed. Raises what the database raises."""
        row = {
            "id": left.id,
            "title": left.title,
            "renamed": left.renamed,
            "since": left.began.at,
            "boot": left.began.boot,
            "boot_s": left.began.boot_s,
            "muted": left.muted,
            "record": left.record,
            "denoise": left.denoise,
            "denoiser": left.denoiser,
            "strength_db": left.strength_db,
            "resource": left.media_session,
            "access": left.grant,
        }
        await self._database.run(broadcasts.keep, left.username, row, title)

    async def forget(self, broadcast: str) -> None:
        """The broadcast has ended: delete its row. Raises nothing; where the database refuses, it is tried again."""
        self._ended.add(broadcast)
        try:
            await self._forget_all()
        except Exception as error:  # noqa: BLE001 whatever it is, it is tried again
            logger.warning("%s: its end could not be written down yet: %s", broadcast, error)
            self._news.set()

    async def _forgetting(self) -> None:
        while True:
            await self._news.wait()
            await asyncio.sleep(RETRY_S)
            try:
                await self._forget_all()
            except Exception:  # noqa: BLE001 said already
                logger.debug("the ends of %s broadcasts are still not written down", len(self._ended))
            else:
                self._news.clear()

    async def _forget_at_last(self) -> None:
        try:
            async with asyncio.timeout(LAST_S):
                await self._forget_all()
        except Exception as error:  # noqa: BLE001 it is over in any case
            logger.warning("%s broadcasts that have ended will be taken up by the next start: %s", len(self._ended), error)

    async def _forget_all(self) -> None:
        for broadcast in list(self._ended):
            await self._database.run(broadcasts.forget, broadcast)
            self._ended.discard(broadcast)

    def _survivor(self, row: LiveBroadcast, tape: Recording | None) -> ResumableBroadcast:
        record, title, renamed = row.record and self._settings.enabled, row.title, row.renamed
        if tape is not None and title != (tape.title or ""):  # renamed just before the end
            title, renamed = tape.title or "", True
        left = BroadcastSnapshot(
            id=row.id,
            username=row.user.username,
            title=title,
            renamed=renamed,
            began=Moment(row.since, row.boot, row.boot_s),
            muted=row.muted,
            record=record,
            denoise=row.denoise,
            denoiser=row.denoiser,
            strength_db=row.strength_db,
            media_session=row.resource,
            grant=row.access,
        )
        folder = (tape.id, self._storage / tape.folder) if tape is not None and record else None
        return ResumableBroadcast(left, owner(row.user.username), folder)


LOGBOOK = web.AppKey("LOGBOOK", Logbook)
