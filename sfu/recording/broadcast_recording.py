"""The recording of one broadcast: row first, then the files, then the totals. The app hands in how rows are kept."""

import asyncio
import errno
import logging
from collections import deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol

from sfu.recording.recorder import Recorder, Totals
from workers.disk_room import DiskRoom, why_not
from workers.link.ring import Packet
from workers.recordings.spans import Treatment

logger = logging.getLogger(__name__)

AGAIN_S = 2.0  # after the database was too busy for a row: a backup, say
NOTHING = Totals(0.0, False, 0, 0, 0, 0, "failed")
BEFORE_THE_ROW = 250  # packets kept while the row is written: five seconds at 20 ms


class RecordingArchive(Protocol):
    """Where recordings are listed."""

    async def begin(self, username: str, broadcast: str, title: str, started_at: datetime) -> tuple[int, Path]:
        """Make the row (`state: live`); return its id and the folder for its files. Raises OSError and nothing else; EBUSY: again later."""

    async def finish(self, recording: int, totals: Totals) -> None:
        """The files are closed: finalise."""


class BroadcastRecording:
    """Owns the recorder of one broadcast, from the first packet to `close`. Does nothing until `start`."""

    def __init__(
        self, label: str, archive: RecordingArchive, room: DiskRoom | None = None, changed: Callable[[], object] = lambda: None
    ) -> None:
        """room: how much may be written. changed(): called when `recording` or `failed` has another value."""
        self.recording: int | None = None
        self._label = label
        self._archive = archive
        self._room = room
        self._changed = changed
        self._refused: str | None = None  # why there is no recorder
        self._ending = asyncio.Event()
        self._early: deque[tuple[Packet, str | None, Treatment | None]] = deque(maxlen=BEFORE_THE_ROW)  # the oldest would be lost
        self._recorder: Recorder | None = None
        self._opening: asyncio.Task[None] | None = None

    @property
    def failed(self) -> str | None:
        """Why nothing is written, or nothing more: `storage_full`, `failed`, or None."""
        return self._recorder.failed if self._recorder else self._refused

    def start(self, username: str, title: Callable[[], str], started_at: datetime) -> None:
        """title: asked when the row is made, which may be later than now."""
        self._opening = asyncio.create_task(self._open(username, title, started_at), name=f"recording of {self._label}")

    async def _open(self, username: str, title: Callable[[], str], started_at: datetime) -> None:
        """Where the database is busy the row is tried for until the end: what is recorded begins later, at its place in time."""
        while not await self._begun(username, title, started_at):
            try:
                async with asyncio.timeout(AGAIN_S):
                    await self._ending.wait()
                return
            except TimeoutError:
                pass

    async def _begun(self, username: str, title: Callable[[], str], started_at: datetime) -> bool:
        """Whether there is nothing more to be tried."""
        try:
            self.recording, folder = await self._archive.begin(username, self._label, title(), started_at)
            recorder = await self._recording(self.recording, folder)
        except OSError as error:  # a full disk, an account just deleted: the voice goes on
            if self._refused is None:
                logger.error("%s: cannot be recorded: %s", self._label, error)
            self._refused = why_not(error)
            self._changed()
            if error.errno == errno.EBUSY:
                return False
            self._early.clear()
            return True
        self._recorder, self._refused = recorder, None
        self._changed()
        while self._early:
            self._write(*self._early.popleft())
        return True

    async def _recording(self, recording: int, folder: Path) -> Recorder:
        """Raises OSError where there is no thread to be had; then the row is over at once."""
        try:
            return await Recorder(folder, room=self._room, changed=self._changed).__aenter__()
        except RuntimeError as error:
            await self._archive.finish(recording, NOTHING)
            raise OSError(errno.EAGAIN, str(error)) from error

    def original(self, packet: Packet) -> None:
        self._write(packet, None)

    def heard(self, packet: Packet, variant: str, why: Treatment) -> None:
        self._write(packet, variant, why)

    def _write(self, packet: Packet, variant: str | None, why: Treatment | None = None) -> None:
        if self._recorder is None:
            if self._opening is not None and not self._opening.done():
                self._early.append((packet, variant, why))
        elif variant is None:
            self._recorder.original(packet)
        else:
            self._recorder.heard(packet, variant, why)

    async def resume(self, recording: int, folder: Path) -> int:
        """Instead of `start`: go on with what the last run of the server left. How many samples there are."""
        self.recording = recording
        self._recorder = await Recorder(folder, room=self._room, changed=self._changed, resume=True).__aenter__()
        return await self._recorder.held_samples()

    async def close(self, *, resumable: bool = False) -> int | None:
        """Close the files and hand the totals on. Returns the recording's id, or None where there is none.

        resumable: the next run of the server may go on with it, so it is not over.
        """
        opening, self._opening = self._opening, None
        if opening is not None:
            self._ending.set()
            await opening
        if self.recording is not None and self._recorder is not None:
            totals = await self._recorder.close(resumable=resumable)
            if not resumable:
                await self._archive.finish(self.recording, totals)
        return self.recording
