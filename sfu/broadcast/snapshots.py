"""Snapshots of a broadcast, from which the server resumes it after a restart or a kill.

A snapshot is written when the broadcast goes live and after each change, never per packet, and is deleted first when it ends.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sfu.elapsed import Moment
from sfu.tasks import cancel_and_wait, start_task

logger = logging.getLogger(__name__)

RETRY_S = 5.0  # after a failed write (a full disk, for example)
WRITTEN_S = 2.0  # timeout of `written`, and of the last snapshot


@dataclass(frozen=True)
class BroadcastSnapshot:
    """The state of a broadcast on air that the next run of the server needs."""

    id: str
    username: str
    title: str
    renamed: bool  # the recording was retitled, so no takeover changes the title
    began: Moment  # the start of its time line
    muted: bool
    record: bool
    denoise: bool
    denoiser: str | None
    strength_db: float | None
    media_session: str  # the WHIP session of the source, whose DELETE is Stop; "" for none
    grant: str  # the grant of that session
    tape: str = ""  # the name under which its recording is listed
    origin: int = 0  # where on the time line that recording begins, in samples


@dataclass(frozen=True)
class ResumableBroadcast:
    """A snapshot of the last run, with what the app knows about it."""

    snapshot: BroadcastSnapshot
    owner: str  # of the media session
    tape: tuple[int, Path] | None  # the recording to continue, and its folder
    place: int = 0  # where on the time line it is at least, in samples, by what another server had


class SnapshotStore(Protocol):
    """Where snapshots are stored."""

    async def keep(self, snapshot: BroadcastSnapshot, title: str | None) -> None:
        """Replace the stored snapshot. title: the recording's new title; None: unchanged. May raise anything."""

    async def forget(self, broadcast: str) -> None:
        """The broadcast has ended and must not be resumed. Raises nothing; retries until it is done."""


class NoSnapshots:
    """Stores nothing."""

    async def keep(self, snapshot: BroadcastSnapshot, title: str | None) -> None: ...
    async def forget(self, broadcast: str) -> None: ...


class SnapshotWriter:
    """Owns the task that writes one broadcast's snapshots, from `begin` to `close`; does nothing before."""

    def __init__(self, label: str, store: SnapshotStore, current: Callable[[], BroadcastSnapshot]) -> None:
        """current: returns the present snapshot."""
        self._label = label
        self._store = store
        self._current = current
        self._changed = asyncio.Event()
        self._turn = asyncio.Lock()  # one write at a time, so that the last one is the newest
        self._stored: BroadcastSnapshot | None = None
        self._title = ""  # of the recording
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._refused = False  # the last write failed, and that was logged

    def begin(self) -> None:
        """The broadcast is on air from now on, and its recording has the present title."""
        self._title = self._current().title
        self._task = start_task(self._write_changes(), name=f"snapshots of {self._label}")
        self.note()

    def note(self) -> None:
        """Something may have changed: write soon."""
        self._changed.set()

    async def written(self) -> bool:
        """Wait until the present snapshot is stored. Returns False where that takes too long; the writes are retried then."""
        try:
            async with asyncio.timeout(WRITTEN_S):
                return self._task is None or await self._write()
        except TimeoutError:
            return False

    async def close(self, last: BroadcastSnapshot | None) -> None:
        """End the task. last: the snapshot that the next run may resume; None: the broadcast has ended."""
        if self._task is None:
            return
        self._closed = True
        await cancel_and_wait(self._task)
        async with self._turn:
            if last is None:
                await self._store.forget(self._label)
            elif last != self._stored:
                try:
                    async with asyncio.timeout(WRITTEN_S):
                        await self._keep(last)
                except TimeoutError:
                    logger.warning("%s: its last snapshot was not written in time; the next start has the one before", self._label)

    async def _write_changes(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            if not await self._write():
                await asyncio.sleep(RETRY_S)
                self._changed.set()

    async def _write(self) -> bool:
        async with self._turn:
            snapshot = self._current()
            return self._closed or snapshot == self._stored or await self._keep(snapshot)

    async def _keep(self, snapshot: BroadcastSnapshot) -> bool:
        self._stored = None  # a cancelled write may still be done, so what is stored is unknown until this one returns
        try:
            await self._store.keep(snapshot, snapshot.title if snapshot.title != self._title else None)
        except Exception as error:  # noqa: BLE001 the broadcast continues whatever it is
            if not self._refused:
                logger.warning("%s: its snapshot could not be written: %s", self._label, error)
            self._refused = True
            return False
        self._stored, self._title, self._refused = snapshot, snapshot.title, False
        return True
