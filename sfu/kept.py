"""The wish for a denoised voice, and the worker that is kept for it: when it starts, dies, is tried again, or is given up.

Rules (design, "When things go wrong"): two restarts at once; the third failure within 60 s gives `bypassed`,
`worker_failed`, until the switch is toggled; a worker that nobody wants any more is let go after 30 s.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Protocol

from sfu.denoise import Denoise, Nurse
from sfu.errors import WorkerError
from sfu.states import DENOISE_NEXT, DenoiseEvent, DenoiseState
from workers.control import Adjust
from workers.ring import Packet

logger = logging.getLogger(__name__)

LINGER_S = 30.0  # how long an unwanted worker waits for somebody to change their mind
FAILURES = 3
WINDOW_S = 60.0
NO_LIMIT_DB = 100.0
BACK_OFF_S = 5.0  # before a restart, once two have failed


class Catalogue(Protocol):
    """Which denoisers there are; the app hands one in, so that this room need not know models or plugins."""

    def names(self) -> list[str]:
        """Every denoiser that may be asked for."""

    def chosen(self, wanted: str | None) -> tuple[str, str | None]:
        """The denoiser that serves for `wanted` (None: the default) now, and why it is another one, or None."""

    def options(self, name: str) -> Mapping[str, object]:
        """What its constructor needs."""

    def delay_samples(self, name: str) -> int:
        """Its whole delay in 20 ms packets, encoder included, in samples at 48 kHz."""


class KeptWorker:
    """Owns at most one `Denoise` at a time and the task that keeps it. `changed` is called after every change of state."""

    def __init__(
        self, label: str, nurse: Nurse, catalogue: Catalogue, packet: Callable[[Packet], None], changed: Callable[[], None]
    ) -> None:
        self.enabled = False
        self.wanted: str | None = None  # the denoiser asked for; None: the default
        self.strength_db: float | None = None
        self.listened = False  # a listener asked for `denoised`
        self.reason: str | None = None
        self.run: Denoise | None = None
        self.concealed = 0  # by workers that have ended
        self._label = label
        self._nurse = nurse
        self._catalogue = catalogue
        self._packet = packet
        self._changed = changed
        self._state = DenoiseState.OFF
        self._failures: deque[float] = deque(maxlen=FAILURES)
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "KeptWorker":
        self._task = asyncio.create_task(self._keep(), name=f"worker of {self._label}")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    @property
    def denoiser(self) -> str:
        """The name that serves now, or would serve."""
        return self.run.denoiser if self.run is not None else self._catalogue.chosen(self.wanted)[0]

    @property
    def state(self) -> DenoiseState:
        """What the broadcaster sees: `off` while the switch is off, whatever a listener has running."""
        return self._state if self.enabled else DenoiseState.OFF

    @property
    def active(self) -> bool:
        """A worker is there and answers: denoised packets are worth waiting for."""
        return self._state is DenoiseState.ACTIVE

    def wish(self, enabled: bool | None = None, denoiser: str | None = None) -> None:
        """Turn the switch or choose another denoiser; either forgives what failed before."""
        if denoiser is not None:
            self.wanted = denoiser
        if enabled is not None:
            self.enabled = enabled
        self._failures.clear()
        if self._state is DenoiseState.BYPASSED:
            self._move(DenoiseEvent.OFF)
        self.look()

    def strengthen(self, strength_db: float | None) -> None:
        """Limit the attenuation in dB; None: no limit. Heard from the worker's next packet on."""
        self.strength_db = strength_db
        if self.run is not None:
            self.run.adjust(Adjust(strength_db=NO_LIMIT_DB if strength_db is None else strength_db))

    def look(self) -> None:
        """Something outside changed (a listener, the weights): compare wish and worker again."""
        self._news.set()

    def put(self, packet: Packet) -> None:
        """Hand the worker one packet, where there is one."""
        if self.run is not None:
            self.run.put(packet)

    def check(self, now_ns: int) -> None:
        if self.run is not None:
            self.run.check(now_ns)

    def _needed(self) -> bool:
        return self.enabled or self.listened

    async def _keep(self) -> None:
        while True:
            self._news.clear()
            if not self._needed():
                self._move(DenoiseEvent.OFF)
            elif self._state is not DenoiseState.BYPASSED:
                self._move(DenoiseEvent.WANTED)
                await self._attempt()
                continue
            await self._news.wait()

    async def _attempt(self) -> None:
        """One worker from birth to end. Returns when it is gone, whatever the cause."""
        name, self.reason = self._catalogue.chosen(self.wanted)
        options = {**self._catalogue.options(name), "strength_db": self.strength_db}
        try:
            async with Denoise(self._nurse, name, options, self._packet) as run:
                self.run = run
                self._move(DenoiseEvent.READY)
                logger.info("%s: worker %s denoises with %s", self._label, run.pid, name)
                try:
                    await self._while_wanted(run)
                    self._move(DenoiseEvent.WANTED if self._needed() else DenoiseEvent.OFF)
                except WorkerError:
                    self._move(DenoiseEvent.DIED)  # at once: nothing denoised is to be waited for while it is being buried
                    raise
                finally:
                    self.run = None
                    self.concealed += run.stats.concealed if run.stats else 0
        except WorkerError as error:
            await self._failed(error)

    async def _while_wanted(self, run: Denoise) -> None:
        while True:
            news = asyncio.create_task(self._news.wait())
            waiting: set[asyncio.Future[Any]] = {news, run.ended}
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=None if self._needed() else LINGER_S)
            finally:
                news.cancel()
            if run.ended.done():
                run.ended.result()
                return
            if self._catalogue.chosen(self.wanted)[0] != run.denoiser:
                return
            if not self._needed() and not self._news.is_set():
                return
            self._news.clear()

    async def _failed(self, error: WorkerError) -> None:
        now = time.monotonic()
        self._failures.append(now)
        third = len(self._failures) == FAILURES
        often = third and now - self._failures[0] < WINDOW_S
        logger.warning("%s: %s (%s)", self._label, error, "given up until toggled" if often else "another is started")
        self.reason = error.reason
        self._move(DenoiseEvent.GAVE_UP if often else DenoiseEvent.DIED)
        if third and not often:
            await asyncio.sleep(BACK_OFF_S)

    def _move(self, event: DenoiseEvent) -> None:
        self._state = DENOISE_NEXT[self._state, event]
        self._changed()
