"""Several real servers of one Redis and one PostgreSQL, and people who are signed in at any of them."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from typing import Any, NamedTuple

import aiohttp
import psycopg

from tests.support.people import Person
from tests.support.postgres import Postgres
from tests.support.redis import RedisServer
from tests.support.running import Server, free_port

SECRET = secrets.token_hex(32)
Start = Callable[[dict[str, object]], Awaitable[Server]]


def node_settings(name: str, redis: RedisServer | str, database_url: str, **more: object) -> dict[str, object]:
    """The settings of one of several servers. redis: the server, or its URL. more: further ones, with `__` for the dot."""
    port = free_port()
    given = {
        "http.port": port,
        "redis.url": redis if isinstance(redis, str) else redis.url,
        "database.url": database_url,
        "node.name": name,
        "node.url": f"http://127.0.0.1:{port}",
        "node.secret": SECRET,
        "denoise.default": "passthrough",
    }
    return given | {key.replace("__", "."): value for key, value in more.items()}


class Two(NamedTuple):
    """Servers `a` and `b`, their Redis and the name of their database."""

    a: Server
    b: Server
    redis: RedisServer
    database: str

    def ask(self, server: Postgres, question: str) -> list[tuple[Any, ...]]:
        """Rows of their database."""
        with closing(psycopg.connect(server.url(self.database))) as connection:
            return connection.execute(question).fetchall()  # type: ignore[call-overload,no-any-return]


@asynccontextmanager
async def a_and_b(start: Start, redis: RedisServer, postgres: Postgres, **settings: object) -> AsyncIterator[Two]:
    """Both are ready. settings: further ones of both, with `__` for the dot."""
    with postgres.database("hushcast") as name:
        a, b = await asyncio.gather(*(start(node_settings(each, redis, postgres.url(name), **settings)) for each in "ab"))
        for each in (a, b):
            await ready(each.url)
        yield Two(a, b, redis, name)
        for each in (a, b):
            each.stop()


def at(url: str, person: Person) -> Person:
    """The same person, with the same login, at another server: cookies count for a host, not for a port."""
    return Person(person.name, url, person.http)


class Ear:
    """A socket, and all that it has been told, with the time of each message on this test's clock."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.heard: list[tuple[float, dict[str, Any]]] = []
        self.code: int | None = None

    async def listen(self) -> None:
        loop = asyncio.get_running_loop()
        async for message in self.socket:
            self.heard.append((loop.time(), json.loads(message.data)))
        self.code = self.socket.close_code

    async def until(self, kind: str, timeout_s: float = 20.0, **data: object) -> float:
        """When the first message of this type with these data came, from now or before; it is not found again."""
        async with asyncio.timeout(timeout_s):
            while True:
                for place, (when, said) in enumerate(self.heard):
                    if said["type"] == kind and all(said["data"].get(key) == value for key, value in data.items()):
                        del self.heard[place]
                        return when
                await asyncio.sleep(0.001)

    async def closed(self, timeout_s: float = 20.0) -> int | None:
        """The code with which the server has closed it."""
        await until(lambda: self.code is not None, timeout_s)
        return self.code


@asynccontextmanager
async def hearing(person: Person, path: str = "/ws/presence") -> AsyncIterator[Ear]:
    """The person's socket there, being read."""
    async with person.http.ws_connect(person.url + path, headers={"Origin": person.url}) as socket:
        ear = Ear(socket)
        reading = asyncio.create_task(ear.listen())
        try:
            yield ear
        finally:
            await socket.close()
            await reading


async def until(true: Callable[[], object], timeout_s: float = 20.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not true():
            await asyncio.sleep(0.005)


async def ready(url: str, says: str = "ready\n", timeout_s: float = 20.0) -> None:
    """Wait until /readyz says so; it is 200 all the while."""
    async with aiohttp.ClientSession() as http, asyncio.timeout(timeout_s):
        while True:
            async with http.get(f"{url}/readyz") as answer:
                assert answer.status == 200
                if says in await answer.text():
                    return
            await asyncio.sleep(0.02)
