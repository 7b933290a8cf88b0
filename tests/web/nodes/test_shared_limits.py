"""Token buckets in a real Redis: two servers take from the same one."""

import pytest

from tests.support.redis import RedisServer
from tests.support.several import until
from web.auth.rate_limit import Bucket
from web.nodes.redis_connection import RedisConnection
from web.nodes.shared_limits import SharedLimits

FEW = Bucket(3, 60.0)


async def test_two_servers_take_from_one_bucket(redis: RedisServer) -> None:
    """Three attempts in all, whichever server is asked; one that is given back is there again; others' keys and kinds are apart."""
    async with RedisConnection(redis.url) as one, RedisConnection(redis.url) as other:
        await until(lambda: one.up and other.up)
        mine, theirs = SharedLimits(one), SharedLimits(other)
        assert [await each.take("name", "ada", FEW) for each in (mine, theirs, mine)] == [0, 0, 0]
        wait = await theirs.take("name", "ada", FEW)
        assert wait is not None and 50 < wait <= 60
        await mine.give_back("name", "ada", FEW)
        assert await theirs.take("name", "ada", FEW) == 0
        assert await mine.take("name", "ada", FEW) != 0
        assert await mine.take("name", "bob", FEW) == await mine.take("ask", "ada", FEW) == 0
        assert not [key for key in await redis.do("KEYS", "*") if b"ada" in key]


async def test_an_empty_bucket_is_forgotten(redis: RedisServer) -> None:
    """A bucket that is full again takes no memory; it refills by Redis' clock."""
    quick = Bucket(2, 0.2)
    async with RedisConnection(redis.url) as one:
        await until(lambda: one.up)
        limits = SharedLimits(one)
        assert [await limits.take("name", "ada", quick) for _ in range(2)] == [0, 0]
        assert await redis.do("DBSIZE") == 1
        while wait := await limits.take("name", "ada", quick):
            assert wait <= 0.2
        await limits.give_back("name", "bob", quick)
        while await redis.do("DBSIZE"):
            pass


@pytest.mark.parametrize("rubbish", [("SET", "text"), ("LPUSH", "1"), ("SET", "1e300"), ("SET", "-1")])
async def test_rubbish_in_a_bucket_is_a_bucket(redis: RedisServer, rubbish: tuple[str, str]) -> None:
    """Whatever stands under its key, attempts are counted from then on."""
    async with RedisConnection(redis.url) as one:
        await until(lambda: one.up)
        limits = SharedLimits(one)
        await limits.take("name", "ada", FEW)
        [key] = await redis.do("KEYS", "*")
        await redis.do("DEL", key)
        await redis.do(rubbish[0], key, rubbish[1])
        waits = [await limits.take("name", "ada", FEW) for _ in range(4)]
        assert None not in waits and waits[-1] != 0


async def test_while_redis_is_away_it_says_so(redis: RedisServer) -> None:
    """None, at once, and nothing is raised."""
    async with RedisConnection(redis.url) as one:
        await until(lambda: one.up)
        limits = SharedLimits(one)
        redis.kill()
        assert await limits.take("name", "ada", FEW) is None
        await limits.give_back("name", "ada", FEW)
