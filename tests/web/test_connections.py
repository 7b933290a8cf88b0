"""Connections: limits, and which connections are ended for others."""

import asyncio
import json
import re
import resource
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import uvloop
from aiohttp import ClientSession, CookieJar, WSMsgType

from sfu.config.schema import HttpConfig
from tests.conftest import StartServer
from tests.web.conftest import PASSWORD, settings
from tests.web.quiet import quiet
from web import connections
from web.app import make_app
from web.connections import LONGEST_HEADER, MOST_HEADERS, Connection, Connections
from web.http.fair_shares import MOST_CONNECTIONS
from web.http.tls import tls_context
from web.serve import bind, connections_of, runner_of

uvloop.new_event_loop().close()  # the first one opens a pipe that stays as long as the process
ASK = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"


class House:
    """A running server, and clients that connect to it."""

    def __init__(self, port: int, inside: Connections, opened: AsyncExitStack) -> None:
        self.port, self.connections = port, inside
        self._opened = opened

    async def stranger(self, address: str = "127.0.0.1") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection that sends nothing and that the server has accepted."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(address, 0))
        self._opened.callback(writer.close)
        name = writer.get_extra_info("sockname")
        async with asyncio.timeout(20):
            while name not in (each.address for each in self.connections._all) and not reader.at_eof():
                await asyncio.sleep(0)
        return reader, writer

    async def user(self, name: str) -> ClientSession:
        """A browser that has signed in; its one connection is idle."""
        session = await self._opened.enter_async_context(ClientSession(cookie_jar=CookieJar(unsafe=True)))
        origin = f"http://127.0.0.1:{self.port}"
        account = {"username": name, "password": PASSWORD}
        async with session.post(f"{origin}/api/register", json=account, headers={"Origin": origin}) as said:
            assert said.status == 201
        assert await self.name(session) == name
        return session

    async def name(self, session: ClientSession) -> str:
        async with session.get(f"http://127.0.0.1:{self.port}/api/me") as said:
            return str((await said.json())["username"])

    def dropped(self) -> dict[str, float]:
        """The dropped connections by reason, without zeros."""
        counts = {sample.labels["reason"]: sample.value for sample in self.connections.samples() if sample.labels}
        return {reason: count for reason, count in counts.items() if count}


@asynccontextmanager
async def house(path: Path, monkeypatch: pytest.MonkeyPatch, most: int, context: ssl.SSLContext | None = None) -> AsyncIterator[House]:
    """A server with `most` connections, half of them for strangers; one is ended at a time."""
    monkeypatch.setattr(connections, "most_connections", lambda: most)
    monkeypatch.setattr(connections, "STRANGERS_SHARE", 1 / 2)
    monkeypatch.setattr(connections, "ENDED_AT_ONCE", 1)
    runner = runner_of(make_app(settings(path), media=quiet))
    await runner.setup()
    try:
        listening = bind(HttpConfig(host="127.0.0.1", port=0))
        async with AsyncExitStack() as opened, connections_of(runner, listening, context) as inside:
            yield House(listening[0].getsockname()[1], inside, opened)
    finally:
        await runner.cleanup()


async def is_answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Whether the connection still answers."""
    try:
        async with asyncio.timeout(20):
            writer.write(ASK)
            return (await reader.readuntil(b"ok\n")).startswith(b"HTTP/1.1 200")
    except (ConnectionError, asyncio.IncompleteReadError):
        return False


async def test_the_oldest_stranger_gives_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new connection is served; the oldest idle stranger is ended, signed-in users stay, and the log has one line."""
    async with house(tmp_path, monkeypatch, most=6) as here:
        alice = await here.user("alice")
        strangers = [await here.stranger() for _ in range(5)]
        assert [await is_answered(*each) for each in strangers] == [False, False, True, True, True]
        assert await here.name(alice) == "alice"
        assert here.dropped() == {"stranger": 2} and len(here.connections) == 4


async def test_who_brings_most_gives_way_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Strangers count by address, so many from one address end no others; loopback and proxies are exempt, for many clients share them."""
    monkeypatch.setattr(connections, "is_loopback", lambda address: address == "127.0.0.1")
    async with house(tmp_path, monkeypatch, most=8) as here:
        monkeypatch.setattr(here.connections, "is_proxy", lambda address: address == "127.0.0.9")
        near = [await here.stranger("127.0.0.1"), await here.stranger("127.0.0.9"), await here.stranger("127.0.0.9")]
        crowd = [await here.stranger("127.0.0.2") for _ in range(4)]
        alone = await here.stranger("127.0.0.3")
        assert [await is_answered(*each) for each in near] == [False, True, True], "while each had one the oldest went"
        assert await is_answered(*alone)
        assert [await is_answered(*each) for each in crowd] == [False, False, False, True]
        assert caplog.text.count("a connection is dropped") == 1


async def test_who_brings_many_gives_way_before_who_is_idle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many busy connections from one address do not end a single idle stranger from another."""
    monkeypatch.setattr(connections, "is_loopback", lambda address: address == "127.0.0.1")
    async with house(tmp_path, monkeypatch, most=16) as here:
        site = f"127.0.0.1:{here.port}"
        head = f"POST /api/login HTTP/1.1\r\nHost: {site}\r\nOrigin: http://{site}\r\nContent-Length: 9\r\n\r\n"
        crowd = [await here.stranger("127.0.0.2") for _ in range(here.connections.most_strangers)]
        for _, writer in crowd:
            writer.write(head.encode())
        async with asyncio.timeout(20):
            while any(each.idle for each in here.connections._all):
                await asyncio.sleep(0.01)
        alone = [await here.stranger(f"127.0.0.{number}") for number in range(3, 9)]
        assert here.dropped() == {"stranger": 6}
        assert [await is_answered(*each) for each in alone] == [True] * 6


async def test_where_all_is_full_the_idle_give_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Idle connections of signed-in users are ended too, for browsers reconnect; strangers' first."""
    async with house(tmp_path, monkeypatch, most=4) as here:
        users = [await here.user(name) for name in ("alice", "bob", "carl", "dora")]
        first = await here.stranger()
        assert await is_answered(*first) and here.dropped() == {"idle": 1}
        assert await is_answered(*await here.stranger()) and here.dropped() == {"idle": 1, "stranger": 1}
        assert not await is_answered(*first)
        assert [await here.name(user) for user in users[1:]] == ["bob", "carl", "dora"] and here.dropped() == {"idle": 1, "stranger": 1}


async def test_what_is_in_use_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When all are busy, the new connection is closed; but a user with very many busy ones loses some."""
    async with house(tmp_path, monkeypatch, most=4) as here:
        alice, url = await here.user("alice"), f"http://127.0.0.1:{here.port}"
        sockets = [await alice.ws_connect(f"{url}/ws/presence", headers={"Origin": url}) for _ in range(4)]
        for each in sockets:
            assert (await each.receive_json(timeout=20))["type"] == "all_statuses"
        assert not await is_answered(*await here.stranger()) and here.dropped() == {"newcomer": 1}
        for each in sockets:
            await each.send_json({"type": "ping", "data": {"timestamp": 1}})
            assert (await each.receive_json(timeout=20))["type"] == "pong"
        monkeypatch.setattr(connections, "MOST_BUSY_OF_USER", 3)
        assert await is_answered(*await here.stranger()) and here.dropped() == {"newcomer": 1, "crowd": 1}
        assert (await sockets[0].receive(timeout=20)).type in (WSMsgType.CLOSED, WSMsgType.ERROR)
        for each in sockets:
            await each.close()


NO_HTTP = (
    b"GET /whip/alice?title=" + b"x" * 10_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"G\x03\x01\x02\x00\x01\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\n\r\n",
)


@pytest.mark.parametrize("said", NO_HTTP, ids=("address", "garbage", "http/2", "host"))
async def test_what_is_no_http_is_told_as_any_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    """A problem document that repeats nothing of the request; then the connection is closed."""
    async with house(tmp_path, monkeypatch, most=4) as here:
        reader, writer = await here.stranger()
        writer.write(said)
        async with asyncio.timeout(20):
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert b" 400 " in head.splitlines()[0] and b"Content-Type: application/problem+json" in head
        document = json.loads(body)
        assert (document["type"], document["status"], document["code"]) == ("about:blank", 400, "bad_request")
        assert b"xxx" not in body and await is_answered(*await here.stranger())


def cookies(size: int) -> bytes:
    """A request with a login portal's cookies beside its own."""
    return b"GET /healthz HTTP/1.1\r\nHost: a\r\nCookie: sso=" + b"x" * size + b"; hushcast=y\r\n\r\n"


async def told(here: House, said: bytes) -> tuple[int, dict[str, object]]:
    """Status and problem document of the only answer."""
    reader, writer = await here.stranger()
    writer.write(said)
    async with asyncio.timeout(20):
        head = await reader.readuntil(b"\r\n\r\n")
        [length] = re.findall(rb"(?i)content-length: (\d+)", head)
        body = await reader.readexactly(int(length))
    return int(head.split()[1]), json.loads(body) if b"problem+json" in head else {}


async def test_heads_that_are_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """16 KB of other software's cookies are accepted; longer or more headers get a 431 problem document."""
    async with house(tmp_path, monkeypatch, most=16) as here:
        for size in (3_000, 16_000, 16_384, LONGEST_HEADER - 100):
            assert (await told(here, cookies(size)))[0] == 200, size
        lines = b"".join(b"X-%d: y\r\n" % number for number in range(MOST_HEADERS))
        for said in (cookies(LONGEST_HEADER), cookies(100_000), b"GET / HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n"):
            status, document = await told(here, said)
            assert (status, document["status"], document["code"]) == (431, 431, "headers_too_large")


@pytest.mark.parametrize("path", ["/healthz", "/nowhere", "/api/me", "/api/login"])
async def test_an_expectation_that_nobody_can_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """An unknown expectation gets a problem document on every path; 100-continue works."""
    async with house(tmp_path, monkeypatch, most=4) as here:
        status, document = await told(here, f"POST {path} HTTP/1.1\r\nHost: a\r\nExpect: nonsense\r\nContent-Length: 0\r\n\r\n".encode())
        assert (status, document["status"], document["code"]) == (417, 417, "expectation_failed")
        reader, writer = await here.stranger()
        writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n".encode())
        async with asyncio.timeout(20):
            assert (await reader.readline()).startswith(b"HTTP/1.1 100 ")


async def test_who_only_begins_to_shake_hands_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection in its TLS handshake, of which aiohttp knows nothing yet, counts and can be ended."""
    http = HttpConfig(host="127.0.0.1", tls="self-signed")
    (tmp_path / "keys").mkdir()
    async with house(tmp_path / "house", monkeypatch, most=8, context=tls_context(http, tmp_path)) as here:
        mute = [await asyncio.open_connection("127.0.0.1", here.port) for _ in range(6)]
        trusting = ssl.create_default_context(cafile=tmp_path / "keys" / "self-signed.pem")
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port, ssl=trusting)
        assert await is_answered(reader, writer)
        async with asyncio.timeout(20):
            assert await asyncio.gather(*(each.read() for each, _ in mute[:3])) == [b""] * 3
        assert here.dropped() == {"stranger": 3} and len(here.connections) == 4
        nonsense, to = await asyncio.open_connection("127.0.0.1", here.port)
        to.write(b"\x16\x03\x01 is no TLS")
        async with asyncio.timeout(20):
            await nonsense.read()
            while "handshake" not in here.dropped():
                await asyncio.sleep(0.01)
        for each in (writer, to, *(each for _, each in mute)):
            each.close()


def test_who_has_just_come_in_at_the_end_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody closes a connection behind aiohttp's back where its opening has one step left when the server stops accepting."""
    ends: list[asyncio.Task[None]] = []
    connection_made = Connection.connection_made

    def made(connection: Connection, transport: asyncio.BaseTransport) -> None:
        connection_made(connection, transport)
        ends.append(asyncio.create_task(connection._connections.__aexit__(None, None, None)))  # before the step of the opening

    monkeypatch.setattr(Connection, "connection_made", made)

    async def ask() -> bool:
        async with house(tmp_path, monkeypatch, most=4) as here:
            reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
            try:
                return await is_answered(reader, writer)
            finally:
                writer.close()
                await asyncio.gather(*ends)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(ask())


async def test_thousands_who_say_nothing(server: StartServer) -> None:
    """A real server with more connections than allowed answers and counts; after they close nothing is left."""
    running = await server()
    port = int(running.url.rsplit(":", 1)[1])
    soft, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = int(connections.STRANGERS_SHARE * (MOST_CONNECTIONS if files == resource.RLIM_INFINITY else min(MOST_CONNECTIONS, files // 2)))

    async def figure(client: ClientSession, name: str) -> int:
        async with client.get(f"{running.url}/metrics") as answer:
            found = re.search(rf"^{re.escape(name)} (\S+)$", await answer.text(), re.MULTILINE)
            assert found is not None
            return int(float(found[1]))

    async with ClientSession() as client, AsyncExitStack() as opened:
        opened.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, files))
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))  # the visitors' ends are held here
        for _ in range(most + 100):
            opened.callback(socket.create_connection(("127.0.0.1", port)).close)
        async with asyncio.timeout(20):
            while await figure(client, 'hushcast_connections_dropped_total{reason="stranger"}') < 100:
                await asyncio.sleep(0.02)
        assert await figure(client, "hushcast_connections") <= most
        await opened.aclose()
        async with asyncio.timeout(20):
            while await figure(client, "hushcast_connections") > 1:
                await asyncio.sleep(0.02)
    assert running.log.count("a connection is dropped") == 1
