"""One timer for the earliest of many deadlines."""

import asyncio
from collections.abc import Callable
from typing import Protocol


class Cancellable(Protocol):
    def cancel(self) -> None: ...


CallAt = Callable[[float, Callable[[], None]], Cancellable]

_STEP_NS = 1_000_000  # uvloop counts whole milliseconds and rounds to the nearest: a deadline between two would ring early, again and again


class DeadlineTimer:
    """Calls `ring` once the deadline set last has passed, or in vain: `ring` looks at the clock and sets the next one.

    Most deadlines of sound pass unused, because the packet comes first. So the timer moves with them: to move it costs a few
    microseconds, to wake up for nothing many times that.
    It rings up to a millisecond late. call_at: `loop.call_at` of the running loop unless a test brings its own; its seconds are
    those of time.monotonic(), in whole milliseconds.
    Owned by whoever rings; `close` cancels.
    """

    def __init__(self, ring: Callable[[], None], call_at: CallAt | None = None) -> None:
        self._ring = ring
        self._call_at = call_at
        self._timer: Cancellable | None = None
        self._at_ns = 0
        self._closed = False

    def set(self, deadline_ns: int | None) -> None:
        """The earliest deadline now (time.monotonic_ns), or None: nothing is due."""
        if deadline_ns is None or self._closed or (self._timer is not None and self._at_ns == deadline_ns):
            return
        if self._timer is not None:
            self._timer.cancel()
        if self._call_at is None:
            self._call_at = asyncio.get_running_loop().call_at
        self._at_ns = deadline_ns
        self._timer = self._call_at(-(-deadline_ns // _STEP_NS) / 1e3, self._fire)

    def close(self) -> None:
        """Never rings again."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer = None
        if not self._closed:
            self._ring()
