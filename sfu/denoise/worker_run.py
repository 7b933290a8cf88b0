"""A worker as the server sees it: two rings, two bells, one process. Runs once and is never restarted."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from types import TracebackType

from sfu.errors import DidNotStart, Died, TooSlow, WorkerError
from sfu.rolling_quantiles import RollingQuantiles
from workers.errors import WorkerFailed
from workers.link.bell import Bell
from workers.link.control import Adjust, Message, Ready, Stats, WorkerFailure
from workers.link.forkserver import Forkserver, Worker
from workers.link.ring import Flag, Packet, Ring

START_S = 5.0  # timeout for READY of a forked worker, which usually takes milliseconds
COLD_START_S = 60.0  # timeout where it cannot be forked and has to load libraries and the model first
HUNG_NS = 1_000_000_000  # input without output for this long means that it hangs
SLOTS = 256  # packets in a ring: five seconds at 20 ms

GetForkserver = Callable[[], Awaitable[Forkserver]]


class WorkerRun:
    """One run of one worker. Owns both rings, both bells and the worker; `ended` is set when it ends, with a WorkerError if it failed.

    `packet` is called on the loop with each denoised packet. After `__aexit__` neither the process nor a mapping is left.
    """

    def __init__(
        self,
        get_forkserver: GetForkserver,
        denoiser: str,
        options: Mapping[str, object],
        packet: Callable[[Packet], None],
        least_samples: int = 0,
    ) -> None:
        """least_samples: the delay of the hold in samples, to which a denoiser with less delay is padded."""
        self.denoiser = denoiser  # the present one
        self.takes: tuple[str, ...] = ()  # the denoisers that `change` accepts
        self.delay_samples = 0  # the whole delay, padded to whole packets; known after READY
        self.stats: Stats | None = None
        self.stage_ms = RollingQuantiles()  # from ring to ring; without packets that waited for one that did not come
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended.add_done_callback(_seen)  # nobody reads the result of a run that did not start
        self._get_forkserver = get_forkserver
        self._options = options
        self._packet = packet
        self._least_samples = least_samples
        self._owed_since_ns: int | None = None  # when the oldest unanswered packet was put
        self._closing = AsyncExitStack()

    async def __aenter__(self) -> "WorkerRun":
        try:
            async with AsyncExitStack() as opening:
                self._noisy = opening.enter_context(Ring.create(SLOTS))
                self._clean = opening.enter_context(Ring.create(SLOTS))
                self._noisy_bell = opening.enter_context(Bell.create())
                self._clean_bell = opening.enter_context(Bell.create())
                self._worker = await self._started(opening)
                asyncio.get_running_loop().add_reader(self._clean_bell.fileno(), self._drain)
                opening.callback(asyncio.get_running_loop().remove_reader, self._clean_bell.fileno())
                self._closing = opening.pop_all()
        except (WorkerFailed, OSError) as failure:
            raise DidNotStart(str(failure)) from failure
        return self

    async def _started(self, opening: AsyncExitStack) -> Worker:
        forkserver = await self._get_forkserver()
        await forkserver.load(self.denoiser, self._options)
        rings = (self._noisy, self._noisy_bell, self._clean, self._clean_bell)
        worker = await forkserver.spawn(self.denoiser, self._options, *rings, delay=self._least_samples)
        opening.push_async_callback(worker.close)
        worker.on_message(self._received)
        worker.on_end(self._ended)
        ready: Ready = await worker.ready(COLD_START_S if worker.loading else START_S)
        self.delay_samples, self.takes = ready.delay, ready.takes
        return worker

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)
        await self._closing.aclose()

    @property
    def pid(self) -> int:
        return self._worker.pid

    @property
    def lost(self) -> int:
        """Packets that did not fit into a ring or were overwritten before they were read."""
        return self._noisy.dropped + self._noisy.skipped + self._clean.dropped + self._clean.skipped

    def delay_ms(self, now_ns: int) -> float:
        """How long the oldest packet has waited for the worker."""
        return self._noisy.delay_ms(now_ns)

    @property
    def skipped(self) -> int:
        """Packets that the worker skipped because it was late."""
        return self._noisy.skipped

    def put(self, packet: Packet) -> None:
        """Pass one packet to the worker. Never blocks: a full ring drops and counts it."""
        if self.ended.done():
            return
        self._noisy.put(packet)
        self._noisy_bell.ring()
        if self._owed_since_ns is None:
            self._owed_since_ns = time.monotonic_ns()

    def adjust(self, change: Adjust) -> None:
        """Send new settings to the worker; they take effect with its next packet."""
        if not self.ended.done():
            self._worker.send(change)

    def change(self, denoiser: str, delay_samples: int) -> None:
        """Change to one of `takes`, cross-faded, within 100 ms. delay_samples: that denoiser's delay; the run's delay never shrinks."""
        assert denoiser in self.takes
        self.denoiser = denoiser
        self.delay_samples = max(self.delay_samples, delay_samples)
        self.adjust(Adjust(denoiser=denoiser))

    def check(self, now_ns: int, standstill_end_ns: int = 0) -> None:
        """Declare the worker hung when input has waited for a second. Called by the broadcast's ticker.

        standstill_end_ns: the end of the last standstill of this process, before which it could not read the worker's answer.
        """
        if self._owed_since_ns is not None and now_ns - max(self._owed_since_ns, standstill_end_ns) > HUNG_NS:
            self._worker.kill()
            self._fail(TooSlow(f"{self.denoiser} answered nothing for a second"))

    def _drain(self) -> None:
        for packet in self._clean.take_all(self._clean_bell):
            self._owed_since_ns = None
            if not packet.flags & Flag.FLUSHED:
                self.stage_ms.add((time.monotonic_ns() - packet.arrival_ns) / 1e6)
            self._packet(packet)

    def _received(self, message: Message) -> None:
        if isinstance(message, Stats):
            self.stats = message
        elif isinstance(message, WorkerFailure):
            self._fail(Died(f"{self.denoiser}: {message.reason}: {message.text}"))

    def _ended(self) -> None:
        if not self.ended.done():
            self._drain()  # what it has finished is still valid
        self._fail(Died(f"the worker of {self.denoiser} ended"))

    def _fail(self, error: WorkerError) -> None:
        if not self.ended.done():
            self.ended.set_exception(error)


def _seen(ended: asyncio.Future[None]) -> None:
    """Mark the exception as retrieved, so that asyncio does not report it."""
    if not ended.cancelled():
        ended.exception()
