"""Two real servers with one Redis and one PostgreSQL, and two people; with cables between them all, which a test may cut, if wanted."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import repeat
from urllib.parse import urlsplit

import aiohttp

from tests.support.cable import Cable
from tests.support.people import Person, friends
from tests.support.returning import SILENCE
from tests.support.running import Server
from tests.support.several import Start, at, node_settings
from tests.support.softphone import Softphone

KNOW_S = 30.0
NAMES = ("one", "two")


@dataclass
class Wires:
    """The cables of one server: to Redis, to PostgreSQL, and that by which the other servers reach it."""

    redis: Cable
    database: Cable
    inside: Cable

    def cut(self) -> None:
        """Nothing goes out of it or into it, but for what clients and sound send."""
        for each in (self.redis, self.database, self.inside):
            each.cut()

    def mend(self) -> None:
        for each in (self.redis, self.database, self.inside):
            each.mend()


@dataclass
class Pair:
    """Servers `one` and `two`, and alice and bob, who are friends and signed in at both by one login."""

    one: Server
    two: Server
    alice: Person
    bob: Person
    wires: dict[str, Wires] = field(default_factory=dict)  # by server, where there are cables

    @property
    def urls(self) -> list[str]:
        return [self.one.url, self.two.url]

    def named(self, name: str) -> Server:
        return {"one": self.one, "two": self.two}[name]

    def name(self, server: Server) -> str:
        return "one" if server is self.one else "two"

    def other(self, server: Server) -> Server:
        return self.two if server is self.one else self.one

    def with_broadcast(self, location: str) -> Server:
        """The one that a Location names."""
        return self.named(location.rpartition("/")[2].partition(".")[0])

    def at(self, person: Person, server: Server) -> Person:
        """The same person, by the same login, at this one."""
        return at(server.url, person)

    async def know_each_other(self) -> None:
        """Wait until both are in the directory of both."""
        async with asyncio.timeout(KNOW_S):
            while not all(["hushcast_nodes 2" in await metrics(self.alice.http, url) for url in self.urls]):
                await asyncio.sleep(0.05)


async def metrics(http: aiohttp.ClientSession, url: str) -> str:
    async with http.get(f"{url}/metrics") as answer:
        return await answer.text()


@asynccontextmanager
async def speaking(person: Person, query: str = "?denoise=0&record=0") -> AsyncIterator[Softphone]:
    """The person is on air, by an offer to the server of `person.url`, until the block ends."""
    async with person.phone() as phone:
        await phone.publish(person.name, query)
        over = asyncio.Event()
        talking = asyncio.create_task(phone.talk(repeat(SILENCE), until=over))
        try:
            await person.until(person.name, live=True, state="live")
            yield phone
        finally:
            over.set()
            await talking


async def joined(person: Person, broadcaster: str) -> float:
    """The person asks the server of `person.url`, hears a few packets and leaves; seconds from the offer to the first packet."""
    async with person.phone() as ear:
        began = time.monotonic()
        await ear.listen(broadcaster)
        await ear.heard(5)
        assert await ear.delete() == 200
        return ear.received[0][0] / 1e9 - began


def lost(phone: Softphone) -> int:
    """How many packets of a listener's are missing."""
    numbers = [packet.sequence for _, packet in phone.received]
    return (numbers[-1] - numbers[0] & 0xFFFF) + 1 - len(set(numbers))


@asynccontextmanager
async def two_servers(start: Start, redis_url: str, database_url: str, *, wired: bool = False, **settings: object) -> AsyncIterator[Pair]:
    """Both are ready and know each other. wired: with cables; settings: further ones of both, with `__` for the dot."""
    async with AsyncExitStack() as opened:
        both, wires = [], {}
        for name in NAMES:
            found = node_settings(name, redis_url, f"{database_url}?application_name={name}", **settings)
            if wired:
                wires[name] = await _wired(opened, found)
            both.append(found)
        nodes = await asyncio.gather(*map(start, both))
        for each in nodes:
            opened.push_async_callback(asyncio.to_thread, each.stop)  # the cables go on meanwhile
        alice, bob = await opened.enter_async_context(friends(nodes[0].url, "alice", "bob"))
        pair = Pair(nodes[0], nodes[1], alice, bob, wires)
        await pair.know_each_other()
        yield pair


async def _wired(opened: AsyncExitStack, settings: dict[str, object]) -> Wires:
    """Cables for a server with these settings, which then lead through them."""
    cables = []
    for key in ("redis.url", "database.url", "node.url"):
        port = urlsplit(str(settings[key])).port
        assert port is not None
        cables.append(await opened.enter_async_context(Cable(port)))
        settings[key] = str(settings[key]).replace(f":{port}", f":{cables[-1].port}")
    return Wires(*cables)
