"""A server that stood still while another took its broadcasts writes nothing about them when it goes on: a campaign of three minutes.

`python3 run.py test -m slow tests/web/nodes/test_stale_owner.py -s` prints how often, and how many broadcasts were taken over.
"""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import astuple, dataclass
from itertools import repeat
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.conftest import StartServer, missing_program
from tests.support.pair import Pair, metrics, two_servers
from tests.support.people import Person, signed_up
from tests.support.postgres import Postgres
from tests.support.redis import PROGRAM, RedisServer
from tests.support.returning import SILENCE
from tests.support.softphone import Softphone
from tests.support.writes import note_all, noted, stale, stale_events

STILL_S = 20.0
PAIRS, ROUNDS = 5, 4  # of servers at once, each with a Redis and a database of its own; stops of each: twenty in all
NAMES = ("carol", "dave")
RECORDED = "?denoise=0&record=1"


class Speaker:
    """Somebody on air, who goes on at another server when told so."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.phone = person.phone()
        self._talking: asyncio.Task[int] | None = None

    async def __aenter__(self) -> Self:
        await self._offer(self.phone)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._leave()

    async def go_on_at(self, url: str) -> None:
        """By an offer to that one; the phone before is left without a word."""
        await self._leave()
        self.person = Person(self.person.name, url, self.person.http)
        self.phone = self.person.phone()
        await self._offer(self.phone)

    async def _offer(self, phone: Softphone) -> None:
        await phone.publish(self.person.name, RECORDED)
        self._talking = asyncio.create_task(phone.talk(repeat(SILENCE)))

    async def _leave(self) -> None:
        talking, self._talking = self._talking, None
        if talking is not None:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)
        await self.phone.hang_up(say_so=False)


async def stop_one(pair: Pair, speakers: list[Speaker], chance: random.Random) -> int:
    """Stop the server of one of them at some moment of its heartbeat, have all its broadcasts taken over at some moments, and let it go on;
    how many these were.
    """
    old = pair.with_broadcast(chance.choice(speakers).phone.location)
    new = pair.other(old)
    moved = [each for each in speakers if pair.with_broadcast(each.phone.location) is old]
    await asyncio.sleep(chance.uniform(0, 2))
    os.kill(old.pid, signal.SIGSTOP)
    try:

        async def take(speaker: Speaker) -> None:
            await asyncio.sleep(chance.uniform(0, STILL_S - 2))
            await speaker.go_on_at(new.url)

        await asyncio.gather(*map(take, moved), asyncio.sleep(STILL_S))
    finally:
        os.kill(old.pid, signal.SIGCONT)
    async with asyncio.timeout(60):
        while "hushcast_resources 0" not in await metrics(pair.alice.http, old.url):
            await asyncio.sleep(0.1)
    await asyncio.sleep(3)  # a heartbeat, and what it writes late
    assert all(pair.with_broadcast(each.phone.location) is new for each in moved)
    return len(moved)


@dataclass
class Found:
    """Of one pair: how often a server was stopped, the broadcasts that were taken over meanwhile, and how many writes were looked at."""

    stops: int = 0
    moved: int = 0
    writes: int = 0


@asynccontextmanager
async def house(server: StartServer, redis: RedisServer, url: str) -> AsyncIterator[tuple[Pair, list[Speaker]]]:
    """A pair of servers whose writes are noted, with people on air."""
    async with two_servers(server, redis.url, url) as pair, AsyncExitStack() as opened:
        note_all(url)
        people = [await opened.enter_async_context(signed_up(pair.one.url, each)) for each in NAMES]
        speakers = [await opened.enter_async_context(Speaker(person)) for person in people]
        for each in people:
            await each.until(each.name, state="live")
        yield pair, speakers


async def campaign(server: StartServer, redis: RedisServer, url: str, chance: random.Random) -> Found:
    """The servers of one pair stand still in turn."""
    found = Found()
    async with house(server, redis, url) as (pair, speakers):
        for _ in range(ROUNDS):
            found.moved += await stop_one(pair, speakers, chance)
            found.stops += 1
        found.writes = len(noted(url))
        assert not stale(noted(url)) and not await stale_events(redis)
        for each in speakers:
            status = await each.person.status()
            assert status["state"] == "live" and status["recording"]["id"] is not None
            await each.person.call("POST", "/api/stream/stop")
    return found


@pytest.mark.slow
async def test_owners_that_stood_still_write_nothing(server: StartServer, tmp_path: Path, postgres_server: Postgres) -> None:
    """Twenty times twenty seconds, at random moments, five at once: no row and no message of an epoch that is over."""
    if PROGRAM is None:
        missing_program("redis-server")
    seed = random.SystemRandom().getrandbits(32)
    print("seed", seed)
    async with AsyncExitStack() as opened, asyncio.TaskGroup() as group:
        going = []
        for number in range(PAIRS):
            redis = await RedisServer(tmp_path / f"redis{number}").start()
            opened.callback(redis.kill)
            url = postgres_server.url(opened.enter_context(postgres_server.database("hushcast")))
            going.append(group.create_task(campaign(server, redis, url, random.Random(seed + number))))
    found = [each.result() for each in going]
    print("stops, taken over, writes looked at:", *map(astuple, found))
    assert sum(each.stops for each in found) == PAIRS * ROUNDS >= 20 and all(each.moved >= ROUNDS for each in found)
