"""Live broadcasts in the database: written while they last, and read by the next start, which resumes them."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from aiohttp import web

from db import broadcasts, epochs, recording_parts, recordings
from db.connection import Database
from db.errors import StaleEpoch
from db.recording_parts import Takeover
from db.tables import LiveBroadcast, Recording
from sfu.broadcast.snapshots import BroadcastSnapshot, ResumableBroadcast
from sfu.config import schema
from sfu.elapsed import RATE_HZ, Moment, elapsed_s, moved, place_now
from web.live.whip import owner
from web.recordings.fence import Fence, NoFence
from web.recordings.folders import set_aside

logger = logging.getLogger(__name__)

RETRY_S = 5.0  # after the database has refused, as with a full disk
LAST_S = 1.0  # how long the end of the server waits for the database


class Taken(NamedTuple):
    """A broadcast that another server had, to go on here with this epoch; with its recording where `left.tape` says so."""

    epoch: int
    left: ResumableBroadcast


class Logbook:
    """Implements the media plane's Memory. Owns the task that deletes the rows that could not be deleted at once."""

    def __init__(
        self, database: Database, storage: Path, settings: schema.RecordingConfig, node: str = "", fence: Fence | None = None
    ) -> None:
        """node: this server among several, which have the rows in common; fence: knows its epochs."""
        self._node, self._fence = node, fence or NoFence()
        self._database = database
        self._storage = storage
        self._settings = settings
        self._ended: set[str] = set()  # broadcasts whose rows are still to be removed
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.found: list[ResumableBroadcast] = []  # broadcasts that the last run left on air

    async def __aenter__(self) -> Self:
        left = await self._database.read(broadcasts.left, self._node)
        self.found = [self._survivor(*each) for each in left.going_on]
        for row, _ in left.going_on:
            if row.epoch is not None:
                self._fence.kept(row.id, row.epoch)
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
        """The names of the recordings that are not over yet."""
        return {each.snapshot.tape for each in self.found if each.tape is not None}

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
            "tape": left.tape,
            "origin": left.origin,
            "node": self._node,
        }
        epoch = await self._fence.take(left.username, left.id)
        try:
            await self._database.run(_keep, left.username, row, title, epoch, partial(_age_s, left.began))
        except StaleEpoch:
            if epoch is None:
                raise  # it is tried again, until this server has an epoch or learns of the other one
            self._fence.stale(left.id)

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
            with suppress(StaleEpoch):  # it goes on elsewhere, and the row is that server's
                await self._database.run(_forget, broadcast, self._fence.epoch_of(broadcast), self._node)
            self._ended.discard(broadcast)

    async def take_over(self, row: LiveBroadcast) -> Taken:
        """Take a broadcast that another server had, with its recording, of which this server writes a part of its own from now on; where
        that is not live any more another one begins. Raises Unavailable, Missing.
        """
        recorded = row.record and self._settings.enabled
        (place, at), epoch, recording = await self._database.run(_take_over, row, recorded, self._node)
        if recording is None:
            return Taken(epoch, self.left_by_another(row, place, at))
        await asyncio.to_thread(set_aside, self._storage / recording.folder)
        left = self._survivor(row, recording)
        snapshot = replace(left.snapshot, began=moved(left.snapshot.began, at, place))
        return Taken(epoch, replace(left, snapshot=snapshot, place=place))

    async def given_up(self, row: LiveBroadcast) -> ResumableBroadcast:
        """A broadcast that another server is about to give up, with the recording that is live there; where none is, another one begins.
        Nothing is taken yet. Raises Unavailable.
        """
        (place, at), is_recorded = await self._database.read(_seen, row)
        if not is_recorded:
            return self.left_by_another(row, place, at)
        left = self._survivor(row, None)
        return replace(left, snapshot=replace(left.snapshot, began=moved(left.snapshot.began, at, place)), place=place)

    def left_by_another(self, row: LiveBroadcast, place: int, at: Moment) -> ResumableBroadcast:
        """A broadcast that another server had, to go on here with a recording of its own. place: on its time line `at`, in samples."""
        found = self._survivor(row, None)
        left, origin = found.snapshot, max(found.snapshot.origin + 1, place)
        snapshot = replace(left, began=moved(left.began, at, place), origin=origin, tape=f"{left.id}.{origin}")
        return replace(found, snapshot=snapshot, place=place)

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
            tape=row.tape,
            origin=row.origin,
        )
        folder = (tape.id, self._storage / tape.folder) if tape is not None and record else None
        return ResumableBroadcast(left, owner(row.user.username), folder)


def _age_s(began: Moment) -> float:
    return elapsed_s(began, Moment.now())


def _keep(username: str, row: Mapping[str, Any], title: str | None, epoch: int | None, age_s: Callable[[], float]) -> None:
    if epoch is None:
        epochs.check_row(row["id"], row["node"], username)
    zero_s = broadcasts.clock_s() - age_s() if row["node"] else None
    broadcasts.keep(username, {**row, "zero_s": zero_s}, title, epoch)


def _take_over(row: LiveBroadcast, recorded: bool, node: str) -> tuple[tuple[int, Moment], int, Recording | None]:
    """Where the broadcast is on its time line, as `_place`, its epoch, and the recording that goes on."""
    place, at = _place(row)
    from_s = max(0, place - row.origin) / RATE_HZ
    return (place, at), *recording_parts.take_over(Takeover(row.user_id, row.id, row.tape if recorded else None, node, from_s))


def _place(row: LiveBroadcast) -> tuple[int, Moment]:
    """Where the broadcast is on its time line, in samples, and when that was. No host's clock is compared."""
    if row.zero_s is None:
        return place_now(Moment(row.since, row.boot, row.boot_s), at := Moment.now(), 0), at
    clock_s, at = broadcasts.clock_s(), Moment.now()  # at once, for what follows may take long
    return max(0, int((clock_s - row.zero_s) * RATE_HZ)), at


def _seen(row: LiveBroadcast) -> tuple[tuple[int, Moment], bool]:
    """Where the broadcast is on its time line, as `_place`, and whether it is recorded."""
    return _place(row), row.record and recordings.is_live(row.tape)


def _forget(broadcast: str, epoch: int | None, node: str) -> None:
    if epoch is None:
        epochs.check_row(broadcast, node)
    broadcasts.forget(broadcast, epoch)


LOGBOOK = web.AppKey("LOGBOOK", Logbook)
