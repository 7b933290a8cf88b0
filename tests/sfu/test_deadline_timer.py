"""One timer for many deadlines; quantiles over the newest measurements."""

import asyncio
import time
from collections.abc import Callable

import uvloop
from hypothesis import given
from hypothesis import strategies as some

from sfu.deadline_timer import DeadlineTimer
from sfu.rolling_quantiles import RollingQuantiles

uvloop.new_event_loop().close()  # the first one opens a pipe that stays as long as the process


class Clock:
    """A `call_at` that keeps what it is asked for."""

    def __init__(self) -> None:
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.cancelled = 0

    def call_at(self, at_s: float, on_due: Callable[[], None]) -> "Clock":
        self.timers.append((at_s, on_due))
        return self

    def cancel(self) -> None:
        self.cancelled += 1


def test_the_timer_moves_with_the_deadline() -> None:
    """An earlier or later deadline moves the timer, the same one does not; None leaves the timer as it is."""
    clock, fired = Clock(), []
    timer = DeadlineTimer(lambda: fired.append(1), clock.call_at)
    for deadline_ns in (50, 50, None, 60, 60):
        timer.set(deadline_ns)
    assert (len(clock.timers), clock.cancelled) == (2, 1)
    timer.set(40)
    assert (len(clock.timers), clock.cancelled) == (3, 2)
    clock.timers[-1][1]()
    assert fired == [1]


def test_a_closed_timer_never_fires() -> None:
    """`close` cancels the timer, and no other is made after it."""
    clock, fired = Clock(), []
    timer = DeadlineTimer(lambda: fired.append(1), clock.call_at)
    timer.set(50)
    timer.close()
    timer.close()
    timer.set(10)
    clock.timers[0][1]()
    assert clock.cancelled == 1 and len(clock.timers) == 1 and not fired


async def test_fires_on_the_loop() -> None:
    """On a real loop it fires after its deadline, not before."""
    fired: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    timer = DeadlineTimer(lambda: fired.set_result(time.monotonic_ns()))
    deadline_ns = time.monotonic_ns() + 5_000_000
    timer.set(deadline_ns)
    assert await fired >= deadline_ns
    timer.close()


def test_a_deadline_fires_once_on_uvloop() -> None:
    """A deadline between two milliseconds fires once, wherever it lies."""

    async def fire_count(wait_ns: int) -> int:
        deadline_ns, count, over = time.monotonic_ns() + wait_ns, 0, asyncio.Event()

        def on_due() -> None:
            nonlocal count
            count += 1
            over.set() if time.monotonic_ns() >= deadline_ns else timer.set(deadline_ns)

        timer = DeadlineTimer(on_due)
        timer.set(deadline_ns)
        await over.wait()
        timer.close()
        return count

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert [runner.run(fire_count(3_000_000 + 170_000 * step)) for step in range(12)] == [1] * 12


@given(some.lists(some.floats(0, 1000), max_size=60))
def test_quantiles_are_of_the_newest(values: list[float]) -> None:
    """Both quantiles are those of the newest values, and 0.0 where there are none."""
    measured = RollingQuantiles(20)
    for value in values:
        measured.add(value)
    newest = sorted(values[-20:])
    assert measured.p50 == (newest[len(newest) // 2] if newest else 0.0)
    assert measured.p99 == (newest[-1] if newest else 0.0)
