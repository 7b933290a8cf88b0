"""The worker run that serves and the one that will replace it: both are fed, one is heard, and listeners do not notice the change."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Protocol

from sfu.denoise.worker_run import WorkerRun
from sfu.errors import WorkerError
from workers.link.control import Adjust
from workers.link.ring import Packet

PRIMED_SAMPLES = 9600  # returned by a new worker before it takes over: its model and its encoder have then processed enough voice
PRIMED_NS = 1_000_000_000  # it takes over after this time even if fewer packets came (hardly anything was said)
NO_LIMIT_DB = 100.0
EVENTS = ("started", "failed", "restarted")  # of runs


class Make(Protocol):
    """Makes a run of a denoiser whose packets go to `packet`."""

    def __call__(self, denoiser: str, packet: Callable[[Packet], None]) -> WorkerRun: ...


class Tuning:
    """The settings of one voice's workers, which every later worker gets too. on_change: called with all settings after each change."""

    def __init__(self, on_change: Callable[[Adjust], None]) -> None:
        self._on_change = on_change
        self._settings = Adjust(strength_db=NO_LIMIT_DB)
        self.strength_db: float | None = None  # as requested

    def limit_attenuation(self, strength_db: float | None) -> None:
        """Limit the attenuation, in dB; None: no limit. Takes effect within 100 ms."""
        self.strength_db = strength_db
        self._set(replace(self._settings, strength_db=NO_LIMIT_DB if strength_db is None else strength_db))

    def expect_loss(self, loss_percent: int) -> None:
        """Set the loss of the denoised voice's listeners, 0 to 100: above 0 its packets carry FEC."""
        self._set(replace(self._settings, loss_percent=loss_percent))

    def set_complexity(self, complexity: int) -> None:
        """Set the complexity of the Opus encoder, 0 to 10."""
        self._set(replace(self._settings, complexity=complexity))

    def _set(self, settings: Adjust) -> None:
        if settings != self._settings:
            self._settings = settings
            self._on_change(settings)


class Handover:
    """Owns at most two runs and the task that starts one.

    packet: called with each denoised packet of the run that serves. on_change: called when a run has started, taken over or ended.
    The first run serves as soon as it is ready. A later one is fed beside it until it is primed, and takes over with a packet;
    if the serving run dies before that, the new one serves at once.
    """

    def __init__(
        self,
        make: Make,
        packet: Callable[[Packet], None],
        on_change: Callable[[], None],
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.serving: WorkerRun | None = None
        self.concealed = 0  # packets, by runs that have ended
        self.events: Counter[str] = Counter()  # how often each of EVENTS was; `restarted`: begun after a failure
        self._failed = False  # since the last run was begun
        self._make = make
        self._packet = packet
        self._on_change = on_change
        self._clock_ns = clock_ns
        self._settings = Adjust()
        self._coming: WorkerRun | None = None
        self._coming_since_ns = 0
        self._primed_samples = 0
        self._starting: asyncio.Task[WorkerRun] | None = None
        self._starting_denoiser = ""
        self._open: dict[WorkerRun, AsyncExitStack] = {}  # the started runs that are not closed yet
        self._leaving: list[WorkerRun] = []

    @property
    def coming(self) -> str | None:
        """The denoiser of the run that starts or is being primed."""
        return self._starting_denoiser if self._starting is not None else self._coming.denoiser if self._coming is not None else None

    def begin(self, denoiser: str) -> None:
        """Start a run; `settle` reports failure."""
        assert self.coming is None
        self.events["restarted"] += self._failed
        self._failed = False
        self._starting_denoiser = denoiser
        self._starting = asyncio.create_task(self._opened(denoiser), name=f"starting {denoiser}")
        self._starting.add_done_callback(lambda _: self._on_change())

    async def _opened(self, denoiser: str) -> WorkerRun:
        run = self._make(denoiser, lambda packet: self._came(run, packet))
        stack = AsyncExitStack()
        await stack.enter_async_context(run)
        self._open[run] = stack
        self.events["started"] += 1
        run.ended.add_done_callback(lambda _: self._on_change())
        return run

    async def settle(self) -> list[WorkerError]:
        """Close the runs that have ended and accept the one that has started. Returns the failures since the last call."""
        failures = self._received()
        for run in filter(None, (self.serving, self._coming)):
            if run.ended.done():
                error = run.ended.exception()
                failures += [error] if isinstance(error, WorkerError) else []
                self._leave(run)
        self.events["failed"] += len(failures)
        self._failed = self._failed or bool(failures)
        await self._close_leaving()
        return failures

    async def _close_leaving(self) -> None:
        """Close every run that no longer serves. A run stays listed until it is closed, so that a cancelled call can be repeated."""
        while self._leaving:
            await self._open[self._leaving[0]].aclose()
            del self._open[self._leaving.pop(0)]

    def _received(self) -> list[WorkerError]:
        if self._starting is None or not self._starting.done():
            return []
        started, self._starting = self._starting, None
        try:
            run = started.result()
        except WorkerError as error:
            return [error]
        run.adjust(self._settings)
        if self.serving is None:
            self.serving = run
        else:
            self._coming, self._coming_since_ns, self._primed_samples = run, self._clock_ns(), 0
        return []

    def _leave(self, run: WorkerRun) -> None:
        """Stop feeding and hearing this run."""
        self._leaving.append(run)
        self.concealed += run.stats.concealed if run.stats else 0
        if run is self.serving:
            self.serving, self._coming = self._coming, None
        else:
            self._coming = None

    async def give_up_coming(self) -> None:
        """Close the run that was to take over."""
        if self._coming is not None:
            self._leave(self._coming)
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait({self._starting})  # `_starting` stays set until then: if this is cancelled, `close` waits again
            starting, self._starting = self._starting, None
            if not starting.cancelled() and starting.exception() is None:
                self._leaving.append(starting.result())
        await self._close_leaving()

    async def close(self) -> None:
        """Close every run. Idempotent."""
        await self.give_up_coming()
        if self.serving is not None:
            self._leave(self.serving)
        await self._close_leaving()

    # packets

    def put(self, packet: Packet) -> None:
        """Feed both runs."""
        if self.serving is not None:
            self.serving.put(packet)
        if self._coming is not None:
            self._coming.put(packet)

    def _came(self, run: WorkerRun, packet: Packet) -> None:
        if run is self._coming:
            self._primed_samples += packet.samples
            if self._primed_samples >= PRIMED_SAMPLES:
                self._take_over()
        if run is self.serving:
            self._packet(packet)

    def _take_over(self) -> None:
        old = self.serving
        assert old is not None
        self._leave(old)
        self._on_change()

    # settings and time

    def tell(self, settings: Adjust) -> None:
        """Send all settings to the present runs, and to each later one when it starts."""
        self._settings = settings
        for run in filter(None, (self.serving, self._coming)):
            run.adjust(settings)

    def check(self, now_ns: int, standstill_end_ns: int = 0) -> None:
        """Called ten times a second. standstill_end_ns: the end of the last standstill of this process."""
        for run in filter(None, (self.serving, self._coming)):
            run.check(now_ns, standstill_end_ns)
        if self._coming is not None and now_ns - self._coming_since_ns > PRIMED_NS:
            self._take_over()
