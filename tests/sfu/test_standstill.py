"""A standstill is noticed before anybody judges by it. The loop is held by a sleep that is none of its own."""

import asyncio
import time

import pytest

from sfu.standstill import BEAT_S, STILL_NS, Awake

HELD_S = STILL_NS / 1e9 + BEAT_S + 0.1


@pytest.mark.tolerates("loop")
async def test_a_standstill_is_noticed_by_whoever_asks_first() -> None:
    """At once, however the loop has ordered its timers; and once only."""
    with Awake() as awake:
        began_ns = time.monotonic_ns()
        assert awake.look() == 0 == awake.since_ns
        time.sleep(HELD_S)
        assert time.monotonic_ns() > awake.due_ns
        since_ns = awake.look()
        assert since_ns > began_ns + STILL_NS and awake.since_ns == since_ns < awake.settled_ns
        assert awake.look() == since_ns


async def test_time_that_passes_is_no_standstill() -> None:
    """While its own timer beats, and before it is entered and after."""
    with Awake() as awake:
        noticed = asyncio.get_running_loop().time() + HELD_S
        while asyncio.get_running_loop().time() < noticed:
            before_ns = time.monotonic_ns()
            await asyncio.sleep(0.01)
            if time.monotonic_ns() - before_ns > STILL_NS / 3:
                return  # this machine did stand still
        assert awake.look() == 0
    idle = Awake()
    assert idle.look() == awake.look() == 0 and time.monotonic_ns() < min(idle.due_ns, awake.due_ns)


@pytest.mark.tolerates("loop")
async def test_a_delay_begins_anew_after_a_standstill() -> None:
    """Of a timer and of a time-out; what comes meanwhile is still in time."""
    with Awake() as awake:
        rung: list[float] = []
        deadline = awake.call_later(0.3, lambda: rung.append(time.monotonic()))
        cancelled = awake.call_later(0.3, lambda: rung.append(0.0))
        cancelled.cancel()
        reading = asyncio.Event()
        with pytest.raises(TimeoutError):
            async with awake.timeout(0.3):
                time.sleep(HELD_S)
                ended = time.monotonic()
                asyncio.get_running_loop().call_later(0.1, reading.set)
                await reading.wait()
                await asyncio.sleep(60)
        assert time.monotonic() - ended > 0.25
        while not rung:
            await asyncio.sleep(0.01)
        assert rung[0] - ended > 0.25 and len(rung) == 1
        deadline.cancel()
        async with awake.timeout(60):
            pass
