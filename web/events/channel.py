"""One WebSocket as the doors see it: typed messages in and out, a bounded queue, a heartbeat, a code when it ends."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

from aiohttp import WSMessage, WSMsgType, web

from web.events.message_rate import MessageRate
from web.http.json_body import strict_json
from web.http.timeouts import AWAKE

MESSAGE_LIMIT = 64 * 1024
QUEUE_LIMIT = 128  # messages waiting for a slow client; one more and it is cut off
SPARE_LIMIT = 8  # with more than this waiting, what the next message of its kind replaces anyway is left out
RATE = 20  # messages a second
PING_S, DEAD_S = 5.0, 15.0
CLOSE_S = 2.0  # how long the other end may take to answer a close

NOT_SIGNED_IN, NOT_ALLOWED, NO_SUCH_THING, SILENT, TOO_MANY, GOING_AWAY = 4401, 4403, 4404, 4408, 4429, 1001


def message(kind: str, data: Any) -> str:
    """A message as it goes out."""
    return json.dumps({"type": kind, "data": data}, separators=(",", ":"), allow_nan=False)


class Channel:
    """Owns an accepted socket and the task that sends on it. All methods but the async ones are cheap and never wait.

    Who loses: a client that reads too slowly is cut off when 128 messages wait; levels are left out before that (`spared`).
    """

    def __init__(self, request: web.Request, username: str, login_id: int | None = None, pace: MessageRate | None = None) -> None:
        """pace: where several sockets share a bucket of messages."""
        self.username, self.login_id = username, login_id
        self.paces = [pace or MessageRate(RATE)]
        self.spared = 0
        self._request = request
        self._socket = web.WebSocketResponse(timeout=CLOSE_S, autoping=False, compress=False, max_msg_size=MESSAGE_LIMIT + 1)
        self._queue: deque[str] = deque()
        self._wake = asyncio.Event()
        self._ping_due = False
        self._code: int | None = None
        self._loop = asyncio.get_running_loop()
        self._heard = self._loop.time()
        self._awake = request.app[AWAKE]
        self._beat: asyncio.TimerHandle | None = None
        self._sender: asyncio.Task[None] | None = None
        self._reading: asyncio.Timeout | None = None  # while a frame is waited for

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
            await self._sender  # the heartbeat cuts a socket that takes nothing
            await self._socket.close(code=self._code)
        finally:
            self._beat.cancel()
            self._sender.cancel()

    @classmethod
    async def refuse(cls, request: web.Request, code: int) -> web.StreamResponse:
        """Accept the socket and close it before any message, with the code that says why."""
        async with cls(request, "") as channel:
            channel.end(code)
            async for _ in channel.messages():
                pass
        return channel.response

    @property
    def response(self) -> web.WebSocketResponse:
        """What the handler returns."""
        return self._socket

    def send(self, kind: str, data: Any) -> None:
        """Queue a message."""
        self.send_text(message(kind, data))

    def send_text(self, text: str) -> None:
        """Queue a message that is written already."""
        if self._code is not None:
            return
        if len(self._queue) >= QUEUE_LIMIT:
            self._cut()
            return
        self._queue.append(text)
        self._wake.set()

    def send_spare(self, text: str) -> None:
        """Queue a message that a slow client can do without."""
        if len(self._queue) > SPARE_LIMIT:
            self.spared += 1
        else:
            self.send_text(text)

    def end(self, code: int) -> None:
        """Close with this code, once what is queued has gone. The first code counts."""
        if self._code is None:
            self._code = code
            self._wake.set()
            if self._reading is not None:
                self._reading.reschedule(self._loop.time())

    async def messages(self) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """The well-formed messages, as (type, data), until the socket ends. Pings are answered here, nonsense too."""
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
        """The next frame; None where this end closes. Nobody may read then: `close` waits for the other end's close itself,

        and with a reader in the way aiohttp would not wait: the connection would be gone before the other end could answer.
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
        """Tell the client that this socket knows no such type."""
        self.error("unknown_type", f"There is no type {kind[:40]!r} here.")

    def error(self, code: str, why: str) -> None:
        """Tell the client what was wrong with its message; the socket stays."""
        self.send("error", {"code": code, "message": why})

    def _parse(self, received: WSMessage) -> tuple[str, dict[str, Any]] | None:
        parsed = _object(received)
        kind, data = parsed.get("type"), parsed.get("data", {})
        if not isinstance(kind, str) or not isinstance(data, dict):
            self.error("bad_message", 'A message is a JSON text {"type": …, "data": {…}}.')
        elif kind != "ping":
            return kind, data
        elif "timestamp" not in data:
            self.error("bad_message", "A ping has a timestamp.")
        else:
            self._pong(data["timestamp"])
        return None

    def _pong(self, timestamp: Any) -> None:
        try:
            self.send("pong", {"timestamp": timestamp})
        except RecursionError:  # it went in just so
            self.error("bad_message", "A timestamp is no labyrinth.")

    def _is_too_fast(self) -> bool:
        """Ends whichever socket is: this one, or another one that shares a bucket with it."""
        for pace in self.paces:
            greedy = pace.too_fast(self, self._heard)
            if isinstance(greedy, Channel):
                greedy.end(TOO_MANY)
        return self._code is not None

    def _heartbeat(self) -> None:
        awake_s = self._awake.look() / 1e9
        silent_s = self._loop.time() - max(self._heard, awake_s)
        if silent_s >= DEAD_S:
            if self._code is not None:
                self._cut()  # told to close a while ago, and the close did not get through
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
            pass  # the client has left; the reading side ends by itself

    def _cut(self) -> None:
        self._code = self._code or TOO_MANY
        self._queue.clear()
        self._wake.set()
        if self._request.transport is not None:
            self._request.transport.abort()


def _object(received: WSMessage) -> dict[str, Any]:
    """The JSON object of a text message, else an empty one."""
    if received.type is not WSMsgType.TEXT:
        return {}
    try:
        parsed = strict_json(received.data)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
