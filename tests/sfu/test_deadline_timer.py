"""One timer for many deadlines, and the window that measurements are kept in."""

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
    """Keeps the timers that were asked for."""

    def __init__(self) -> None:
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.cancelled = 0

    def call_at(self, at_s: float, ring: Callable[[], None]) -> "Clock":
        self.timers.append((at_s, ring))
        return self

    def cancel(self) -> None:
        self.cancelled += 1


def test_the_timer_moves_with_the_deadline() -> None:
    """An earlier and a later deadline move the timer, the same one does not; none at all leaves it to ring in vain."""
    clock, rung = Clock(), []
    alarm = DeadlineTimer(lambda: rung.append(1), clock.call_at)
    for deadline_ns in (50, 50, None, 60, 60):
        alarm.set(deadline_ns)
    assert (len(clock.timers), clock.cancelled) == (2, 1)
    alarm.set(40)
    assert (len(clock.timers), clock.cancelled) == (3, 2)
    clock.timers[-1][1]()
    assert rung == [1]


def test_closed_alarm_never_rings() -> None:
    """After close the timer is cancelled, and another is not made."""
    clock, rung = Clock(), []
    alarm = DeadlineTimer(lambda: rung.append(1), clock.call_at)
    alarm.set(50)
    alarm.close()
    alarm.close()
    alarm.set(10)
    clock.timers[0][1]()
    assert clock.cancelled == 1 and len(clock.timers) == 1 and not rung


async def test_rings_on_the_loop() -> None:
    """On a real loop it rings after its deadline, not before."""
    rung: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    alarm = DeadlineTimer(lambda: rung.set_result(time.monotonic_ns()))
    deadline_ns = time.monotonic_ns() + 5_000_000
    alarm.set(deadline_ns)
    assert await rung >= deadline_ns
    alarm.close()


def test_a_deadline_rings_once_on_the_loop_that_serves() -> None:
    """Wherever between two of its milliseconds the deadline lies."""

    async def rings(wait_ns: int) -> int:
        deadline_ns, count, over = time.monotonic_ns() + wait_ns, 0, asyncio.Event()

        def ring() -> None:
            nonlocal count
            count += 1
            over.set() if time.monotonic_ns() >= deadline_ns else alarm.set(deadline_ns)

        alarm = DeadlineTimer(ring)
        alarm.set(deadline_ns)
        await over.wait()
        alarm.close()
        return count

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert [runner.run(rings(3_000_000 + 170_000 * step)) for step in range(12)] == [1] * 12


@given(some.lists(some.floats(0, 1000), max_size=60))
def test_quantiles_are_of_the_newest(values: list[float]) -> None:
    """Median and worst are those of the newest values, and zero of none."""
    measured = RollingQuantiles(20)
    for value in values:
        measured.add(value)
    newest = sorted(values[-20:])
    assert measured.p50 == (newest[len(newest) // 2] if newest else 0.0)
    assert measured.p99 == (newest[-1] if newest else 0.0)
