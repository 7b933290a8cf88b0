"""One timer for the earliest of many deadlines."""

import asyncio
from collections.abc import Callable
from typing import Protocol


class Cancellable(Protocol):
    def cancel(self) -> None: ...


CallAt = Callable[[float, Callable[[], None]], Cancellable]

# uvloop rounds times to the nearest millisecond, so a deadline between two would fire early, several times. It is rounded up here.
_RESOLUTION_NS = 1_000_000


class DeadlineTimer:
    """Calls `on_due` up to a millisecond after the deadline that was set last.

    It may fire with nothing due, because `set(None)` does not cancel it: `on_due` reads the clock and sets the next deadline.
    `set` moves the timer each time. Most packets come before their deadline, and to move a timer costs a few microseconds, to
    wake up for nothing many times that. `close` cancels it.
    """

    def __init__(self, on_due: Callable[[], None], call_at: CallAt | None = None) -> None:
        """call_at: as `loop.call_at` of the running loop, which is the default; its times are whole milliseconds of time.monotonic()."""
        self._on_due = on_due
        self._call_at = call_at
        self._timer: Cancellable | None = None
        self._at_ns = 0
        self._closed = False

    def set(self, deadline_ns: int | None) -> None:
        """deadline_ns: the earliest one (time.monotonic_ns), or None where there is none."""
        if deadline_ns is None or self._closed or (self._timer is not None and self._at_ns == deadline_ns):
            return
        if self._timer is not None:
            self._timer.cancel()
        if self._call_at is None:
            self._call_at = asyncio.get_running_loop().call_at
        self._at_ns = deadline_ns
        self._timer = self._call_at(-(-deadline_ns // _RESOLUTION_NS) / 1e3, self._fire)

    def close(self) -> None:
        """Cancel. `on_due` is not called any more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer = None
        if not self._closed:
            self._on_due()
