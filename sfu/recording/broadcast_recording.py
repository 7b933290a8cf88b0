"""The recording of one broadcast: its row in the archive, then its files, then its totals."""

import asyncio
import errno
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Protocol

from sfu.recording.recorder import Recorder, Totals
from sfu.tasks import start_task
from workers.disk_room import DiskRoom, why_not
from workers.link.ring import Packet
from workers.recordings.spans import Treatment

logger = logging.getLogger(__name__)

RETRY_S = 2.0  # after the database was busy, for example with a backup
NO_TOTALS = Totals(0.0, False, 0, 0, 0, 0, "failed")
MAX_EARLY = 250  # packets kept while the row is written: 2.5 s of both files at 20 ms


class RecordingArchive(Protocol):
    """Where recordings are listed; the app implements it."""

    async def begin(self, username: str, broadcast: str, title: str, started_at: datetime) -> tuple[int, Path]:
        """Make the row (`state: live`); return its id and the folder for its files. Raises only OSError; with EBUSY it is tried again."""

    async def finish(self, recording: int, totals: Totals) -> None:
        """The files are closed: prepare the recording for playing, or remove it if it is empty."""


class BroadcastRecording:
    """Owns the recorder of one broadcast, from the first packet to `close`. Does nothing until `start`."""

    def __init__(
        self,
        label: str,
        archive: RecordingArchive,
        room: DiskRoom | None = None,
        changed: Callable[[], object] = lambda: None,
        origin: int = 0,
    ) -> None:
        """room: how much may be written. changed(): called when `recording` or `failed` has another value. origin: where on the
        broadcast's time line it begins, in samples; packets before that are none of it.
        """
        self.recording: int | None = None
        self._label = label
        self._archive = archive
        self._room = room
        self._changed = changed
        self._origin = origin
        self._refused: str | None = None  # why there is no recorder
        self._ending = asyncio.Event()
        self._early: deque[tuple[Packet, str | None, Treatment | None]] = deque(maxlen=MAX_EARLY)  # then the oldest are dropped
        self._early_dropped = 0
        self._recorder: Recorder | None = None
        self._opening: asyncio.Task[None] | None = None
        self._goes_on = False

    @property
    def failed(self) -> str | None:
        """Why nothing is written, or nothing more: `storage_full`, `failed`, or None."""
        return self._recorder.failed if self._recorder else self._refused

    def start(self, username: str, title: Callable[[], str], started_at: datetime, *, goes_on: bool = False) -> None:
        """Begin to record. title: called when the row is made, which may be later. goes_on: another server has made it, and what refuses it
        here passes.
        """
        self._goes_on = goes_on
        self._opening = start_task(self._open(username, title, started_at), name=f"recording of {self._label}")

    async def opened(self, timeout_s: float) -> None:
        """Wait until `start` has had its outcome, but no longer than this."""
        if self._opening is not None:
            await asyncio.wait({self._opening}, timeout=timeout_s)

    async def _open(self, username: str, title: Callable[[], str], started_at: datetime) -> None:
        """While the database is busy, try again until the broadcast ends. Packets recorded later keep their place on the time line."""
        try:
            while not await self._try_to_begin(username, title, started_at):
                with suppress(TimeoutError):
                    async with asyncio.timeout(RETRY_S):
                        await self._ending.wait()
                        return
        except Exception:  # a defect of the archive: the status shows it, the task's callback logs it
            self._refuse("failed")
            raise

    async def _try_to_begin(self, username: str, title: Callable[[], str], started_at: datetime) -> bool:
        """Make the row and start the recorder. False if it should be tried again."""
        try:
            self.recording, folder = await self._archive.begin(username, self._label, title(), started_at)
            recorder = await self._started_recorder(self.recording, folder)
        except OSError as error:  # a full disk, or an account just deleted; the broadcast goes on
            if self._refused is None:
                logger.error("%s: cannot be recorded: %s", self._label, error)
            self._refuse(why_not(error))
            if error.errno == errno.EBUSY or self._goes_on:
                return False
            self._early.clear()
            return True
        self._recorder, self._refused = recorder, None
        self._changed()
        while self._early:
            self._record(*self._early.popleft())
        return True

    def _refuse(self, reason: str) -> None:
        self._refused = reason
        self._changed()

    async def _started_recorder(self, recording: int, folder: Path) -> Recorder:
        """If the system gives no thread, finish the row at once and raise OSError."""
        recorder = Recorder(folder, room=self._room, changed=self._changed)
        try:
            recorder.start()
        except RuntimeError as error:
            await self._archive.finish(recording, NO_TOTALS)
            raise OSError(errno.EAGAIN, str(error)) from error
        return recorder

    def original(self, packet: Packet) -> None:
        self._write(packet, None)

    def heard(self, packet: Packet, variant: str, why: Treatment) -> None:
        self._write(packet, variant, why)

    def _write(self, packet: Packet, variant: str | None, why: Treatment | None = None) -> None:
        if self._origin:
            packet = packet._replace(time=packet.time - self._origin)
        if packet.time < 0:
            return
        self._record(packet, variant, why)

    def _record(self, packet: Packet, variant: str | None, why: Treatment | None) -> None:
        """packet: on the recording's own time line."""
        if self._recorder is None:
            if self._opening is not None and not self._opening.done():
                self._early_dropped += len(self._early) == self._early.maxlen
                self._early.append((packet, variant, why))
        elif variant is None:
            self._recorder.original(packet)
        else:
            self._recorder.heard(packet, variant, why)

    async def resume(self, recording: int, folder: Path) -> int:
        """Instead of `start`: continue a recording of the server's last run. Returns how many samples it has so far."""
        self.recording = recording
        recorder = Recorder(folder, room=self._room, changed=self._changed, resume=True)
        recorder.start()
        self._recorder = recorder
        return await recorder.held_samples()

    async def close(self, *, resumable: bool = False) -> int | None:
        """Close the files and pass the totals to the archive. Returns the recording's id, or None if there is none or nothing in it.

        resumable: leave it to the server's next run, without totals.
        """
        opening, self._opening = self._opening, None
        if opening is not None:
            self._ending.set()
            await asyncio.gather(opening, return_exceptions=True)  # the log has what it raised
        if self.recording is not None and self._recorder is not None:
            totals = await self._recorder.close(resumable=resumable)
            if not resumable:
                totals = totals._replace(dropped=totals.dropped + self._early_dropped)
                await self._archive.finish(self.recording, totals)
                return None if totals.empty else self.recording
        return self.recording
