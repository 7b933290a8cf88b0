"""Notices that this process did not run for a while (SIGSTOP, a snapshot of the virtual machine, no CPU time).

After a standstill all time-outs seem to have passed, while the packets that would prevent that wait unread in the sockets. So who
measures a silence counts it from the end of the last standstill at the earliest: `max(heard_ns, standstill.check())`.
"""

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType

logger = logging.getLogger(__name__)

BEAT_S = 0.4  # between two looks at the clock; each wakes the loop, which takes 0.1 ms on an idle server
SETTLES_NS = 2_000_000_000  # after a standstill, until what had waited in the sockets has been read
STILL_NS = 900_000_000  # without a look at the clock: a standstill; less than the shortest time-out, which is a worker's second


class StandstillDetector:
    """One for a process. While entered it looks at the clock every BEAT_S, and whenever it is asked; else it notices nothing."""

    def __init__(self) -> None:
        self.ended_ns = 0  # the end of the last standstill (time.monotonic_ns); 0: there was none
        self.settled_ns = 0  # until then packets may be read that waited during the standstill
        self.overdue_ns = sys.maxsize  # if the clock shows more than this, there was a standstill
        self._seen_ns = 0
        self._beat: asyncio.TimerHandle | None = None

    def __enter__(self) -> "StandstillDetector":
        self._seen_ns = time.monotonic_ns()
        self._again()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._beat is not None:
            self._beat.cancel()
            self._beat = None
        self.overdue_ns = sys.maxsize

    def check(self) -> int:
        """Look at the clock and return `ended_ns`. Ask this in a timer: it may fire before the beat has noticed a standstill."""
        now_ns = time.monotonic_ns()
        if now_ns > self.overdue_ns:
            self.ended_ns, self.settled_ns = now_ns, now_ns + SETTLES_NS
            logger.warning("stood still for %.1f s; no time-out counts that time", (now_ns - self._seen_ns) / 1e9)
        if self._beat is not None:
            self._seen_ns, self.overdue_ns = now_ns, now_ns + STILL_NS
        return self.ended_ns

    def _again(self) -> None:
        self._beat = asyncio.get_running_loop().call_later(BEAT_S, self._again)
        self.check()

    def call_later(self, delay_s: float, then: Callable[[], None]) -> "Deadline":
        """As the loop's, but the delay starts again after a standstill."""
        return Deadline(self, delay_s, then)

    @asynccontextmanager
    async def timeout(self, delay_s: float) -> AsyncIterator[None]:
        """As asyncio's, but the delay starts again after a standstill. Raises TimeoutError."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(None) as inside:
            deadline = self.call_later(delay_s, lambda: inside.reschedule(loop.time()))
            try:
                yield
            finally:
                deadline.cancel()


class Deadline:
    """A timer of `StandstillDetector.call_later`; its caller owns it."""

    def __init__(self, standstill: StandstillDetector, delay_s: float, then: Callable[[], None]) -> None:
        self._standstill, self._then = standstill, then
        self._delay_s = delay_s
        self._set_ns = time.monotonic_ns()
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._ring)

    def cancel(self) -> None:
        """Idempotent."""
        self._timer.cancel()

    def _ring(self) -> None:
        ended_ns = self._standstill.check()
        if ended_ns <= self._set_ns:
            self._then()
            return
        self._set_ns = ended_ns
        left_s = max(self._delay_s - (time.monotonic_ns() - ended_ns) / 1e9, 0.0)
        self._timer = asyncio.get_running_loop().call_later(left_s, self._ring)
