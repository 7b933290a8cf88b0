"""Every HTTP connection from accept to close, and which connections are ended when there are too many.

Strangers, that is clients without a login or token, must not use up the descriptors. This module accepts connections itself instead of
leaving that to asyncio, for two reasons: a connection counts before its TLS handshake is done, and its first byte can be inspected, so
that one port takes TLS, plain HTTP and ICE over TCP.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

from aiohttp import http_exceptions, web
from multidict import MultiMapping

from sfu.config.errors import ConfigError
from sfu.net.acceptor import Acceptor, OnAccepted
from sfu.wire.ice import Address
from web.auth.identity import LOGIN, TOKEN
from web.auth.rate_limit import place_of
from web.http import plain_http, timeouts
from web.http.addresses import is_loopback
from web.http.challenges import Challenges
from web.http.fair_shares import most_connections
from web.http.first_byte import WireProtocol, first_byte, protocol_of
from web.http.metrics import Sample
from web.http.problems import mishap, no_http, too_long, translated
from web.http.relayed import RELAYED
from web.http.tls import Tls

logger = logging.getLogger(__name__)

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

STRANGERS_SHARE = 1 / 8  # of the connections: 1,024 of 8,192
PLACE_SHARE = 1 / 4  # of the strangers; a client address with more loses first, busy or not
MOST_BUSY_OF_USER = 300  # 256 WebSockets and some requests; a user with more loses when no other connection can be ended
ENDED_AT_ONCE = 16  # connections; one search over all of them then serves many newcomers
ACCEPTED_AT_ONCE = 4  # connections; media packets wait meanwhile
FIRST_BYTE_S = 10.0  # after accept
HANDSHAKE_S = 10.0  # of TLS, after the first byte
# Of one request's head, each header in bytes. A login portal on the same host sets up to 16 KB of cookies.
LONGEST_HEADER, MOST_HEADERS = 24 * 1024, 64
TOO_MANY = "Too many headers"  # aiohttp's message: its exception has other causes too
REASONS = ("stranger", "idle", "crowd", "newcomer", "handshake", "unknown", "tls", "media", "descriptors")  # why a connection was dropped
NO_TLS = "(TLS at http.port, but http.tls is off: clients have to use http://)"

if not callable(getattr(web.RequestHandler, "_handle_request", None)):  # overridden below: if it had another name, nothing would call ours
    raise ConfigError("this aiohttp has no RequestHandler._handle_request: install the versions of setup.cfg")


class Connection(web.RequestHandler):
    """One HTTP connection: aiohttp's protocol, and to whom the connection is counted. Owned by Connections; closed by it or by aiohttp.

    client: whom it counts for: an address or IPv6 network, a signed-in user, or only itself.
    """

    __slots__ = ("_answering", "_connections", "address", "authenticated", "client", "opening", "plain")

    def __init__(self, connections: "Connections", address: Address, place: Hashable) -> None:
        """address: of the other end; place: its address or network; None where many clients share that (loopback, a proxy)."""
        settings: dict[str, Any] = {"access_log": None, "max_field_size": LONGEST_HEADER, "max_headers": MOST_HEADERS}
        super().__init__(connections.server, loop=asyncio.get_running_loop(), keepalive_timeout=timeouts.HEAD_S, **settings)
        self._connections = connections
        self._answering: web.BaseRequest | None = None
        self.authenticated = False
        self.client: Hashable = id(self) if place is None else place
        self.opening: asyncio.Task[object] | None = None
        self.address = address
        self.plain = False  # HTTP without TLS where TLS is served

    @property
    def idle(self) -> bool:
        """Whether no request is being answered; an answer ends with its last byte."""
        return self._answering is None

    def note_login(self) -> bool:
        """Count the connection for the user if the current request has a login or token. Returns whether there has been one."""
        if self._answering is not None and (relayed := self._answering.get(RELAYED)) is not None:
            self.authenticated, self.client = True, ("node", relayed.node, id(self))  # no crowd: it brings many people's requests
            return True
        signed = None if self._answering is None else self._answering.get(LOGIN) or self._answering.get(TOKEN)
        if signed is not None:
            self.authenticated, self.client = True, ("user", signed.user_id)
        return self.authenticated

    def stop_opening(self) -> asyncio.Task[object] | None:
        """End the wait for the first byte or the handshake. Not the last step: uvloop would close the transport without telling aiohttp."""
        if self.opening is not None and self.transport is None:
            self.opening.cancel()
        return self.opening

    def abort(self) -> None:
        """Close it without sending what waits."""
        self.stop_opening()
        if self.transport is not None:
            self.transport.abort()
        self._connections.forget(self)

    async def _handle_request(self, request: web.BaseRequest, start: float | None, handler: Handler) -> tuple[web.StreamResponse, bool]:
        """Overrides aiohttp's: from the handler to the last byte of the answer. Its own refusals become problem documents, as ours are."""

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            door, is_http = self._connections, isinstance(request.headers, MultiMapping)  # else aiohttp made it up for malformed bytes
            if self.plain and is_http and (answer := plain_http.answer_to(request, door.is_proxy, door.challenges)) is not None:
                return answer
            try:
                return await handler(request)
            except web.HTTPException as refusal:  # an Expect header with an unknown expectation
                if refusal.status < 400:
                    raise
                return translated(refusal)

        self._answering = request
        try:
            return await super()._handle_request(request, start, handle)
        finally:
            self.note_login()
            self._answering = None

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Overrides aiohttp's, called for malformed HTTP and too long heads: aiohttp logs them; the answer becomes a problem document."""
        super().handle_error(request, status, exc, message)
        if (isinstance(exc, http_exceptions.LineTooLong) and exc.args[1] == LONGEST_HEADER) or TOO_MANY in str(message):
            answer = too_long(LONGEST_HEADER, MOST_HEADERS)
        else:
            answer = no_http() if status < 500 else mishap()
        answer.force_close()
        return answer

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._connections.forget(self)


class Connections:
    """Accepts connections on the listening sockets, and closes those. Bounded: `most` connections, an eighth of them strangers'.

    Who loses when there is no room, the first group that has a member:
    1. strangers from a place that has over a quarter of the strangers' connections,
    2. idle strangers,
    3. other idle connections, if all places are taken and not only the strangers',
    4. any stranger,
    5. users with over 300 busy connections,
    6. the new connection.
    Within a group those go first whose client has most of them, then the oldest.
    """

    def __init__(
        self,
        server: web.Server,
        listening: Sequence[socket.socket],
        context: ssl.SSLContext | None,
        is_proxy: Callable[[str], bool],
        media: OnAccepted | None = None,
        challenges: Challenges | None = None,
    ) -> None:
        """context: of TLS; None: HTTP is plain. is_proxy: whether an address is a trusted proxy's, behind which are many clients.

        media: takes over connections that begin like ICE over TCP, before anything is read; None: they are closed.
        challenges: of an authority of certificates, which are answered before all else.
        """
        self.server = server
        self.most = most_connections()
        self.most_strangers = int(STRANGERS_SHARE * self.most)
        self.is_proxy = is_proxy
        self.no_tls = NO_TLS  # said of a TLS client where there is no TLS
        self._listening, self._media, self.challenges = listening, media, challenges or Challenges()
        self._acceptor: Acceptor | None = None
        self._handshake: dict[str, Any] = {}
        if context is not None:
            self.serve_with(context)
        self._all: dict[Connection, None] = {}  # this and the next: in the order of arrival
        self._strangers: dict[Connection, None] = {}  # may still have some that have signed in meanwhile
        self._dropped = dict.fromkeys(REASONS, 0)

    async def __aenter__(self) -> Self:
        self._acceptor = Acceptor(self._listening, ACCEPTED_AT_ONCE, self._accept, partial(self._count, "descriptors"))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop accepting and cancel the handshakes. aiohttp closes the open connections."""
        if self._acceptor is not None:
            self._acceptor.close()
        await asyncio.gather(*filter(None, [each.stop_opening() for each in self._all]), return_exceptions=True)

    def __len__(self) -> int:
        return len(self._all)

    def serve_with(self, context: ssl.SSLContext) -> None:
        """Use this certificate for new connections; open ones, and those in a handshake, keep the previous one."""
        self._handshake = {"ssl": context, "ssl_handshake_timeout": HANDSHAKE_S}

    def samples(self) -> Iterable[Sample]:
        """For /metrics."""
        yield Sample("hushcast_connections", "gauge", "Open connections of HTTP, WebSockets included.", len(self._all))
        for reason, count in self._dropped.items():
            yield Sample("hushcast_connections_dropped_total", "counter", "Connections not let in or ended.", count, {"reason": reason})
        if (until := self._certificate_end) is not None:
            name, help_ = "hushcast_certificate_expires_timestamp_seconds", "When the certificate that is served expires (Unix time)."
            yield Sample(name, "gauge", help_, until)

    @property
    def _certificate_end(self) -> float | None:
        context = self._handshake.get("ssl")
        return context.good_until if isinstance(context, Tls) else None

    def forget(self, connection: Connection) -> None:
        """Stop counting a connection that has ended or that the media plane has taken."""
        self._all.pop(connection, None)
        self._strangers.pop(connection, None)

    def _accept(self, sock: socket.socket, address: Address) -> None:
        if not self._has_room():
            self._count("newcomer")
            sock.close()
            return
        sock.setblocking(False)
        one_place = not is_loopback(address[0]) and not self.is_proxy(address[0])
        connection = Connection(self, address, place_of(address[0]) if one_place else None)
        self._all[connection] = self._strangers[connection] = None
        connection.opening = asyncio.create_task(self._open(connection, sock), name="opening a connection")
        connection.opening.add_done_callback(partial(self._opened, connection, sock))

    async def _open(self, connection: Connection, sock: socket.socket) -> None:
        """Hand the connection to HTTP or to the media plane by its first byte. On an error `_opened` closes and counts it."""
        first = await first_byte(sock, FIRST_BYTE_S)
        protocol = None if first is None else protocol_of(first)
        if protocol is WireProtocol.MEDIA and self._media is not None:
            self.forget(connection)
            self._media(sock, connection.address)
        elif protocol is WireProtocol.HTTP or (protocol is WireProtocol.TLS and self._handshake):
            connection.plain = protocol is WireProtocol.HTTP and bool(self._handshake)
            challenge = None if connection.plain else await self.challenges.asked_for(sock)
            handshake = {} if connection.plain else self._handshake | ({} if challenge is None else {"ssl": challenge})
            await self._serve(connection, sock, handshake)
            if challenge is not None and connection.transport is not None:
                connection.transport.close()  # the certificate was all that was asked for
        else:
            if protocol is not None:
                self._count(*{WireProtocol.TLS: ("tls", self.no_tls), WireProtocol.MEDIA: ("media", "")}.get(protocol, ("unknown", "")))
            sock.close()
            self.forget(connection)

    async def _serve(self, connection: Connection, sock: socket.socket, handshake: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if hasattr(socket, "TCP_USER_TIMEOUT"):  # for answers that the client does not read
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * timeouts.STALLED_S))
        await asyncio.get_running_loop().connect_accepted_socket(lambda: connection, sock, **handshake)

    def _opened(self, connection: Connection, sock: socket.socket, opening: asyncio.Task[object]) -> None:
        connection.opening = None
        if opening.cancelled() or opening.exception() is not None:  # no byte in time, a failed handshake, or a lost connection
            self._dropped["handshake"] += not opening.cancelled()
            sock.close()
            self.forget(connection)

    def _has_room(self) -> bool:
        """Whether one more connection fits; ends others for it where there are too many."""
        full = len(self._all) >= self.most
        if not full and len(self._strangers) < self.most_strangers:
            return True
        for connection in [each for each in self._strangers if each.note_login()]:
            del self._strangers[connection]
        if not full and len(self._strangers) < self.most_strangers:
            return True
        reason, some = self._least(full)
        count = Counter(each.client for each in some)
        for connection in sorted(some, key=lambda each: -count[each.client])[:ENDED_AT_ONCE]:
            self._count(reason)
            connection.abort()
        return bool(some)

    def _least(self, full: bool) -> tuple[str, list[Connection]]:
        """The first group of the list above that has members, after the metric's reason. `_strangers` has no signed-in ones then."""
        held = Counter(each.client for each in self._strangers)
        if crowd := [each for each in self._strangers if held[each.client] > int(self.most_strangers * PLACE_SHARE)]:
            return "stranger", [each for each in crowd if each.idle] or crowd
        if idle := [each for each in self._strangers if each.idle]:
            return "stranger", idle
        if full and (idle := [each for each in self._all if each.idle]):
            return "idle", idle
        if self._strangers:
            return "stranger", list(self._strangers)
        users = Counter(each.client for each in self._all if each.note_login())
        return "crowd", [each for each in self._all if users[each.client] > MOST_BUSY_OF_USER]

    def _count(self, reason: str, why: object = "") -> None:
        if not self._dropped[reason]:  # logged once; later ones are in the metrics
            logger.warning("a connection is dropped, of %s: %s %s; later ones are only counted", len(self._all), reason, why)
        self._dropped[reason] += 1
