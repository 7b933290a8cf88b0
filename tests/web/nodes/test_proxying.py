"""What is passed on of a request, and what is handed back of an answer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from multidict import CIMultiDict

from sfu.config.schema import HttpConfig
from sfu.standstill import StandstillDetector
from tests.web.nodes.test_signed_requests import ASKED, SECRET
from web.http.origin import ADDRESSES, Addresses
from web.http.problems import failures
from web.http.timeouts import STANDSTILL
from web.keys import NODE
from web.nodes import handshake
from web.nodes.gate import GATE, Gate, greet, let_in
from web.nodes.peers import NodeClient
from web.nodes.signed_requests import NodeLife
from web.signalling.proxying import NODE_CLIENT, PIECE, Errand, kept, passed_on

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
MUCH = 64 * 1024 * 1024


class Pair:
    """Node `a`, which passes everything on to node `b`, whose handler is set by the test."""

    def __init__(self) -> None:
        self.handler: Handler = _nothing
        self.url = ""
        self.seen: list[CIMultiDict[str]] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request.headers.copy())
        return await self.handler(request)


async def _pass_all_on(request: web.Request) -> web.StreamResponse:
    return await passed_on(request, Errand("b", ASKED, 5.0))


async def _nothing(request: web.Request) -> web.StreamResponse:
    return web.Response(status=204)


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    found = Pair()
    inner = web.Application(middlewares=[failures, let_in])
    inner[GATE], inner[STANDSTILL] = Gate(NodeLife("b", "boot"), SECRET), StandstillDetector()
    inner.router.add_get(handshake.PATH, greet)
    inner.router.add_route("*", "/{path:.*}", found.answer)
    async with TestServer(inner, host="127.0.0.1") as behind:
        url = str(behind.make_url("")).rstrip("/")
        async with NodeClient(NodeLife("a", "boot"), SECRET, {"b": url}.get) as client:
            outer = web.Application(middlewares=[failures])
            outer[NODE], outer[NODE_CLIENT], outer[STANDSTILL] = "a", client, StandstillDetector()
            outer[ADDRESSES] = Addresses(HttpConfig())
            outer.router.add_route("*", "/{path:.*}", _pass_all_on)
            async with TestServer(outer, host="127.0.0.1") as before:
                found.url = str(before.make_url("")).rstrip("/")
                yield found


def test_headers_of_one_connection_stay_there() -> None:
    """Hop-by-hop headers go, also those that Connection names, and what this node says itself; all others are kept, each time they come."""
    said = CIMultiDict([("Connection", "close, X-Mine"), ("X-Mine", "1"), ("Keep-Alive", "5"), ("Transfer-Encoding", "chunked")])
    said.extend([("Upgrade", "h2c"), ("Set-Cookie", "a=b"), ("Date", "now"), ("Server", "x"), ("TE", "trailers"), ("Trailer", "X")])
    said.extend([("ETag", '"7"'), ("Link", "<stun:a>"), ("Link", "<stun:b>"), ("Location", "/whep/alice/b.1")])
    assert list(kept(said).items()) == [("ETag", '"7"'), ("Link", "<stun:a>"), ("Link", "<stun:b>"), ("Location", "/whep/alice/b.1")]


async def test_nothing_of_a_login_goes_along(pair: Pair) -> None:
    """Cookie, Authorization, Origin and forwarding headers stay here; the body, its type and conditions go on."""
    mine = {"Cookie": "hushcast=secret", "Authorization": "Bearer secret", "Origin": "http://x", "X-Forwarded-For": "192.0.2.1"}
    its = {"Content-Type": "application/sdp", "If-Match": '"7"', "Range": "bytes=1-2"}
    async with aiohttp.ClientSession() as http, http.post(pair.url + "/whip/alice", data=b"v=0", headers={**mine, **its}) as answer:
        assert answer.status == 204
    [seen] = pair.seen
    assert not seen.keys() & {*mine} and all(seen[name] == value for name, value in its.items())


async def test_answers_come_back_as_they_are(pair: Pair) -> None:
    """Status, headers and body of short and long answers; HEAD has the length and no body; 204 and 304 have none."""
    bodies = {"/short": b"x" * 10, "/long": b"y" * (3 * PIECE + 1)}

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path in bodies:
            return web.Response(status=206, body=bodies[request.path], headers={"ETag": '"7"', "Content-Range": "bytes 0-9/10"})
        return web.Response(status=int(request.path[1:]), headers={"ETag": '"7"'})

    pair.handler = handler
    async with aiohttp.ClientSession() as http:
        for path, body in bodies.items():
            async with http.get(pair.url + path) as answer:
                assert (answer.status, answer.headers["ETag"], await answer.read()) == (206, '"7"', body)
            async with http.head(pair.url + path) as answer:
                assert (answer.status, answer.content_length, await answer.read()) == (206, len(body), b"")
        for status in (204, 304):
            async with http.get(f"{pair.url}/{status}") as answer:
                assert (answer.status, answer.headers["ETag"], await answer.read()) == (status, '"7"', b"")


async def test_a_long_body_waits_for_the_client(pair: Pair) -> None:
    """A client that does not read holds the other node up: only buffers are filled on the way. When it hangs up the other node is told."""
    written, ended = 0, asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse()
        response.content_length = MUCH
        await response.prepare(request)
        try:
            while written < MUCH:
                await response.write(b"z" * PIECE)
                written += PIECE
        finally:
            ended.set()
        return response

    pair.handler = handler
    async with aiohttp.ClientSession(read_bufsize=PIECE) as http:
        async with http.get(pair.url + "/much") as answer:
            assert len(await answer.content.readexactly(PIECE)) == PIECE
            before = -1
            while before != written:
                before = written
                await asyncio.sleep(0.3)
            assert written < MUCH / 2
            answer.close()
        await asyncio.wait_for(ended.wait(), 20)


async def test_an_answer_that_breaks_off_is_not_taken_for_whole(pair: Pair) -> None:
    """Where the other node goes in the middle of a body the client's connection is aborted before the promised length."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = MUCH
        await response.prepare(request)
        await response.write(b"z" * 2 * PIECE)
        assert request.transport is not None
        request.transport.abort()
        return response

    pair.handler = handler
    async with aiohttp.ClientSession() as http, http.get(pair.url + "/much") as answer:
        with pytest.raises(aiohttp.ClientError):
            await answer.read()
