"""What may go wrong with two servers, once and short, with real processes. The long campaigns are in the files beside this."""

import pytest

from tests.conftest import StartServer
from tests.support.pair import Pair, two_servers
from tests.support.postgres import Postgres
from tests.support.redis import RedisServer
from tests.web.nodes import test_killed_owner, test_odd_redis, test_partitions, test_postgres_away, test_redis_away


async def over(pair: Pair) -> None:
    """End what is on air."""
    if (await pair.alice.status())["live"]:
        await pair.alice.call("POST", "/api/stream/stop")
    for node in (pair.one, pair.two):
        await pair.at(pair.bob, node).until("alice", live=False)


async def killed_and_without_redis(pair: Pair, redis: RedisServer) -> None:
    """The owner is killed, and Redis stands still, and comes back empty."""
    assert len(await test_killed_owner.deaths(pair, 1)) == 1
    redis_away = await test_redis_away.outage(pair, redis, 2.0, still=True, settled_s=0.5)
    assert redis_away.lost == 0 and redis_away.joined >= 2
    await over(pair)


async def test_the_owner_and_redis(server: StartServer, redis: RedisServer, postgres_server: Postgres) -> None:
    """Sound comes back by itself, or goes on; who comes is let in."""
    with postgres_server.database("hushcast") as name:
        async with two_servers(server, redis.url, postgres_server.url(name)) as pair:
            await killed_and_without_redis(pair, redis)


@pytest.mark.slow
async def test_everything_once(server: StartServer, redis: RedisServer, own_postgres: Postgres) -> None:
    """One pair of servers with cables for all of it; rows and records are right afterwards."""
    async with two_servers(server, redis.url, own_postgres.url("postgres"), wired=True) as pair:
        await killed_and_without_redis(pair, redis)
        await test_odd_redis.hear_of_what_was_trimmed(pair, redis)
        await over(pair)
        await test_odd_redis.live_through_rubbish(pair, redis)
        await over(pair)
        await test_partitions.part_and_mend(pair, "all")
        away = await test_postgres_away.outage(pair, own_postgres, 1.0, still=False)
        assert away["lost"] == 0 and all(abs(each) < 1 for each in away["off_s"]), away
