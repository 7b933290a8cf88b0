"""The recording of one broadcast: row first, then the files, then the totals. The app hands in how rows are kept."""

import asyncio
import logging
from collections import deque
from datetime import datetime
from pathlib import Path
from typing import Protocol

from sfu.recorder import Recorder, Totals
from workers.ring import Packet
from workers.spans import Why

logger = logging.getLogger(__name__)

BEFORE_THE_ROW = 250  # packets kept while the row is written: five seconds at 20 ms


class Archive(Protocol):
    """Where recordings are listed."""

    async def begin(self, username: str, broadcast: str, title: str, started_at: datetime) -> tuple[int, Path]:
        """Make the row (`state: live`); return its id and the folder for its files. Raises OSError and nothing else."""

    async def finish(self, recording: int, totals: Totals) -> None:
        """The files are closed: finalise."""


class Taping:
    """Owns the recorder of one broadcast, from the first packet to `close`. Does nothing until `start`."""

    def __init__(self, label: str, archive: Archive) -> None:
        self.recording: int | None = None
        self._label = label
        self._archive = archive
        self._early: deque[tuple[Packet, str | None, Why | None]] = deque(maxlen=BEFORE_THE_ROW)  # the oldest would be lost
        self._recorder: Recorder | None = None
        self._opening: asyncio.Task[None] | None = None

    @property
    def failed(self) -> str | None:
        """Why nothing more is written, `disk_full` say, or None."""
        return self._recorder.failed if self._recorder else None

    def start(self, username: str, title: str, started_at: datetime) -> None:
        self._opening = asyncio.create_task(self._open(username, title, started_at), name=f"recording of {self._label}")

    async def _open(self, username: str, title: str, started_at: datetime) -> None:
        try:
            self.recording, folder = await self._archive.begin(username, self._label, title, started_at)
            recorder = await Recorder(folder).__aenter__()
        except OSError as error:  # a full disk, an account just deleted: the voice goes on
            logger.error("%s: cannot be recorded: %s", self._label, error)
            self._early.clear()
            return
        self._recorder = recorder
        while self._early:
            self._write(*self._early.popleft())

    def original(self, packet: Packet) -> None:
        self._write(packet, None)

    def heard(self, packet: Packet, variant: str, why: Why) -> None:
        self._write(packet, variant, why)

    def _write(self, packet: Packet, variant: str | None, why: Why | None = None) -> None:
        if self._recorder is None:
            if self._opening is not None and not self._opening.done():
                self._early.append((packet, variant, why))
        elif variant is None:
            self._recorder.original(packet)
        else:
            self._recorder.heard(packet, variant, why)

    async def close(self) -> int | None:
        """Close the files and hand the totals on. Returns the recording's id, or None where there is none."""
        opening, self._opening = self._opening, None
        if opening is None:
            return None
        await opening
        if self.recording is not None and self._recorder is not None:
            await self._archive.finish(self.recording, await self._recorder.close())
        return self.recording
