"""Takeovers while the owner before is still writing, at random moments: what of it gets through, by real database and Redis.

No server runs: these are the functions and scripts by which servers write, asked side by side by two who both think they are the owner.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, NamedTuple

import msgspec

from db import broadcasts, epochs, recordings, users
from db.connection import Database
from db.errors import StaleEpoch
from db.tables import User, now
from tests.support.redis import RedisServer
from tests.support.writes import note_all, noted, stale, stale_events
from web.nodes.directory import Directory
from web.nodes.event_log import EventLog
from web.nodes.record_seal import RecordSeal
from web.nodes.records import AirRecord, NodeRecord
from web.nodes.redis_connection import RedisConnection
from web.nodes.rubbish import CheckedReader

APART_S = 0.02  # between two writes, at most
AT_ONCE = 8
CONNECT_S = 20.0


class Campaign(NamedTuple):
    """What came of it: takeovers, the old owner's writes that were refused, and those that came after the takeover all the same."""

    tries: int
    refused: int
    through: int


class Owner:
    """One side: a database connection, a connection to Redis, and its name."""

    def __init__(self, name: str, database: Database, redis: RedisConnection) -> None:
        self.name, self.database, self.redis = name, database, redis
        seal = RecordSeal("")
        node = NodeRecord(name=name, boot=name)
        reader = CheckedReader(seal)
        self.events = EventLog(redis, reader, lambda: node)
        self.directory = Directory(redis, reader, node, lambda named: named, self.events)

    async def write_all(self, user: User, name: str, epoch: int, chance: random.Random) -> int:
        """What an owner writes about a broadcast, in some order, with pauses; how much of it was refused."""
        record = AirRecord(username=user.username, broadcast=name, node=self.name, epoch=epoch, since="", title="", state="live")
        rows: list[Callable[[], Any]] = [
            partial(broadcasts.keep, user.username, row(name, self.name), "Title", epoch),
            partial(recordings.begin, user.username, f"{name}.{epoch}", None, now(), epoch, self.name),
            partial(broadcasts.forget, name, epoch),
        ]
        chance.shuffle(rows)
        refused = 0
        for each in rows:
            await asyncio.sleep(chance.uniform(0, APART_S))
            try:
                await self.database.run(each)
            except StaleEpoch:
                refused += 1
            refused += not await self.directory.announce(msgspec.structs.replace(record, title=str(chance.random())))
        return refused


def row(name: str, node: str) -> dict[str, Any]:
    """The row of a broadcast."""
    nothing = {"title": "", "renamed": False, "boot": "", "boot_s": 0.0, "muted": False, "record": True, "denoise": False}
    return {"id": name, "since": now(), "resource": "", "access": "", "tape": f"{name}.0", "node": node, **nothing}


@asynccontextmanager
async def _owner(name: str, redis: RedisServer, url: str) -> AsyncIterator[Owner]:
    async with AsyncExitStack() as opened:
        database = await opened.enter_async_context(Database(f"{url}?application_name={name}"))
        made = Owner(name, database, RedisConnection(redis.url))
        await opened.enter_async_context(made.events)
        await opened.enter_async_context(made.redis)
        async with asyncio.timeout(CONNECT_S):
            while not made.redis.up:
                await asyncio.sleep(0.01)
        yield made


async def takeovers(tries: int, redis: RedisServer, url: str, chance: random.Random) -> Campaign:
    """So many, several at a time, each of another user's broadcast, in a database at `url` that is for this alone."""
    note_all(url)
    turn = asyncio.Semaphore(AT_ONCE)
    async with _owner("old", redis, url) as old, _owner("new", redis, url) as new:

        async def one(number: int) -> int:
            async with turn:
                return await _one(f"user{number}", old, new, chance)

        refused = await asyncio.gather(*map(one, range(tries)))
        return Campaign(tries, sum(refused), len(stale(noted(url))) + len(await stale_events(redis)))


async def _one(username: str, old: Owner, new: Owner, chance: random.Random) -> int:
    """How much of what the old owner has written was refused."""
    user, name = await old.database.run(users.create, username, "x"), f"b-{username}"
    first = await old.database.run(epochs.take, user.id, name)
    await old.database.run(broadcasts.keep, username, row(name, old.name), None, first)
    writing = asyncio.create_task(old.write_all(user, name, first, chance))
    await asyncio.sleep(chance.uniform(0, 2 * APART_S))
    second = await new.database.run(epochs.take, user.id, name)
    await new.write_all(user, name, second, chance)
    return await writing
