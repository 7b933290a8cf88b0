"""A bad network on loopback: a UDP proxy that loses, delays and interrupts, with seeds.

Every client gets an upstream socket of its own, so that the server sees as many addresses as there are clients. Client and
server are led through it by the port in the answer's candidates (`through`). STUN and DTLS pass unharmed unless `everything`:
what is looked at is how media survives, and a handshake that waits for its own timers would only take a test's time.
"""

import asyncio
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType

Address = tuple[str, int]
MEDIA = 128  # first byte of SRTP and SRTCP, and above
MOST_CLIENTS = 64


def at_random(share: float, seed: int) -> Callable[[], bool]:
    """Each datagram is lost with that probability, whatever became of the others."""
    chance = random.Random(seed)
    return lambda: chance.random() < share


def in_bursts(share: float, mean: float, seed: int) -> Callable[[], bool]:
    """Gilbert-Elliott with nothing lost in the good state and all in the bad: `share` is lost, `mean` in a row."""
    chance, leave = random.Random(seed), 1 / mean
    enter = leave * share / (1 - share)

    def states() -> Iterator[bool]:
        bad = False
        while True:
            bad = chance.random() >= leave if bad else chance.random() < enter
            yield bad

    return states().__next__


def never() -> bool:
    return False


@dataclass
class Way:
    """One direction. lost: asked for each datagram. delay_ms: what each takes, and evenly up to jitter_ms more, so that they
    overtake each other. cut: an outage, nothing passes. Counts datagrams of media; types: the RTP payload types seen."""

    lost: Callable[[], bool] = never
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    cut: bool = False
    everything: bool = False  # STUN and DTLS too
    seed: int = 1
    passed: int = 0
    lost_count: int = 0
    types: set[int] = field(default_factory=set)
    _chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)

    def carry(self, datagram: bytes, put: Callable[[bytes], None]) -> None:
        """Lose it, or hand it to `put` when its time has come."""
        media = datagram[0] >= MEDIA
        if media and not 192 <= datagram[1] <= 223:  # no RTCP
            self.types.add(datagram[1] & 0x7F)
        if self.cut or ((media or self.everything) and self.lost()):
            self.lost_count += media
            return
        self.passed += media
        late_ms = self.delay_ms + (self._chance.uniform(0, self.jitter_ms) if self.jitter_ms else 0.0)
        if late_ms:
            asyncio.get_running_loop().call_later(late_ms / 1000, put, datagram)
        else:
            put(datagram)


class Lossy:
    """Stands before the server's media port; `async with`. Owns its sockets: one that clients send to, one upstream a client."""

    def __init__(self, server_port: int, up: Way | None = None, down: Way | None = None, host: str = "127.0.0.1") -> None:
        self.up, self.down = up or Way(), down or Way()
        self._server, self._host = (host, server_port), host
        self._front: asyncio.DatagramTransport | None = None
        self._upstream: dict[Address, asyncio.DatagramTransport] = {}
        self._opening: dict[Address, list[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Lossy":
        loop = asyncio.get_running_loop()
        self._front, _ = await loop.create_datagram_endpoint(lambda: _End(self._from_client), local_addr=(self._host, 0))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for each in (self._front, *self._upstream.values()):
            if each is not None:
                each.close()
        self._front = None
        await asyncio.sleep(0)

    @property
    def port(self) -> int:
        assert self._front is not None, "not open"
        return int(self._front.get_extra_info("sockname")[1])

    def through(self, answer: str) -> str:
        """The answer with its candidates led through here."""
        return re.sub(r"(a=candidate:\S+ 1 udp \d+ \S+) \d+ typ", rf"\1 {self.port} typ", answer)

    def rebind(self) -> None:
        """As a NAT that has forgotten everybody: each client comes from another port from now on; what is sent to the old one is lost."""
        forgotten, self._upstream = self._upstream, {}
        for each in forgotten.values():
            each.close()

    def _from_client(self, datagram: bytes, client: Address) -> None:
        self.up.carry(datagram, lambda carried: self._to_server(carried, client))

    def _to_server(self, datagram: bytes, client: Address) -> None:
        if self._front is None:
            return
        upstream = self._upstream.get(client)
        if upstream is not None:
            upstream.sendto(datagram)
        elif client in self._opening:
            self._opening[client].append(datagram)
        elif len(self._upstream) < MOST_CLIENTS:
            self._opening[client] = [datagram]
            task = asyncio.get_running_loop().create_task(self._open(client))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _open(self, client: Address) -> None:
        def to_client(datagram: bytes) -> None:
            if self._front is not None:
                self._front.sendto(datagram, client)

        end = _End(lambda datagram, _: self.down.carry(datagram, to_client))
        loop = asyncio.get_running_loop()
        upstream, _ = await loop.create_datagram_endpoint(lambda: end, remote_addr=self._server, local_addr=(self._host, 0))
        self._upstream[client] = upstream
        for datagram in self._opening.pop(client):
            upstream.sendto(datagram)


class _End(asyncio.DatagramProtocol):
    """One socket. An answer that nobody is there for any more is nobody's error."""

    def __init__(self, take: Callable[[bytes, Address], None]) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if data:
            self._take(data, addr)
