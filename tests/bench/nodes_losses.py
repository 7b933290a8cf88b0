"""Part of bench nodes: silence at a listener whose page comes back by itself, when something is killed."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from tests.bench import meters
from tests.bench.nodes_house import House
from tests.bench.nodes_restarts import Length
from tests.support.returning import Page

CALM_PACKETS = 100
AWAY_S = 5.0  # Redis and PostgreSQL
TICK_S = 0.01


class Lateness:
    """How late this process' own loop was: so long a silence says nothing of the servers. Owns a task."""

    def __init__(self) -> None:
        self.worst_s = 0.0
        self._task = asyncio.create_task(self._watch(), name="lateness")

    async def _watch(self) -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(TICK_S)
            self.worst_s = max(self.worst_s, time.monotonic() - began - TICK_S)

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@asynccontextmanager
async def _pages(house: House, record: int = 0) -> AsyncIterator[tuple[Page, list[Page]]]:
    """alice's, and two of bob's; their sockets and offers go to both servers in turn."""
    pair = house.pair
    async with AsyncExitStack() as opened:
        mouth = await opened.enter_async_context(Page(pair.alice, "alice", pair.urls, f"?denoise=0&record={record}").open())
        await pair.bob.until("alice", live=True)
        ears = [await opened.enter_async_context(Page(pair.bob, "alice", urls).open()) for urls in (pair.urls, pair.urls[::-1])]
        for ear in ears:
            await ear.heard(CALM_PACKETS)
        yield mouth, ears
    if not record:
        await pair.alice.call("POST", "/api/stream/stop")


async def owner_killed(house: House, times: int) -> tuple[list[float], float]:
    """Seconds of silence at the listener who waits longest, for each death; and by how many seconds for each death the recording is not as
    long as the broadcast was. Whoever was killed is started again.
    """
    pair, found = house.pair, []
    async with _pages(house, record=1) as (mouth, ears):
        length = await Length.of(pair.alice, "alice")
        for _ in range(times):
            owner = pair.with_broadcast(mouth.location)
            before, at_ns = [ear.connections for ear in ears], time.monotonic_ns()
            owner.kill()
            found.append(max(await asyncio.gather(*(ear.heard_anew(at_ns, count) for ear, count in zip(ears, before, strict=True)))))
            with meters.pinned(house.cores.server):
                await owner.start()
            await pair.know_each_other()
            for ear in ears:
                await ear.heard(CALM_PACKETS)
        off_s = await length.off_s(pair.alice)
    return found, off_s / times


@dataclass
class Away:
    """What came of times without Redis, or without PostgreSQL."""

    silences_s: list[float] = field(default_factory=list)  # the longest at a listener, each time
    lost: int = 0  # packets
    late_s: float = 0.0  # of this process, at worst


async def redis_killed(house: House, times: int) -> Away:
    """It comes back empty."""

    async def away() -> None:
        house.redis.kill()
        await asyncio.sleep(AWAY_S)
        with meters.pinned(house.cores.server):
            await house.redis.start()
        await house.pair.know_each_other()

    return await _away(house, times, away)


async def postgres_killed(house: House, times: int) -> Away:
    """By SIGQUIT, which is how a crash looks to those who are connected."""

    async def away() -> None:
        await asyncio.to_thread(house.postgres.stop, signal.SIGQUIT)
        await asyncio.sleep(AWAY_S)
        await asyncio.to_thread(house.postgres.start)
        await asyncio.sleep(1)

    return await _away(house, times, away)


async def _away(house: House, times: int, away: Callable[[], Awaitable[None]]) -> Away:
    found = Away()
    async with _pages(house) as (_, ears):
        lateness = Lateness()
        try:
            for _ in range(times):
                at_ns = time.monotonic_ns()
                await away()
                found.silences_s.append(max(ear.silence_s(at_ns) for ear in ears))
        finally:
            await lateness.close()
        found.lost, found.late_s = sum(ear.lost() for ear in ears), lateness.worst_s
    return found
