"""Automatic deletion: recordings that are too old or over the quota, old trash, unused logins, expired companion sessions.

Age is judged only at a trusted time (`web.recordings.trusted_time`); the quota needs no clock.
"""

import asyncio
import logging
from types import TracebackType
from typing import Self

from aiohttp import web

from db import companions, known_time, logins, trash
from db.connection import Database
from db.errors import Unavailable
from db.tables import now
from sfu.config import schema
from web.recordings.archive import Archive
from web.recordings.trusted_time import TrustedClock
from workers.disk_room import MB

logger = logging.getLogger(__name__)

LOOK_S = 15.0  # how often the clocks are compared
TIDY_S = 600.0  # between two rounds; a recording that becomes ready starts one too


class Tidying:
    """Owns the task that deletes automatically, and the trusted clock. Users' deleting and restoring goes through it too."""

    def __init__(self, database: Database, archive: Archive, settings: schema.RecordingConfig, clock: TrustedClock) -> None:
        self._database = database
        self._archive = archive
        self._settings = settings
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._for_ever(), name="tidy")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def delete(self, user_id: int, recording_id: int) -> None:
        """Move an own recording into the trash, or delete it where the trash keeps nothing. Raises Missing, Denied, Clash."""
        if self._settings.trash_days:
            await self._database.run(trash.put, user_id, recording_id, self._clock.now())
        else:
            await self._archive.forget(await self._database.run(trash.remove, user_id, recording_id))

    async def restore(self, user_id: int, recording_id: int) -> None:
        """Take an own recording out of the trash. Raises Missing, Clash.

        Its days count from the newest known moment where the clock is behind that: else it would be too old at the first trusted time.
        """
        known = await self._database.read(known_time.newest)
        moment = self._clock.now() or max(now(), known or now())
        await self._database.run(trash.restore, user_id, recording_id, moment)

    async def tidy(self) -> None:
        """One round: delete rows over the quota, then, where the time is trusted, those that are too old; then their files."""
        settings, run = self._settings, self._database.run
        if settings.quota_mb:
            _say(len(await run(trash.make_room, settings.quota_mb * MB)), "deleted for good by quota_mb")
        moment = self._clock.now()
        if moment is not None:
            await run(known_time.accept, moment)
            if settings.keep_days:
                _say(await run(trash.put_older, settings.keep_days, moment), "moved into the trash by keep_days")
            _say(len(await run(trash.remove_expired, settings.trash_days, moment)), "deleted for good after trash_days")
            await run(logins.remove_idle, moment)
            await run(companions.remove_over, moment)
        if discarded := await run(trash.discarded, self._archive.node):
            await self._archive.forget(discarded)

    async def _for_ever(self) -> None:
        """Compare the clocks regularly; tidy at the start, when the time becomes trusted, after a new recording, and every TIDY_S."""
        loop = asyncio.get_running_loop()
        due, trusted = 0.0, False
        while True:
            before, trusted = trusted, self._clock.now() is not None
            if self._archive.settled.is_set() or loop.time() >= due or (trusted and not before):
                self._archive.settled.clear()
                due = loop.time() + TIDY_S
                try:
                    await self.tidy()
                except Unavailable:
                    pass  # the database has logged it
                except Exception:
                    logger.exception("tidying goes on in %s s", TIDY_S)
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._archive.settled.wait()
            except TimeoutError:
                pass


TIDYING = web.AppKey("TIDYING", Tidying)


def _say(count: int, what: str) -> None:
    if count:
        logger.info("recordings %s: %s", what, count)
