"""Time that this process stood still (SIGSTOP, a virtual machine's snapshot, no processor at all) is nobody's silence.

When it goes on, every limit seems to have been passed, while the proof that all are there waits in the sockets, unread. So
whoever judges a silence counts it from the end of the last standstill at the earliest: `max(heard, awake.look())`.
"""

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType

logger = logging.getLogger(__name__)

BEAT_S = 0.4  # each beat wakes the loop, which costs a tenth of a millisecond where nothing else does
SETTLES_NS = 2_000_000_000
STILL_NS = 900_000_000  # without a beat: it did not run; less than the shortest limit that is judged, the second of a worker


class Awake:
    """One process's. Notices nothing until it is entered: it then looks at the clock by itself, BEAT_S apart, and whenever asked."""

    def __init__(self) -> None:
        self.since_ns = 0  # the end of the last standstill (time.monotonic_ns); 0: there was none
        self.settled_ns = 0  # by then all that has waited for its end has been read
        self.due_ns = sys.maxsize  # it stands still if nobody has looked by then
        self._seen_ns = 0
        self._beat: asyncio.TimerHandle | None = None

    def __enter__(self) -> "Awake":
        self._seen_ns = time.monotonic_ns()
        self._again()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._beat is not None:
            self._beat.cancel()
            self._beat = None
        self.due_ns = sys.maxsize

    def look(self) -> int:
        """`since_ns`, as it is at this very moment: timers may ring before the socket is read that shows them wrong."""
        now_ns = time.monotonic_ns()
        if now_ns > self.due_ns:
            self.since_ns, self.settled_ns = now_ns, now_ns + SETTLES_NS
            logger.warning("stood still for %.1f s; nobody is judged by that time", (now_ns - self._seen_ns) / 1e9)
        if self._beat is not None:
            self._seen_ns, self.due_ns = now_ns, now_ns + STILL_NS
        return self.since_ns

    def _again(self) -> None:
        self._beat = asyncio.get_running_loop().call_later(BEAT_S, self._again)
        self.look()

    def call_later(self, delay_s: float, then: Callable[[], None]) -> "Deadline":
        """As the loop's, but a standstill begins the delay anew."""
        return Deadline(self, delay_s, then)

    @asynccontextmanager
    async def timeout(self, delay_s: float) -> AsyncIterator[None]:
        """As asyncio's, but a standstill begins the delay anew. Raises TimeoutError."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(None) as inside:
            deadline = self.call_later(delay_s, lambda: inside.reschedule(loop.time()))
            try:
                yield
            finally:
                deadline.cancel()


class Deadline:
    """A timer of `Awake.call_later`; owned by whoever asked for it."""

    def __init__(self, awake: Awake, delay_s: float, then: Callable[[], None]) -> None:
        self._awake, self._then = awake, then
        self._delay_s = delay_s
        self._set_ns = time.monotonic_ns()
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._ring)

    def cancel(self) -> None:
        """Idempotent."""
        self._timer.cancel()

    def _ring(self) -> None:
        since_ns = self._awake.look()
        if since_ns <= self._set_ns:
            self._then()
            return
        self._set_ns = since_ns
        left_s = max(self._delay_s - (time.monotonic_ns() - since_ns) / 1e9, 0.0)
        self._timer = asyncio.get_running_loop().call_later(left_s, self._ring)
