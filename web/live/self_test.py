"""The self-test: can a browser connect over UDP only, over TCP only, or over the web server's port only?

The connection carries no sound, is shown to nobody, and ends by itself.
"""

import asyncio
from collections.abc import Callable

from aiohttp import web

from sfu.errors import NotFound
from sfu.peer.peer import Peer
from sfu.wire import sdp
from sfu.wire.candidates import Used
from sfu.wire.offer import parse_offer
from sfu.wire.sdp import Over
from web.auth.identity import current_user
from web.errors import TooMany
from web.http.json_body import query_as
from web.http.responses import ok
from web.http.shapes import Answer, Query
from web.live.negotiation import SDP, offer_of, used_by

LIFE_S = 15.0  # of a test connection; the page needs a few seconds
MOST, MOST_EACH = 48, 6  # connections at once, of all users and of one; a test makes three

MakeTestPeer = Callable[[sdp.Offer, Used, Over], Peer]


class SelfTestQuery(Query, frozen=True, kw_only=True):
    """By what the connection is to come up."""

    over: Over = "udp"


class SelfTestWays(Answer, frozen=True, kw_only=True):
    """The media port, and by what media may come for a client that asks by this way."""

    port: int
    protocols: list[Over]


class SelfTests:
    """Owns the peers of the self-tests under way, and the tasks that end them. Async context manager."""

    def __init__(self, make_peer: MakeTestPeer, port: int, transports_of: Callable[[Used], tuple[Over, ...]]) -> None:
        """transports_of: those that a client can use, by the address it has used; they change with the machine's addresses."""
        self.port, self.transports_of = port, transports_of
        self._make_peer = make_peer
        self._running: dict[asyncio.Task[None], str] = {}

    async def __aenter__(self) -> "SelfTests":
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def begin(self, username: str, offer: sdp.Offer, used: Used, over: Over) -> str:
        """The SDP answer. Raises TooMany, and NotFound where the server does not offer this transport."""
        if over not in self.transports_of(used):
            raise NotFound("The server takes no sound by that way.")
        if len(self._running) >= MOST or list(self._running.values()).count(username) >= MOST_EACH:
            raise TooMany("A test is under way; wait a little.", retry_after_s=LIFE_S)
        peer = self._make_peer(offer, used, over)
        task = asyncio.create_task(_lived(peer), name=f"self-test {peer.label}")
        self._running[task] = username
        task.add_done_callback(self._running.pop)
        return peer.answer


SELF_TESTS = web.AppKey("SELF_TESTS", SelfTests)


async def _lived(peer: Peer) -> None:
    """Close the peer when the client leaves, or when its time is over."""
    gone = asyncio.Event()
    peer.on_gone = lambda _: gone.set()
    try:
        async with asyncio.timeout(LIFE_S):
            await gone.wait()
    except TimeoutError:
        pass
    finally:
        await peer.close()


async def begin(request: web.Request) -> web.Response:
    """Begin a test: an SDP offer that receives audio gets an answer with candidates of one transport only."""
    user = await current_user(request)
    over = query_as(request, SelfTestQuery).over
    offer, used = parse_offer(await offer_of(request), "subscribe"), await used_by(request)
    return web.Response(text=request.app[SELF_TESTS].begin(user.username, offer, used, over), content_type=SDP)


async def ports(request: web.Request) -> web.Response:
    """Which transports there are to test."""
    await current_user(request)
    used = await used_by(request)
    return ok(SelfTestWays(port=request.app[SELF_TESTS].port, protocols=list(request.app[SELF_TESTS].transports_of(used))))
