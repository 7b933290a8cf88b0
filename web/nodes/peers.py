"""Asks other nodes over HTTP: signed requests with a time limit, after a handshake with each of them in each of its lives."""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from types import TracebackType
from typing import Self, TypeVar

import aiohttp
from aiohttp import hdrs
from yarl import URL

from web.errors import NodeAway
from web.http.metrics import Sample
from web.http.relayed import Relayed
from web.nodes import handshake
from web.nodes.handshake import Acquaintance
from web.nodes.signed_requests import Forged, NodeLife, Question, Sealed, key_of, signed

logger = logging.getLogger(__name__)

ANSWER_S = 1.0  # until the answer's headers; a stopped process accepts connections, and never answers
SILENT_S = 2.0  # a node that has not answered in time is not asked again for so long
READ_S = 10.0  # until the answer with a recording's sound: a child process may have to decode it first
CONNECTIONS = 512  # to all nodes together; further requests wait within their time limit, and say nothing of the node then
DOWNLOADS = 256  # the same for answers that last as long as a client plays them, so that these keep no offer waiting
KEEP_S = 15.0  # an idle connection; shorter than the receiver keeps it, which so never closes one under a request
LONGEST_HANDSHAKE = 4096
REQUESTS = "requests"  # the purpose of the key
REFUSED = "Hushcast-Node-Refused"  # in the answer of a node that has not taken the signature

HEARTBEAT_S = 10.0  # of sockets; half of it later a silent one is closed
CLOSE_S = 1.0  # the other end's time to answer a close frame
LONGEST_MESSAGE = 256 * 1024  # a status with a thousand listeners' names has 40 KB
RENEW_S = 600.0  # a handshake; clocks of hosts drift by some 0.1 ms a second
MOST_KNOWN = 256  # handshakes
UNASKED = (hdrs.USER_AGENT, hdrs.CONTENT_TYPE, hdrs.ACCEPT_ENCODING, hdrs.ACCEPT)  # headers that the client library would add

T = TypeVar("T")
UrlOf = Callable[[str], str | None]
Send = Callable[[aiohttp.ClientSession, URL, dict[str, str]], Awaitable[T]]


class NodeClient:
    """Owns the HTTP session to the other nodes, and what is known of each. Async context manager."""

    def __init__(self, me: NodeLife, secret: str, url_of: UrlOf) -> None:
        """url_of: a node's URL by its name, None for one that is not in the directory."""
        self.me = me
        self._secret, self._key = secret, key_of(secret, REQUESTS)
        self._url_of = url_of
        self._known: dict[tuple[str, str], tuple[Acquaintance, float]] = {}  # by name and URL, with the time of the handshake
        self._said: dict[str, str] = {}  # what was logged of each
        self._meeting: dict[str, asyncio.Lock] = {}
        self._silent_until: dict[str, float] = {}
        self._places, self._downloads = asyncio.Semaphore(CONNECTIONS), asyncio.Semaphore(DOWNLOADS)
        self._http: aiohttp.ClientSession | None = None
        self._asked = self._unanswered = self._handshakes = 0

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_S)  # sockets last; requests are limited by `_place`
        timeout = aiohttp.ClientTimeout(total=None)
        jar = aiohttp.DummyCookieJar()
        self._http = aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False, cookie_jar=jar)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._http is not None:
            await self._http.close()

    def samples(self) -> Iterable[Sample]:
        """For /metrics."""
        yield Sample("hushcast_node_requests_total", "counter", "Requests sent to other nodes.", self._asked)
        yield Sample(
            "hushcast_node_requests_unanswered_total", "counter", "Requests that no other node has answered in time.", self._unanswered
        )
        yield Sample("hushcast_node_handshakes_total", "counter", "Handshakes with other nodes.", self._handshakes)

    def is_silent(self, node: str) -> bool:
        """Whether the node has just not answered in time."""
        return time.monotonic() < self._silent_until.get(node, 0.0)

    @asynccontextmanager
    async def asked(
        self, node: str, question: Question, relayed: Relayed, headers: Mapping[str, str] | None = None, within_s: float = ANSWER_S
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer of another node, whose body the caller reads. Raises NodeAway where it has not begun within that time."""

        async def send(http: aiohttp.ClientSession, url: URL, sealed: dict[str, str]) -> aiohttp.ClientResponse:
            all_headers = {**(headers or {}), **sealed}
            body = question.body or None
            response = await http.request(
                question.method, url, data=body, headers=all_headers, skip_auto_headers=UNASKED, allow_redirects=False
            )
            if response.status == HTTPStatus.FORBIDDEN and REFUSED in response.headers:
                response.close()
                raise _Refused(response.headers[REFUSED])
            return response

        is_download = question.method in (hdrs.METH_GET, hdrs.METH_HEAD) and within_s >= READ_S
        async with self._place(self._downloads if is_download else self._places, within_s):
            async with await self._in_time(node, question, relayed, send, within_s) as response:
                yield response

    @asynccontextmanager
    async def _place(self, places: asyncio.Semaphore, within_s: float) -> AsyncIterator[None]:
        """One of the places for requests. Raises NodeAway where none is free in time, which is no fault of the node's."""
        try:
            async with asyncio.timeout(within_s):
                await places.acquire()
        except TimeoutError:
            self._unanswered += 1
            raise NodeAway("Too much is asked of other servers at this moment.") from None
        try:
            yield
        finally:
            places.release()

    @asynccontextmanager
    async def socket(self, node: str, path: str, relayed: Relayed) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """A WebSocket to another node. Raises NodeAway where it does not open in time."""

        async def send(http: aiohttp.ClientSession, url: URL, sealed: dict[str, str]) -> aiohttp.ClientWebSocketResponse:
            try:
                brief = aiohttp.ClientWSTimeout(ws_close=CLOSE_S)
                return await http.ws_connect(url, headers=sealed, timeout=brief, heartbeat=HEARTBEAT_S, max_msg_size=LONGEST_MESSAGE)
            except aiohttp.WSServerHandshakeError as error:
                if error.status == HTTPStatus.FORBIDDEN and error.headers is not None and REFUSED in error.headers:
                    raise _Refused(error.headers[REFUSED]) from None
                raise

        async with await self._in_time(node, Question(hdrs.METH_GET, path), relayed, send, ANSWER_S) as opened:
            yield opened

    async def _in_time(self, node: str, question: Question, relayed: Relayed, send: Send[T], within_s: float) -> T:
        if self._http is None or self._http.closed:
            raise NodeAway("This server ends.")  # a recording that is still being joined goes on at the next start
        if self.is_silent(node):
            raise NodeAway(f"The server {node} does not answer.")
        self._asked += 1
        try:
            async with asyncio.timeout(within_s):
                return await self._twice(node, question, relayed, send)
        except TimeoutError:
            if within_s <= ANSWER_S:  # what may take longer says nothing of the node
                self._silent(node)
            self._say(node, f"has not answered within {within_s:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: of a URL that is none
            self._say(node, f"cannot be reached: {error or type(error).__name__}")
        except _Refused as refused:
            self._say(node, f"refuses what is signed here ({refused}): is node.secret the same everywhere?")
        except Forged as forged:
            self._say(node, f"is not what the directory says ({forged.reason}): another server answers there, or node.secret differs")
        self._unanswered += 1
        raise NodeAway(f"The server {node} does not answer.")

    async def _twice(self, node: str, question: Question, relayed: Relayed, send: Send[T]) -> T:
        """Once more after a new handshake where the other node has begun a new life, and where it has closed an idle connection."""
        assert self._http is not None, "not open"
        for attempt in (1, 2):
            url = self._url(node)
            known = await self._acquainted(node, url)
            at_s, nonce = time.monotonic() + known.ahead_s, secrets.token_urlsafe(16)
            sealed = Sealed(to=node, boot=known.boot, at_s=at_s, nonce=nonce, relayed=relayed)
            try:
                answer = await send(self._http, URL(url + question.target, encoded=True), signed(self._key, question, sealed))
            except (_Refused, aiohttp.ServerDisconnectedError):
                self._known.pop((node, url), None)
                if attempt == 2:
                    raise
            else:
                self._said.pop(node, None)
                return answer
        raise AssertionError("not reached")

    async def _acquainted(self, node: str, url: str) -> Acquaintance:
        """From the last handshake, or a new one. Raises Forged, _Refused."""
        async with self._meeting.setdefault(node, asyncio.Lock()):
            known, since_s = self._known.get((node, url), (None, 0.0))
            if known is None or time.monotonic() - since_s > RENEW_S:
                if self.is_silent(node):  # the one before in the queue has got no answer
                    raise NodeAway(f"The server {node} does not answer.")
                known = await self._shake_hands(node, url)
                if len(self._known) >= MOST_KNOWN:
                    self._known.clear()
                self._known[node, url] = known, time.monotonic()
            return known

    async def _shake_hands(self, node: str, url: str) -> Acquaintance:
        assert self._http is not None, "not open"
        self._handshakes += 1
        nonce = secrets.token_urlsafe(16)
        headers = handshake.asking(self._secret, self.me.name, node, nonce)
        try:
            async with (
                asyncio.timeout(ANSWER_S),
                self._http.get(URL(url + handshake.PATH, encoded=True), headers=headers, allow_redirects=False) as response,
            ):
                body = await body_within(response, LONGEST_HANDSHAKE)
                now_s = time.monotonic()
        except TimeoutError:
            self._silent(node)
            raise
        if response.status == HTTPStatus.FORBIDDEN:
            raise _Refused(response.headers.get(REFUSED, "handshake"))
        return handshake.learnt(self._secret, node, nonce, body, now_s)

    def _silent(self, node: str) -> None:
        if len(self._silent_until) >= MOST_KNOWN:
            self._silent_until.clear()
        self._silent_until[node] = time.monotonic() + SILENT_S

    def _url(self, node: str) -> str:
        """Raises NodeAway for a node that is not there, or that says no URL."""
        url = self._url_of(node)
        if not url:
            raise NodeAway(f"The server {node} is not there.")
        return url.rstrip("/")

    def _say(self, node: str, what: str) -> None:
        """Log it once, until the node answers or something else is wrong."""
        if self._said.get(node) != what:
            if len(self._said) >= MOST_KNOWN:
                self._said.clear()
            self._said[node] = what
            logger.warning("node %s %s", node, what)


async def body_within(response: aiohttp.ClientResponse, most: int) -> bytes:
    """The body, of which at most `most` bytes are read. The caller limits the time."""
    body = b""
    while len(body) < most and (piece := await response.content.read(most - len(body))):
        body += piece
    return body


class _Refused(Exception):
    """The other node has not taken the signature."""
