"""What a broadcast leaves behind should the server be killed or stopped: enough to be taken up by the next one.

It is written down when the broadcast goes live and after each change, never for a packet, and removed first thing when it ends.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sfu.elapsed import Moment
from sfu.tasks import ended, lasting

logger = logging.getLogger(__name__)

RETRY_S = 5.0  # after it could not be written down (a full disk, say)
WRITTEN_S = 2.0  # who has to know that it is written waits so long at most


@dataclass(frozen=True)
class Left:
    """A broadcast that is on air, as the next run of the server needs to know it."""

    id: str
    username: str
    title: str
    renamed: bool  # the title was given to the recording, so no takeover changes it
    began: Moment  # its time line
    muted: bool
    record: bool
    denoise: bool
    denoiser: str | None
    strength_db: float | None
    resource: str  # the WHIP resource of who speaks, whose DELETE is Stop; "" for none
    grant: str  # by which that was made


@dataclass(frozen=True)
class Survivor:
    """What the last run left, with what the app knows beside it."""

    left: Left
    owner: str  # of the resource
    tape: tuple[int, Path] | None  # the recording to go on with, and its folder


class Memory(Protocol):
    """Where it is written down."""

    async def keep(self, left: Left, title: str | None) -> None:
        """Write it, instead of what was there. title: what the recording is called from now on; None: as it is. May raise anything."""

    async def forget(self, broadcast: str) -> None:
        """It is over: nothing may bring it back. Raises nothing: it is tried until it is done."""


class Forgetful:
    """A memory that keeps nothing."""

    async def keep(self, left: Left, title: str | None) -> None: ...
    async def forget(self, broadcast: str) -> None: ...


class Survival:
    """Owns the task that writes down what one broadcast would leave, from `begin` to `close`; does nothing before."""

    def __init__(self, label: str, memory: Memory, told: Callable[[], Left]) -> None:
        """told: how things stand now."""
        self._label = label
        self._memory = memory
        self._told = told
        self._news = asyncio.Event()
        self._turn = asyncio.Lock()  # one write at a time, so that the last one is the newest
        self._kept: Left | None = None
        self._title = ""  # of the recording
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._refused = False  # and that was said

    def begin(self) -> None:
        """It is on air from now on, recorded under the title that it has."""
        self._title = self._told().title
        self._task = lasting(self._write_for_ever(), name=f"survival of {self._label}")
        self.note()

    def note(self) -> None:
        """Something may have changed: it is written soon."""
        self._news.set()

    async def written(self) -> bool:
        """Wait until it is written down how things stand; False where that does not succeed in time. It is tried on then."""
        try:
            async with asyncio.timeout(WRITTEN_S):
                return self._task is None or await self._write()
        except TimeoutError:
            return False

    async def close(self, last: Left | None) -> None:
        """No task is left. last: as the next run may take it up; None: it is over."""
        if self._task is None:
            return
        self._closed = True
        await ended(self._task)
        async with self._turn:
            if last is None:
                await self._memory.forget(self._label)
            elif last != self._kept:
                await self._keep(last)

    async def _write_for_ever(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            if not await self._write():
                await asyncio.sleep(RETRY_S)
                self._news.set()

    async def _write(self) -> bool:
        async with self._turn:
            left = self._told()
            return self._closed or left == self._kept or await self._keep(left)

    async def _keep(self, left: Left) -> bool:
        self._kept = None  # a write that is not waited for to its end may still be done: what is there is not known then
        try:
            await self._memory.keep(left, left.title if left.title != self._title else None)
        except Exception as error:  # noqa: BLE001 whatever it is, the voice goes on
            if not self._refused:
                logger.warning("%s: would not survive a restart as it is now: %s", self._label, error)
            self._refused = True
            return False
        self._kept, self._title, self._refused = left, left.title, False
        return True
