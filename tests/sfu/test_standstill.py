"""A standstill is noticed before a time-out counts it. Blocking sleeps hold the loop."""

import asyncio
import time

import pytest

from sfu.standstill import BEAT_S, STILL_NS, StandstillDetector

HELD_S = STILL_NS / 1e9 + BEAT_S + 0.1


@pytest.mark.tolerates("loop")
async def test_a_standstill_is_noticed_by_whoever_asks_first() -> None:
    """The first look after a standstill notices it, before any timer of the loop; later looks return the same."""
    with StandstillDetector() as standstill:
        began_ns = time.monotonic_ns()
        assert standstill.check() == 0 == standstill.ended_ns
        time.sleep(HELD_S)
        assert time.monotonic_ns() > standstill.overdue_ns
        ended_ns = standstill.check()
        assert ended_ns > began_ns + STILL_NS and standstill.ended_ns == ended_ns < standstill.settled_ns
        assert standstill.check() == ended_ns


async def test_time_that_passes_is_no_standstill() -> None:
    """Nothing is noticed while the loop runs, before it is entered, or after it is left."""
    with StandstillDetector() as standstill:
        noticed = asyncio.get_running_loop().time() + HELD_S
        while asyncio.get_running_loop().time() < noticed:
            before_ns = time.monotonic_ns()
            await asyncio.sleep(0.01)
            if time.monotonic_ns() - before_ns > STILL_NS / 3:
                return  # this machine did stand still
        assert standstill.check() == 0
    idle = StandstillDetector()
    assert idle.check() == standstill.check() == 0 and time.monotonic_ns() < min(idle.overdue_ns, standstill.overdue_ns)


@pytest.mark.tolerates("loop")
async def test_a_delay_begins_anew_after_a_standstill() -> None:
    """A timer and a time-out start again; what happens within the new delay is in time."""
    with StandstillDetector() as standstill:
        rung: list[float] = []
        deadline = standstill.call_later(0.3, lambda: rung.append(time.monotonic()))
        cancelled = standstill.call_later(0.3, lambda: rung.append(0.0))
        cancelled.cancel()
        reading = asyncio.Event()
        with pytest.raises(TimeoutError):
            async with standstill.timeout(0.3):
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
        async with standstill.timeout(60):
            pass
