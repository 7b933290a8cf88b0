"""What bench nodes measures: two servers with Redis and PostgreSQL, and a third one that is by itself, all on the server's core."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from db.postgres import PostgresEngine
from tests.bench import meters
from tests.bench.asked import Refused
from tests.support import postgres, redis
from tests.support.pair import Pair, two_servers
from tests.support.running import ROOT, Server

TEMPLATE = "hushcast"  # an empty database of today's schema
STRETCH = float(os.environ.get("HUSHCAST_TEST_STRETCH", "1"))
SETTINGS: dict[str, object] = {"broadcast.places": 10_000, "broadcast.grace_s": 300.0}  # one name has all the ears, and may be silent


@dataclass
class House:
    """All of it, running."""

    pair: Pair
    redis: redis.RedisServer
    postgres: postgres.Postgres
    start: "Starter"
    cores: meters.Cores = field(default_factory=meters.Cores)


class Starter:
    """Starts servers, each in a folder of its own, and ends them."""

    def __init__(self, folder: Path, cores: meters.Cores) -> None:
        self._folder, self._cores = folder, cores
        self.servers: list[Server] = []

    async def __call__(self, settings: dict[str, object]) -> Server:
        folder = self._folder / f"server{len(self.servers)}"
        (folder / "var").mkdir(parents=True)
        cache = ROOT / "var" / "cache"
        cache.mkdir(parents=True, exist_ok=True)
        (folder / "var" / "cache").symlink_to(cache)
        made = Server(folder, {"denoise.default": "passthrough", **SETTINGS, **settings}, {}, STRETCH)
        self.servers.append(made)
        with meters.pinned(self._cores.server):
            return await made.start()

    def stop(self) -> None:
        for each in self.servers:
            each.stop()


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[House]:
    """Raises Refused where a program is missing."""
    if redis.PROGRAM is None or postgres.program("initdb") is None:
        raise Refused("it takes redis-server and PostgreSQL: on Debian apt-get install redis-server postgresql")
    cores = meters.Cores()
    start = Starter(folder, cores)
    async with AsyncExitStack() as stack:
        with meters.pinned(cores.server):
            database = stack.enter_context(postgres.running(STRETCH))
            directory = redis.RedisServer(folder / "redis")
            stack.callback(directory.kill)
            await directory.start()
        database.do(f"CREATE DATABASE {TEMPLATE}")
        PostgresEngine(database.url(TEMPLATE)).prepare()
        name = stack.enter_context(database.database(TEMPLATE))
        stack.callback(start.stop)
        stack.enter_context(meters.pinned(cores.clients))
        pair = await stack.enter_async_context(two_servers(start, directory.url, database.url(name)))
        yield House(pair, directory, database, start, cores)
