"""kill -9 of the server that has the broadcast: pages offer again by themselves, and listeners hear again, within the same broadcast."""

import asyncio
import statistics
import time
from contextlib import AsyncExitStack

import pytest

from tests.conftest import StartServer
from tests.support.pair import Pair, two_servers
from tests.support.postgres import Postgres
from tests.support.redis import RedisServer
from tests.support.returning import Page
from tests.support.several import hearing
from web.events.channel import GOING_AWAY

MOST_S = 3.0  # of silence, median


async def deaths(pair: Pair, times: int) -> list[float]:
    """Silence at the listener who had to wait longest, for each death of whichever server has the broadcast; which is started again.

    The pages of broadcaster and listeners have their sockets at both.
    """
    found = []
    async with AsyncExitStack() as opened:
        mouths = await opened.enter_async_context(Page(pair.alice, "alice", pair.urls, "?denoise=0&record=0").open())
        broadcast = (await pair.bob.until("alice", live=True))["broadcast"]
        ears = [await opened.enter_async_context(Page(pair.bob, "alice", urls).open()) for urls in (pair.urls, pair.urls[::-1])]
        for _ in range(times):
            for ear in ears:
                await ear.heard(50)
            owner = pair.with_broadcast(mouths.location)
            new = pair.other(owner)
            async with hearing(pair.at(pair.bob, new), "/ws/stream/alice") as told:
                await told.until("level")  # which comes from the owner
                before, at_ns = [ear.connections for ear in ears], time.monotonic_ns()
                owner.kill()
                assert await told.closed() == GOING_AWAY  # so pages learn of it whose socket is not the owner's
            silences = await asyncio.gather(*(ear.heard_anew(at_ns, count) for ear, count in zip(ears, before, strict=True)))
            found.append(max(silences))
            assert pair.with_broadcast(mouths.location) is new
            assert (await pair.at(pair.bob, new).status("alice"))["broadcast"] == broadcast
            await owner.start()
            await pair.know_each_other()
        assert all(ear.lost() == 0 for ear in ears)
    await pair.alice.call("POST", "/api/stream/stop")
    for node in (pair.one, pair.two):
        await pair.at(pair.bob, node).until("alice", live=False)
    return found


@pytest.mark.slow
async def test_silence_at_ten_deaths(server: StartServer, redis: RedisServer, postgres_server: Postgres, stretch: float) -> None:
    """Half of them last no longer than three seconds at the listener who waits longest."""
    with postgres_server.database("hushcast") as name:
        async with two_servers(server, redis.url, postgres_server.url(name)) as pair:
            silences = await deaths(pair, 10)
    print("silence at a listener, s:", " ".join(f"{each:.2f}" for each in sorted(silences)))
    assert statistics.median(silences) <= MOST_S * stretch, silences
