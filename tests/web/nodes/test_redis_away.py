"""Redis is stopped or killed while somebody is on air, and comes back empty: sound goes on, people come, and nobody's badge blinks."""

import asyncio
import time
from typing import NamedTuple

import pytest

from tests.conftest import StartServer
from tests.support.pair import Pair, joined, lost, speaking, two_servers
from tests.support.postgres import Postgres
from tests.support.redis import RedisServer
from tests.support.several import hearing

AWAY_S, LISTED_S = 60.0, 5.0
SETTLED_S = 7.0  # what Redis does not have for six seconds counts as gone


class Outage(NamedTuple):
    """What came of one."""

    lost: int  # packets, of two listeners
    joined: int  # listeners, through both servers
    listed_s: float  # from its first answer until everything was listed again


async def outage(pair: Pair, redis: RedisServer, seconds: float, *, still: bool, settled_s: float = SETTLED_S) -> Outage:
    """still: it is stopped at first, and takes connections without an answer; else it is killed at once. settled_s: how long it is
    looked at afterwards."""
    bobs = [pair.at(pair.bob, each) for each in (pair.one, pair.two)]
    async with speaking(pair.alice), bobs[0].phone() as one, bobs[1].phone() as two, hearing(bobs[0]) as first, hearing(bobs[1]) as second:
        for ear in (one, two):
            await ear.listen("alice")
            await ear.heard(25)
        if still:
            redis.pause()
        else:
            redis.kill()
        count, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            for bob in bobs:
                await joined(bob, "alice")
                count += 1
            await asyncio.sleep(1)
        redis.kill()
        await redis.start()
        began = time.monotonic()
        await _listed(redis)
        listed_s = time.monotonic() - began
        await asyncio.sleep(settled_s)
        for bob in bobs:
            assert [row["live"] for row in await bob.call("GET", "/api/friends")] == [True]
        for ear in (one, two):
            await ear.heard(len(ear.received) + 25)
        for told in (first, second):
            assert not [said for _, said in told.heard if said["type"] == "streaming_status_update" and not said["data"]["is_streaming"]]
        return Outage(lost(one) + lost(two), count, listed_s)


async def _listed(redis: RedisServer) -> None:
    async with asyncio.timeout(30):
        while await redis.do("EXISTS", "air:alice", "node:one", "node:two") != 3:
            await asyncio.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("still", [False, True], ids=["killed", "stopped"])
async def test_redis_is_away_for_a_minute(
    server: StartServer, redis: RedisServer, postgres_server: Postgres, still: bool, stretch: float
) -> None:
    """Not a packet is lost, who comes meanwhile hears, and all is listed again within five seconds."""
    with postgres_server.database("hushcast") as name:
        async with two_servers(server, redis.url, postgres_server.url(name)) as pair:
            found = await outage(pair, redis, AWAY_S, still=still)
    print(found)
    assert found.lost == 0 and found.joined >= 40 / stretch
    assert found.listed_s <= LISTED_S * stretch
