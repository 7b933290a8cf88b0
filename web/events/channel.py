"""One WebSocket: typed messages in both directions, a bounded send queue, a heartbeat, and a close code."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Literal, Self

import msgspec
from aiohttp import WSMessage, WSMsgType, web

from web.errors import BadRequest
from web.events.message_rate import MessageRate
from web.events.socket_messages import Envelope, MessageError, Ping, Pong, envelope_of, text_of
from web.http.fields import message_from
from web.http.shapes import ServerMessage
from web.http.timeouts import STANDSTILL

MESSAGE_LIMIT = 64 * 1024
QUEUE_LIMIT = 128  # messages that wait for a slow client; with one more it is disconnected
SPARE_LIMIT = 8  # when more messages wait, those that the next of their kind replaces are dropped
RATE = 20  # messages a second
PING_S, DEAD_S = 5.0, 15.0
CLOSE_S = 2.0  # the client's time to answer a close frame

NOT_SIGNED_IN, NOT_ALLOWED, NO_SUCH_THING, SILENT, TOO_MANY, GOING_AWAY = 4401, 4403, 4404, 4408, 4429, 1001


class Channel:
    """Owns an accepted socket and the task that sends on it. Only the async methods wait.

    Who loses: a client that reads too slowly. From 8 waiting messages on its levels are dropped (`spared`), at 128 it is disconnected.
    """

    def __init__(self, request: web.Request, username: str, login_id: int | None = None, rate: MessageRate | None = None) -> None:
        """rate: shared with other sockets; None: the socket has its own."""
        self.username, self.login_id = username, login_id
        self.link_id: int | None = None  # of the listen link by which it hears a broadcast
        self.is_shared = False  # by another node's watchers of the broadcaster whose name it has
        self.rates = [rate or MessageRate(RATE)]
        self.spared = 0
        self._request = request
        self._socket = web.WebSocketResponse(timeout=CLOSE_S, autoping=False, compress=False, max_msg_size=MESSAGE_LIMIT + 1)
        self._queue: deque[str] = deque()
        self._wake = asyncio.Event()
        self._ping_due = False
        self._code: int | None = None
        self._loop = asyncio.get_running_loop()
        self._heard = self._loop.time()
        self._standstill = request.app[STANDSTILL]
        self._beat: asyncio.TimerHandle | None = None
        self._sender: asyncio.Task[None] | None = None
        self._reading: asyncio.Timeout | None = None  # set while `_received` waits for a frame

    async def __aenter__(self) -> Self:
        if not self._socket.can_prepare(self._request):
            raise web.HTTPUpgradeRequired
        await self._socket.prepare(self._request)
        self._sender = asyncio.create_task(self._send_queued())
        self._beat = self._loop.call_later(PING_S, self._heartbeat)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.end(1000)
        assert self._sender is not None and self._beat is not None and self._code is not None
        try:
            await self._sender  # ends, for the heartbeat aborts a connection that takes nothing
            await self._socket.close(code=self._code)
        finally:
            self._beat.cancel()
            self._sender.cancel()

    @classmethod
    async def refuse(cls, request: web.Request, code: int) -> web.StreamResponse:
        """Accept the socket, then close it with this code before any message."""
        async with cls(request, "") as channel:
            channel.end(code)
            async for _ in channel.messages():
                pass
        return channel.response

    @property
    def response(self) -> web.WebSocketResponse:
        """What the handler returns."""
        return self._socket

    def send(self, message: ServerMessage) -> None:
        """Queue a message."""
        self.send_text(text_of(message))

    def send_text(self, text: str) -> None:
        """Queue a message that `text_of` has made; so it is encoded once for many sockets."""
        if self._code is not None:
            return
        if len(self._queue) >= QUEUE_LIMIT:
            self._cut()
            return
        self._queue.append(text)
        self._wake.set()

    def send_spare(self, text: str) -> None:
        """Queue a message, or drop it where the client is slow; for messages that the next of their kind replaces."""
        if len(self._queue) > SPARE_LIMIT:
            self.spared += 1
        else:
            self.send_text(text)

    def end(self, code: int) -> None:
        """Close with this code after the queued messages are sent. Later calls change nothing."""
        if self._code is None:
            self._code = code
            self._wake.set()
            if self._reading is not None:
                self._reading.reschedule(self._loop.time())

    async def messages(self) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Yield (type, data) of each well-formed message until the socket ends. Answers pings and malformed messages itself."""
        while (received := await self._received()) is not None:
            if received.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                return
            self._heard = self._loop.time()
            if received.type is WSMsgType.PONG:
                continue
            if self._is_too_fast():
                return
            if received.type is WSMsgType.PING:
                await self._socket.pong(received.data)
                continue
            parsed = self._parse(received)
            if parsed is not None:
                yield parsed

    async def _received(self) -> WSMessage | None:
        """The next frame; None once `end` was called.

        Nobody may read then: aiohttp's `close` reads the client's close frame itself, and does not wait for it if there is a reader.
        """
        if self._code is not None:
            return None
        try:
            async with asyncio.timeout(None) as self._reading:
                return await self._socket.receive()
        except TimeoutError:
            return None
        finally:
            self._reading = None

    def unknown(self, kind: str) -> None:
        """Tell the client that this socket takes no messages of this type."""
        self.error("unknown_type", f"There is no type {kind[:40]!r} here.")

    def error(self, code: Literal["bad_message", "unknown_type", "wrong_kind"], why: str) -> None:
        """Tell the client what was wrong with its message; the socket stays open."""
        self.send(MessageError(code=code, message=why))

    def _parse(self, received: WSMessage) -> tuple[str, dict[str, Any]] | None:
        """The type and data of a message that the handler has to take; None after a ping, which is answered, and after nonsense."""
        envelope = _envelope(received)
        if envelope is None:
            self.error("bad_message", 'A message is a JSON text {"type": …, "data": {…}}.')
        elif envelope.type != Ping.type:
            return envelope.type, envelope.data
        else:
            self._pong(envelope.data)
        return None

    def _pong(self, data: dict[str, Any]) -> None:
        try:
            timestamp = json.dumps(message_from(Ping, data).timestamp, separators=(",", ":"))
        except BadRequest:
            self.error("bad_message", Ping.invalid)
        except RecursionError:  # nested too deeply to be written
            self.error("bad_message", "The timestamp is nested too deeply.")
        else:
            self.send(Pong(timestamp=msgspec.Raw(timestamp.encode())))

    def _is_too_fast(self) -> bool:
        """Count a message; end the socket that is too fast, which may be another one with the same limit. True: it is this one."""
        for rate in self.rates:
            greedy = rate.too_fast(self, self._heard)
            if isinstance(greedy, Channel):
                greedy.end(TOO_MANY)
        return self._code is not None

    def _heartbeat(self) -> None:
        standstill_end_s = self._standstill.check() / 1e9
        silent_s = self._loop.time() - max(self._heard, standstill_end_s)
        if silent_s >= DEAD_S:
            if self._code is not None:
                self._cut()  # the close frame was not sent in all that time
            self.end(SILENT)
        self._ping_due = True
        self._wake.set()
        left_s = DEAD_S - silent_s
        self._beat = self._loop.call_later(min(PING_S, left_s) if left_s > 0 else CLOSE_S, self._heartbeat)

    async def _send_queued(self) -> None:
        try:
            while self._code is None or self._queue:
                await self._wake.wait()
                self._wake.clear()
                while self._queue:
                    await self._socket.send_str(self._queue.popleft())
                if self._ping_due:
                    self._ping_due = False
                    await self._socket.ping()
        except ConnectionError:
            pass  # the client has disconnected; reading ends by itself

    def _cut(self) -> None:
        self._code = self._code or TOO_MANY
        self._queue.clear()
        self._wake.set()
        if self._request.transport is not None:
            self._request.transport.abort()


def _envelope(received: WSMessage) -> Envelope | None:
    """The message in a text frame; None where there is none."""
    if received.type is not WSMsgType.TEXT:
        return None
    try:
        return envelope_of(received.data)
    except ValueError:
        return None
