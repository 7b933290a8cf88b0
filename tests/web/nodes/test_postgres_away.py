"""PostgreSQL is stopped or killed while somebody is on air: sound goes on, who is known is let in, and rows are right afterwards."""

import asyncio
import signal
import time
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.support.pair import Pair, joined, lost, speaking, two_servers
from tests.support.people import Person
from tests.support.postgres import Postgres
from tests.support.redis import RedisServer

AWAY_S = 60.0
READY_S = 60.0


async def outage(pair: Pair, postgres: Postgres, seconds: float, *, still: bool) -> dict[str, Any]:
    """alice is on air all the while; bob's broadcast begins before and is ended meanwhile. Both are recorded.

    still: it takes connections without an answer; else it is killed.
    """
    bobs = [pair.at(pair.bob, each) for each in (pair.one, pair.two)]
    recorded = "?denoise=0&record=1"
    async with speaking(pair.alice, recorded), bobs[0].phone() as one, bobs[1].phone() as two:
        for bob, ear in zip(bobs, (one, two), strict=True):
            await ear.listen("alice")
            await ear.heard(25)
            await reload(bob)
        count = 0
        async with speaking(pair.bob, recorded):
            await until_recorded(pair.alice)
            await until_recorded(pair.bob)
            if still:
                postgres.pause()
            else:
                await asyncio.to_thread(postgres.stop, signal.SIGQUIT)
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                for bob in bobs:
                    await reload(bob)
                    await joined(bob, "alice")
                    count += 1
                await asyncio.sleep(0.5)
            bob_s = (await pair.bob.status())["duration_s"]
            await pair.bob.call("POST", "/api/stream/stop")
        if still:
            postgres.go_on()
        else:
            await asyncio.to_thread(postgres.start)
        bob_off_s = await ready(pair.bob) - bob_s
        for ear in (one, two):
            await ear.heard(len(ear.received) + 25)
        alice_s = (await pair.alice.status())["duration_s"]
        await pair.alice.call("POST", "/api/stream/stop")
        return {"lost": lost(one) + lost(two), "joined": count, "off_s": [await ready(pair.alice) - alice_s, bob_off_s]}


async def reload(person: Person) -> None:
    """The page, who one is, and the friends: nobody is signed out."""
    async with person.http.get(person.url) as page:
        assert page.status == 200
    assert (await person.call("GET", "/api/me"))["username"] == person.name
    assert [row["username"] for row in await person.call("GET", "/api/friends")] == ["alice"]


async def until_recorded(person: Person) -> None:
    """The recording has its row."""
    async with asyncio.timeout(30):
        while (await person.status())["recording"]["id"] is None:
            await asyncio.sleep(0.05)


async def ready(person: Person) -> float:
    """The length of the newest recording, when it is ready."""
    async with asyncio.timeout(READY_S):
        while True:
            async with person.http.get(f"{person.url}/api/recordings") as answer:  # 503 while the database is away
                rows = await answer.json() if answer.status == 200 else []
            if rows and (newest := max(rows, key=lambda each: each["id"]))["state"] == "ready":
                return float(newest["duration_s"])
            await asyncio.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("still", [False, True], ids=["killed", "stopped"])
async def test_postgres_is_away_for_a_minute(server: StartServer, redis: RedisServer, own_postgres: Postgres, still: bool) -> None:
    """Not a packet is lost, nobody is signed out, who is known may come; recordings are as long as what was said."""
    async with two_servers(server, redis.url, own_postgres.url("postgres")) as pair:
        found = await outage(pair, own_postgres, AWAY_S, still=still)
    print(found)
    assert found["lost"] == 0
    assert all(abs(each) < 1 for each in found["off_s"]), found
