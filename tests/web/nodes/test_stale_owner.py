"""A server that stood still while another took its broadcasts writes nothing about them when it goes on. The campaign is of minutes."""

import asyncio
import os
import random
import signal
from contextlib import AsyncExitStack
from itertools import repeat
from types import TracebackType
from typing import Self

import pytest

from tests.conftest import StartServer
from tests.support.pair import Pair, metrics, two_servers
from tests.support.people import Person, signed_up
from tests.support.postgres import Postgres
from tests.support.redis import RedisServer
from tests.support.returning import SILENCE
from tests.support.softphone import Softphone
from tests.support.writes import note_all, noted, stale, stale_events

STILL_S = 20.0
STOPS, NAMES = 6, ("carol", "dave", "erin", "frank")  # more than twenty broadcasts are taken over
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


async def stop_one(pair: Pair, owner: str, speakers: list[Speaker], chance: random.Random) -> int:
    """Stop a server at some moment of its heartbeat, have all its broadcasts taken over at some moments, and let it go on; how many."""
    old, new = pair.named(owner), pair.other(pair.named(owner))
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


@pytest.mark.slow
async def test_owners_that_stood_still_write_nothing(server: StartServer, redis: RedisServer, postgres_server: Postgres) -> None:
    """Six times twenty seconds, at random moments: no row and no message of an epoch that is over."""
    chance = random.Random(seed := random.SystemRandom().getrandbits(32))
    print("seed", seed)
    with postgres_server.database("hushcast") as name:
        url = postgres_server.url(name)
        async with two_servers(server, redis.url, url) as pair, AsyncExitStack() as opened:
            note_all(url)
            people = [await opened.enter_async_context(signed_up(pair.one.url, each)) for each in NAMES]
            speakers = [await opened.enter_async_context(Speaker(person)) for person in people]
            for each in people:
                await each.until(each.name, state="live")
            tries = 0
            for turn in range(STOPS):
                tries += await stop_one(pair, ("one", "two")[turn % 2], speakers, chance)
            print("taken over:", tries, "writes looked at:", len(noted(url)))
            assert tries >= 20
            assert not stale(noted(url)) and not await stale_events(redis)
            for each in speakers:
                status = await each.person.status()
                assert status["state"] == "live" and status["recording"]["id"] is not None
                await each.person.call("POST", "/api/stream/stop")
