"""The front doors: every connection of HTTP, from accept to its end, and who gives way where there are too many.

Descriptors are what strangers could use up. The doors accept for themselves, so that who only begins to shake hands for TLS counts
too, and so that the first byte can be looked at: one port takes TLS, plain HTTP and the media plane's ICE over TCP.
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

from sfu.errors import ConfigError
from sfu.net.acceptor import Acceptor, Welcome
from sfu.wire.ice import Address
from web.auth.identity import LOGIN, TOKEN
from web.auth.rate_limit import place_of
from web.http import plain_http, timeouts
from web.http.addresses import is_loopback
from web.http.fair_shares import connections
from web.http.first_byte import Speech, first_byte, speech_of
from web.http.metrics import Sample
from web.http.problems import mishap, no_http, too_long, translated

logger = logging.getLogger(__name__)

Asked = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

STRANGERS = 1 / 8  # of the connections, without a login or a token: 1,024 of 8,192
A_PART = 4  # of the strangers: who brings more than one in so many is asked first, busy or not
A_CROWD = 300  # in use by one user: 256 sockets, and requests; beyond it she makes room where there is none else
AT_ONCE = 16  # give way together, so that looking for them costs little each
ACCEPTS = 4  # in one go; packets of sound wait meanwhile
FIRST_S = 10.0  # from the connection to its first byte
HANDSHAKE_S = 10.0  # of TLS, from there
# Of one request's head. A login portal on the same host sets up to 16 KB of cookies; a stranger can make us keep 64 times as much.
LONGEST_HEADER, MOST_HEADERS = 24 * 1024, 64
TOO_MANY = "Too many headers"  # what aiohttp says of those; the exception is one of many uses
REASONS = ("stranger", "idle", "crowd", "newcomer", "handshake", "unknown", "tls", "media", "descriptors")  # for a connection's end
NO_TLS = "(TLS at http.port, but http.tls is off: it is to be called by http://)"

if not callable(getattr(web.RequestHandler, "_handle_request", None)):  # overridden below: a renamed one would change what we do in silence
    raise ConfigError("this aiohttp has no RequestHandler._handle_request: install the versions of setup.cfg")


class Connection(web.RequestHandler):
    """One connection: aiohttp's protocol, and what the doors know of who is there. Owned by Doors, closed by aiohttp or by Doors."""

    __slots__ = ("_asked", "_doors", "address", "known", "opening", "plain", "whose")

    def __init__(self, doors: "Connections", address: Address, place: Hashable) -> None:
        """address: of the other end; place: where it comes from; None where that says nothing of who it is."""
        speaking: dict[str, Any] = {"access_log": None, "keepalive_timeout": timeouts.HEAD_S}
        speaking |= {"max_field_size": LONGEST_HEADER, "max_headers": MOST_HEADERS}
        super().__init__(doors.server, loop=asyncio.get_running_loop(), **speaking)
        self._doors = doors
        self._asked: web.BaseRequest | None = None
        self.known = False
        self.whose: Hashable = id(self) if place is None else place
        self.opening: asyncio.Task[object] | None = None
        self.address = address
        self.plain = False  # HTTP without TLS where TLS is served

    @property
    def idle(self) -> bool:
        """It has asked nothing that is not answered to the last byte."""
        return self._asked is None

    def recognised(self) -> bool:
        """Whether somebody has signed in here, as far as the request that is being answered tells by now."""
        signed = None if self._asked is None else self._asked.get(LOGIN) or self._asked.get(TOKEN)
        if signed is not None:
            self.known, self.whose = True, ("user", signed.user_id)
        return self.known

    def turn_out(self) -> None:
        """End it at once."""
        if self.opening is not None:
            self.opening.cancel()
        if self.transport is not None:
            self.transport.abort()
        self._doors.forget(self)

    async def _handle_request(self, request: web.BaseRequest, start: float | None, handler: Asked) -> tuple[web.StreamResponse, bool]:
        """aiohttp's: handler and answer, whole files included. What it refuses before our part begins is told as we tell failures."""

        async def asked(request: web.BaseRequest) -> web.StreamResponse:
            is_http = isinstance(request.headers, MultiMapping)  # else it is what aiohttp makes up to tell what was wrong
            if self.plain and is_http and (answer := plain_http.answer_to(request, self._doors.is_proxy)) is not None:
                return answer
            try:
                return await handler(request)
            except web.HTTPException as refusal:  # an Expect that nobody can meet
                if refusal.status < 400:
                    raise
                return translated(refusal)

        self._asked = request
        try:
            return await super()._handle_request(request, start, asked)
        finally:
            self.recognised()
            self._asked = None

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """aiohttp's: what is no HTTP, or a head that is too long. It logs; the answer is a problem document, as all that go wrong."""
        super().handle_error(request, status, exc, message)
        if (isinstance(exc, http_exceptions.LineTooLong) and exc.args[1] == LONGEST_HEADER) or TOO_MANY in str(message):
            answer = too_long(LONGEST_HEADER, MOST_HEADERS)
        else:
            answer = no_http() if status < 500 else mishap()
        answer.force_close()
        return answer

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._doors.forget(self)


class Connections:
    """Accepts from the listening sockets, and closes them. Bounded: `most` connections, an eighth of them strangers'.

    Who loses: strangers of whom a quarter of all come from one place; then the stranger that asks nothing just now, then (where all is
    full) who else asks nothing, then any stranger, then who has a crowd here; of them those of whom most are from one place, the
    oldest first. If there is none, the newcomer.
    """

    def __init__(
        self,
        server: web.Server,
        listening: Sequence[socket.socket],
        context: ssl.SSLContext | None,
        is_proxy: Callable[[str], bool],
        media: Welcome | None = None,
    ) -> None:
        """context: of TLS; None: HTTP is plain; is_proxy: whether an address is that of a trusted proxy, who brings many;

        media: takes over a connection that begins as ICE over TCP does, with nothing read; None: there are none.
        """
        self.server = server
        self.most = connections()
        self.most_strangers = int(STRANGERS * self.most)
        self.is_proxy = is_proxy
        self._listening, self._media = listening, media
        self._accepting: Acceptor | None = None
        self._handshake: dict[str, Any] = {}
        if context is not None:
            self.serve_with(context)
        self._guests: dict[Connection, None] = {}  # both in the order they came
        self._strangers: dict[Connection, None] = {}  # and some who have signed in since it was last looked
        self._dropped = dict.fromkeys(REASONS, 0)

    async def __aenter__(self) -> Self:
        self._accepting = Acceptor(self._listening, ACCEPTS, self._welcome, partial(self._count, "descriptors"))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Nobody comes in any more, and who is just shaking hands goes. Who is in is aiohttp's to close."""
        if self._accepting is not None:
            self._accepting.close()
        opening = [guest.opening for guest in self._guests if guest.opening is not None]
        for task in opening:
            task.cancel()
        await asyncio.gather(*opening, return_exceptions=True)

    def __len__(self) -> int:
        return len(self._guests)

    def serve_with(self, context: ssl.SSLContext) -> None:
        """Whoever comes from now on gets this certificate; who is in, or just shaking hands, keeps the one before it."""
        self._handshake = {"ssl": context, "ssl_handshake_timeout": HANDSHAKE_S}

    def samples(self) -> Iterable[Sample]:
        """For /metrics."""
        yield Sample("hushcast_connections", "gauge", "Open connections of HTTP, WebSockets included.", len(self._guests))
        for reason, count in self._dropped.items():
            yield Sample("hushcast_connections_dropped_total", "counter", "Connections not let in or ended.", count, f'reason="{reason}"')

    def forget(self, guest: Connection) -> None:
        """It has ended."""
        self._guests.pop(guest, None)
        self._strangers.pop(guest, None)

    def _welcome(self, connection: socket.socket, address: Address) -> None:
        if not self._has_room():
            self._count("newcomer")
            connection.close()
            return
        connection.setblocking(False)
        one_place = not is_loopback(address[0]) and not self.is_proxy(address[0])
        guest = Connection(self, address, place_of(address[0]) if one_place else None)
        self._guests[guest] = self._strangers[guest] = None
        guest.opening = asyncio.create_task(self._open(guest, connection), name="opening a connection")
        guest.opening.add_done_callback(partial(self._opened, guest, connection))

    async def _open(self, guest: Connection, connection: socket.socket) -> None:
        """Look at the first byte and give the connection to whoever serves that. What raises is closed and counted by `_opened`."""
        first = await first_byte(connection, FIRST_S)
        speech = None if first is None else speech_of(first)
        if speech is Speech.MEDIA and self._media is not None:
            self.forget(guest)
            self._media(connection, guest.address)
        elif speech is Speech.HTTP or (speech is Speech.TLS and self._handshake):
            guest.plain = speech is Speech.HTTP and bool(self._handshake)
            await self._serve(guest, connection, {} if guest.plain else self._handshake)
        else:
            if speech is not None:
                self._count(*{Speech.TLS: ("tls", NO_TLS), Speech.MEDIA: ("media", "")}.get(speech, ("unknown", "")))
            connection.close()
            self.forget(guest)

    async def _serve(self, guest: Connection, connection: socket.socket, handshake: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if hasattr(socket, "TCP_USER_TIMEOUT"):  # of any answer that nobody takes
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * timeouts.STALLED_S))
        await asyncio.get_running_loop().connect_accepted_socket(lambda: guest, connection, **handshake)

    def _opened(self, guest: Connection, connection: socket.socket, opening: asyncio.Task[object]) -> None:
        guest.opening = None
        if opening.cancelled() or opening.exception() is not None:  # said nothing in time, no TLS, or nobody there any more
            self._dropped["handshake"] += not opening.cancelled()
            connection.close()
            self.forget(guest)

    def _has_room(self) -> bool:
        """Make room where there is none. False: nobody can be asked to go."""
        full = len(self._guests) >= self.most
        if not full and len(self._strangers) < self.most_strangers:
            return True
        for guest in [each for each in self._strangers if each.recognised()]:
            del self._strangers[guest]
        if not full and len(self._strangers) < self.most_strangers:
            return True
        reason, some = self._least(full)
        count = Counter(each.whose for each in some)
        for guest in sorted(some, key=lambda each: -count[each.whose])[:AT_ONCE]:
            self._count(reason)
            guest.turn_out()
        return bool(some)

    def _least(self, full: bool) -> tuple[str, list[Connection]]:
        """Why, and those who have the least claim to their places. Called where no stranger is known to have signed in."""
        held = Counter(each.whose for each in self._strangers)
        if crowd := [each for each in self._strangers if held[each.whose] > self.most_strangers // A_PART]:
            return "stranger", [each for each in crowd if each.idle] or crowd
        if idle := [each for each in self._strangers if each.idle]:
            return "stranger", idle
        if full and (idle := [each for each in self._guests if each.idle]):
            return "idle", idle
        if self._strangers:
            return "stranger", list(self._strangers)
        users = Counter(each.whose for each in self._guests if each.recognised())
        return "crowd", [each for each in self._guests if users[each.whose] > A_CROWD]

    def _count(self, reason: str, why: object = "") -> None:
        if not self._dropped[reason]:  # said once; the figures have the rest
            logger.warning("a connection is dropped, of %s: %s %s; from now on that is only counted", len(self._guests), reason, why)
        self._dropped[reason] += 1
