"""Slow clients."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from sfu.config.schema import HttpConfig
from tests.web.conftest import House
from web.http import timeouts
from web.http.malformed import malformed
from web.http.metrics import METRICS
from web.http.origin import ADDRESSES, Addresses
from web.operations import healthz
from web.recordings.audio import written
from web.serve import bind, connections_of, runner_of

TRICKLE_S = 0.02


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[int]:
    """The port of a server that runs the app."""
    app[ADDRESSES], app[METRICS] = Addresses(HttpConfig()), []
    app.cleanup_ctx.append(malformed)  # which knows that clients leave
    runner = runner_of(app)
    await runner.setup()
    try:
        sockets = bind(HttpConfig(host="127.0.0.1", port=0))
        async with connections_of(runner, sockets):
            yield sockets[0].getsockname()[1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def connected(host: str, port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def trickled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: bytes, until: bytes = b"") -> bytes:
    """What comes back, up to `until` or the end of the connection, while `text` and then one byte after the other goes out."""

    async def drip() -> None:
        writer.write(text)
        while True:
            await asyncio.sleep(TRICKLE_S)
            writer.write(b"x")

    dripping, said = asyncio.create_task(drip()), b""
    try:
        async with asyncio.timeout(20):
            while (more := await reader.read(4096)) and not (until and until in said + more):
                said += more
            return said + more
    except ConnectionResetError:  # by a byte that came when nobody was there any more
        return said
    finally:
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)


@pytest.mark.parametrize("before", [b"", b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"], ids=["at once", "after a request"])
async def test_a_head_that_never_ends_ends_the_connection(monkeypatch: pytest.MonkeyPatch, before: bytes) -> None:
    """A head that arrives byte by byte is still ended at the deadline."""
    monkeypatch.setattr(timeouts, "HEAD_S", 0.5)
    app = web.Application()
    app.router.add_get("/healthz", healthz)
    async with served(app) as port, connected("127.0.0.1", port) as (reader, writer):
        said = await trickled(reader, writer, before + b"GET / HTTP/1.1\r\nX: ")
    assert said.count(b"HTTP/1.1") == said.count(b"200 OK") == bool(before)


async def test_a_body_that_never_ends_is_refused(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow body, JSON or an offer, gets 408 too_slow, and the connection is closed."""
    monkeypatch.setattr(timeouts, "BODY_S", 0.3)
    alice = await house.user("alice")
    cookie = "; ".join(f"{each.key}={each.value}" for each in alice.session.cookie_jar)
    port = alice.server.port
    assert port is not None
    for path, kind in (("/api/login", "application/json"), ("/whip/alice", "application/sdp"), ("/api/invites", "application/json")):
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: {alice.origin}\r\nCookie: {cookie}\r\n"
        head += f"Content-Type: {kind}\r\nContent-Length: 60000\r\n\r\n"
        async with connected("127.0.0.1", port) as (reader, writer):
            said = await trickled(reader, writer, head.encode(), b'"too_slow"')
        assert said.startswith(b"HTTP/1.1 408") and b"Connection: close" in said


async def test_an_answer_that_nobody_takes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording is sent while the client reads; a client that stops loses its place."""
    monkeypatch.setattr(timeouts, "STALLED_S", 1.0)
    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def endless(request: web.Request) -> web.StreamResponse:
        response, pieces = web.StreamResponse(), 0
        await response.prepare(request)
        try:
            while True:
                await written(response, bytes(1 << 20))
                pieces += 1
        except TimeoutError:
            ended.set_result(pieces)
            assert request.transport is not None
            request.transport.abort()
        return response

    app = web.Application()
    app.router.add_get("/", endless)
    async with served(app) as port, connected("127.0.0.1", port) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        for _ in range(12):
            await reader.readexactly(1 << 20)
        assert not ended.done()
        async with asyncio.timeout(20):
            assert await ended >= 12


async def test_any_answer_that_nobody_takes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file or page that the client does not read is ended by the system's TCP timeout."""
    monkeypatch.setattr(timeouts, "STALLED_S", 0.3)
    ended = asyncio.Event()

    async def large(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(bytes(1 << 20))
        finally:
            ended.set()

    app = web.Application()
    app.router.add_get("/", large)
    async with served(app) as port, connected("127.0.0.1", port) as (_, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        async with asyncio.timeout(20):
            await ended.wait()


async def test_who_has_hung_up_is_not_worked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long work is cancelled when its client disconnects, and only then."""
    monkeypatch.setattr(timeouts, "LOOK_S", 0.02)
    begun, ended, waited = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def long(request: web.Request) -> web.StreamResponse:
        async with timeouts.while_there(request):
            begun.set()
            try:
                await waited.wait()
            finally:
                ended.set()
        return web.Response(text="here")

    app = web.Application()
    app.router.add_get("/", long)
    async with served(app) as port, asyncio.timeout(20):
        async with connected("127.0.0.1", port) as (_, writer):
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await begun.wait()
        await ended.wait()
        assert not waited.is_set()
        async with connected("127.0.0.1", port) as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            for _ in range(5):
                await asyncio.sleep(timeouts.LOOK_S)
            waited.set()
            assert (await reader.readuntil(b"here")).startswith(b"HTTP/1.1 200")
        [count] = [sample.value for source in app[METRICS] for sample in source() if "malformed" in sample.name]
        assert count == 0, "who hangs up has said nothing wrong"
