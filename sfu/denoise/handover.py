"""The worker that serves and the one that shall follow it: both are fed, one is heard, and nobody hears the change."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from sfu.denoise.worker_run import WorkerRun
from sfu.errors import WorkerError
from workers.link.control import Adjust
from workers.link.ring import Packet

PRIMED_SAMPLES = 9600  # what a worker has given back before it takes over: its model and its encoder have heard the voice by then
PRIMED_S = 1.0  # where hardly anything is said, this is long enough


class Make(Protocol):
    """Makes a run of a denoiser whose packets go to `packet`."""

    def __call__(self, denoiser: str, packet: Callable[[Packet], None]) -> WorkerRun: ...


class Handover:
    """Owns at most two runs and the task that starts one. `news` is called when a run is there, has taken over, or has ended.

    packet: gets the denoised packets of the run that serves.   The first one serves as soon as it is ready; a later one is fed
    beside it until it is primed, and takes over with a packet; if the one that serves dies, the other steps in at once.
    """

    def __init__(self, make: Make, packet: Callable[[Packet], None], news: Callable[[], None]) -> None:
        self.serving: WorkerRun | None = None
        self.concealed = 0  # by runs that have ended
        self._make = make
        self._packet = packet
        self._news = news
        self._settings = Adjust()
        self._coming: WorkerRun | None = None
        self._coming_since = 0.0
        self._primed_samples = 0
        self._starting: asyncio.Task[WorkerRun] | None = None
        self._starts = ""
        self._leaving: list[WorkerRun] = []

    @property
    def coming(self) -> str | None:
        """The denoiser of the run that starts or is being primed."""
        return self._starts if self._starting is not None else self._coming.denoiser if self._coming is not None else None

    def begin(self, denoiser: str) -> None:
        """Start a run; `settle` says what became of it."""
        assert self.coming is None
        self._starts = denoiser
        self._starting = asyncio.create_task(self._opened(denoiser), name=f"starting {denoiser}")
        self._starting.add_done_callback(lambda _: self._news())

    async def _opened(self, denoiser: str) -> WorkerRun:
        run = self._make(denoiser, lambda packet: self._came(run, packet))
        await run.__aenter__()
        run.ended.add_done_callback(lambda _: self._news())
        return run

    async def settle(self) -> list[WorkerError]:
        """Bury what has ended, receive what has started; the failures since the last time. Whoever serves next serves at once."""
        failures = self._received()
        for run in filter(None, (self.serving, self._coming)):
            if run.ended.done():
                error = run.ended.exception()
                failures += [error] if isinstance(error, WorkerError) else []
                self._leave(run)
        await self._bury()
        return failures

    async def _bury(self) -> None:
        """None of those that have left is left when this returns."""
        while self._leaving:
            await self._leaving[0].__aexit__(None, None, None)
            del self._leaving[0]

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
            self._coming, self._coming_since, self._primed_samples = run, time.monotonic(), 0
        return []

    def _leave(self, run: WorkerRun) -> None:
        """Nothing of it is heard or fed from now on."""
        self._leaving.append(run)
        self.concealed += run.stats.concealed if run.stats else 0
        if run is self.serving:
            self.serving, self._coming = self._coming, None
        else:
            self._coming = None

    async def give_up_coming(self) -> None:
        """Let go the run that was to take over."""
        if self._coming is not None:
            self._leave(self._coming)
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait({self._starting})  # it is known until it is over: who is cancelled here closes next
            starting, self._starting = self._starting, None
            if not starting.cancelled() and starting.exception() is None:
                self._leaving.append(starting.result())
        await self._bury()

    async def close(self) -> None:
        """No run is left. Idempotent."""
        await self.give_up_coming()
        if self.serving is not None:
            self._leave(self.serving)
        await self._bury()

    # the sound

    def put(self, packet: Packet) -> None:
        """Feed both."""
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
        self._news()

    # settings and time

    def tell(self, settings: Adjust) -> None:
        """Settings for every run there is and will be; `settings` is all of them."""
        self._settings = settings
        for run in filter(None, (self.serving, self._coming)):
            run.adjust(settings)

    def check(self, now_ns: int, awake_ns: int = 0) -> None:
        for run in filter(None, (self.serving, self._coming)):
            run.check(now_ns, awake_ns)
        if self._coming is not None and time.monotonic() - self._coming_since > PRIMED_S:
            self._take_over()
