"""Somebody whose page comes back by itself: it offers again, as the page's `rtc/connection.js`, when its server is lost from sight.

Each request goes to the next server in turn, as through a proxy that goes round; one that refuses the connection is passed over.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import pairwise, repeat

import aiohttp
from aiortc import RTCCertificate
from yarl import URL

from tests.support.people import Person
from tests.support.roaming import Roamer

SILENCE = b"\xf8\xff\xfe"  # 20 ms of Opus
# As the page has them.
BACKOFF_S = (0.2, 0.5, 0.8, 1.0)
SOCKET_BACKOFF_S = (0.3, 1.0, 2.0, 4.0)
FLOW_S = 0.2  # without a packet for so long, after the server was lost from sight, a listener's connection counts as dead
STALLED_S = 2.0  # without a packet for so long it is looked at
ANSWER_WITHIN_S = 4.0


class Refused(Exception):
    """An offer was not taken."""

    def __init__(self, status: int, retry_after_s: float) -> None:
        super().__init__(status)
        self.status, self.retry_after_s = status, retry_after_s


class _Phone(Roamer):
    """As softphones are, but for what it raises, and for how long it waits for an answer."""

    async def _call(self, path: str, direction: str, red: bool) -> None:
        certificate = RTCCertificate.generateCertificate()
        headers = {"Content-Type": "application/sdp", "Origin": self._base_url}
        body = self._offer(certificate, direction, red)
        async with asyncio.timeout(ANSWER_WITHIN_S), self._http.post(self._base_url + path, data=body, headers=headers) as response:
            self.answer = await response.text()
            if response.status != 201:
                raise Refused(response.status, float(response.headers.get("Retry-After", 0)))
            self.location, self.etag = response.headers["Location"], response.headers["ETag"]
        await self.connect(certificate)

    async def still_there(self, url: str) -> bool:
        """Ask by an ICE restart, as the page does, and go on by it."""
        self._base_url = url
        with suppress(TimeoutError, aiohttp.ClientError):
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await self.restart() == 200
        return False


class Page:
    """A broadcaster's or a listener's page, of which one broadcast counts. Owns a phone, a stream socket, and what they do."""

    def __init__(self, person: Person, broadcaster: str, urls: Sequence[str], query: str = "") -> None:
        self.speaks = person.name == broadcaster
        self.arrivals: list[int] = []  # time.monotonic_ns of each packet, over all connections
        self.numbers: list[list[int]] = []  # RTP sequence numbers, by connection
        self.connections = 0
        self.location = ""
        self.refusals: list[int] = []  # statuses of offers that were not taken
        self._person, self._broadcaster = person, broadcaster
        self._urls, self._turn, self._query = list(urls), 0, query
        self._looking, self._up = asyncio.Event(), asyncio.Event()
        self._phone: _Phone | None = None

    # --- what a test asks

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Page"]:
        """The page is open for as long as the block, and connected once it begins."""
        tasks = [asyncio.create_task(each()) for each in (self._stay_connected, self._watch)]
        try:
            await asyncio.wait([tasks[0], waiting := asyncio.create_task(self._up.wait())], return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if tasks[0].done():
                await tasks[0]
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def heard(self, more: int, timeout_s: float = 30.0) -> None:
        """Wait for so many more packets."""
        wanted = len(self.arrivals) + more
        async with asyncio.timeout(timeout_s):
            while len(self.arrivals) < wanted:
                await asyncio.sleep(0.005)

    async def heard_anew(self, since_ns: int, connections: int, timeout_s: float = 60.0) -> float:
        """Wait until a later connection than the first `connections` brings sound; for how many seconds there was none since then."""
        async with asyncio.timeout(timeout_s):
            while self.connections <= connections or not self.numbers[-1]:
                await asyncio.sleep(0.005)
        return self.silence_s(since_ns)

    def silence_s(self, since_ns: int, until_ns: int | None = None) -> float:
        """The longest time without a packet, of those that touch this span."""
        until_ns = time.monotonic_ns() if until_ns is None else until_ns
        earlier = [at for at in self.arrivals if at < since_ns][-1:]
        moments = [*earlier, *(at for at in self.arrivals if since_ns <= at <= until_ns), until_ns]
        return max((after - before for before, after in pairwise(moments)), default=0) / 1e9

    def lost(self) -> int:
        """Packets that are missing within connections."""
        return sum((numbers[-1] - numbers[0] & 0xFFFF) + 1 - len(set(numbers)) for numbers in self.numbers if numbers)

    # --- the connection

    async def _next(self) -> str:
        """The URL of the next server that takes connections; a proxy passes the others over."""
        for _ in range(1000):
            self._turn += 1
            url = URL(self._urls[self._turn % len(self._urls)])
            with suppress(OSError):
                _, writing = await asyncio.open_connection(url.host, url.port)
                writing.transport.abort()
                return str(url).rstrip("/")
            if self._turn % len(self._urls) == 0:
                await asyncio.sleep(0.1)
        raise AssertionError("no server takes connections")

    async def _stay_connected(self) -> None:
        try:
            while True:
                self._phone = await self._connected()
                self.connections += 1
                self.location = self._phone.location
                self._up.set()
                await self._until_lost(self._phone)
                await self._phone.hang_up(say_so=False)
        finally:
            if self._phone is not None:
                await self._phone.hang_up()

    async def _connected(self) -> _Phone:
        """Offer until an offer is taken."""
        for attempt in range(1000):
            self._looking.clear()
            phone, pause_s = _Phone(self._person.http, await self._next()), 0.0
            try:
                return await self._offered(phone)
            except Refused as refused:
                self.refusals.append(refused.status)
                pause_s = refused.retry_after_s
            except (TimeoutError, aiohttp.ClientError, OSError):
                pass
            await phone.hang_up(say_so=False)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._looking.wait(), max(pause_s, BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)]))
        raise AssertionError("a thousand offers were not taken")

    async def _offered(self, phone: _Phone) -> _Phone:
        if not self.speaks:
            numbers: list[int] = []
            self.numbers.append(numbers)
            phone.on_packet = lambda at_ns, packet: (self.arrivals.append(at_ns), numbers.append(packet.sequence))  # type: ignore[func-returns-value]
        offering = phone.publish if self.speaks else phone.listen
        await offering(self._broadcaster, self._query)
        return phone

    async def _until_lost(self, phone: _Phone) -> None:
        """Until the server no longer knows this connection. A broadcaster talks meanwhile."""
        talking = asyncio.create_task(phone.talk(repeat(SILENCE))) if self.speaks else None
        try:
            while True:
                await self._lost_from_sight()
                self._looking.clear()
                if not self.speaks and await self._flows():
                    continue
                if not await phone.still_there(await self._next()):
                    return
        finally:
            if talking is not None:
                talking.cancel()
                await asyncio.gather(talking, return_exceptions=True)

    async def _lost_from_sight(self) -> None:
        """Until the socket was lost or is back, or nothing comes any more."""
        while not self._looking.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._looking.wait(), STALLED_S)
                return
            if not self.speaks and (not self.arrivals or time.monotonic_ns() - self.arrivals[-1] > STALLED_S * 1e9):
                return

    async def _flows(self) -> bool:
        before = len(self.arrivals)
        await asyncio.sleep(FLOW_S)
        return len(self.arrivals) > before

    # --- the socket

    async def _watch(self) -> None:
        attempt = 0
        while True:
            url = await self._next()
            with suppress(aiohttp.ClientError, OSError):
                async with self._person.http.ws_connect(f"{url}/ws/stream/{self._broadcaster}", headers={"Origin": url}) as socket:
                    self._looking.set()
                    async for _ in socket:
                        attempt = 0
            self._looking.set()
            await asyncio.sleep(SOCKET_BACKOFF_S[min(attempt, len(SOCKET_BACKOFF_S) - 1)])
            attempt += 1
