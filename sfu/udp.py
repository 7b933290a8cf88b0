"""The media port: one UDP socket an address, all with the same number. The first byte tells what a datagram is.

STUN (0-3) finds its peer by the ufrag that it names, DTLS (20-63) and SRTP (128-191) by the address they come from: an
address belongs to a peer once a genuine Binding request came from it. All else is dropped and counted.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import NamedTuple, Protocol

from sfu import ice
from sfu.bind import bind_all
from sfu.ice import Address

BURST = 64  # datagrams read in one go, then the others have their turn
LARGEST_DATAGRAM = 2048  # more than any path lets through in one piece
MOST_PENDING = 256  # peers between their answer and the end of their handshake
SWEEP_S = 1.0


class Path(NamedTuple):
    """One of our sockets and an address at the other end."""

    port: "Port"
    address: Address


class Receiver(Protocol):
    """What a peer is to the sockets. None of these may raise or wait."""

    @property
    def pending(self) -> bool:
        """Is it still on the way up?"""

    def receive_stun(self, request: ice.Request, path: Path, arrival_ns: int) -> None: ...

    def receive_dtls(self, datagram: bytes) -> None: ...

    def receive_srtp(self, datagram: bytes, arrival_ns: int) -> None: ...

    def sweep(self, now_ns: int) -> None:
        """Called every second: look at the clock."""

    def give_up(self) -> None:
        """There are too many pending peers, and this is the oldest."""


@dataclass(slots=True)
class Dropped:
    """Datagrams that went nowhere, by reason, and sends that the kernel refused."""

    strange: int = 0  # neither STUN, DTLS nor SRTP
    malformed: int = 0  # STUN that is no request with credentials
    unknown_user: int = 0
    unknown_address: int = 0
    unsent: int = 0


class Port:
    """One bound socket and who is reached over it. Owned by MediaSockets."""

    __slots__ = ("address", "dropped", "fd", "peers", "socket")

    def __init__(self, bound: socket.socket, dropped: Dropped) -> None:
        self.socket = bound
        self.fd = bound.fileno()
        self.address = str(bound.getsockname()[0]).partition("%")[0]
        self.peers: dict[Address, Receiver] = {}
        self.dropped = dropped

    def send(self, datagram: bytes, address: Address) -> bool:
        """Now or never: False, and counted, when the kernel does not take it."""
        try:
            self.socket.sendto(datagram, address)
        except OSError:  # the buffer is full, or there is no way there
            self.dropped.unsent += 1
            return False
        return True


class MediaSockets:
    """Owns the sockets, their readers and the clock that peers are swept by. Peers belong to those who made them."""

    def __init__(
        self,
        hosts: Sequence[str],
        port: int,
        *,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        most_pending: int = MOST_PENDING,
    ) -> None:
        self.clock_ns = clock_ns
        self.dropped = Dropped()
        self.port = port  # the one really bound, once entered
        self.ports: list[Port] = []
        self._hosts = hosts
        self._most_pending = most_pending
        self._users: dict[str, Receiver] = {}
        self._members: dict[Receiver, None] = {}  # a set that keeps its order: oldest first
        self._sweeping: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> "MediaSockets":
        """Raises ConfigError when an address is not ours or the port is used."""
        bound = await bind_all(self._hosts, self.port)
        self.ports = [Port(one, self.dropped) for one in bound]
        self.port = bound[0].getsockname()[1]
        loop = asyncio.get_running_loop()
        for port in self.ports:
            loop.add_reader(port.fd, partial(self._read, port))
        self._sweeping = loop.call_later(SWEEP_S, self._sweep_again)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        loop = asyncio.get_running_loop()
        for port in self.ports:
            loop.remove_reader(port.fd)
            port.socket.close()
        self.ports = []

    @property
    def addresses(self) -> tuple[str, ...]:
        """The interface addresses that are listened on."""
        return tuple(port.address for port in self.ports)

    def admit(self, receiver: Receiver) -> None:
        """Sweep it from now on; where too many are still on the way up, the oldest of them is given up."""
        pending = [member for member in self._members if member.pending]
        self._members[receiver] = None
        if len(pending) >= self._most_pending:
            pending[0].give_up()

    def dismiss(self, receiver: Receiver) -> None:
        self._members.pop(receiver, None)

    def register(self, ufrag: str, receiver: Receiver) -> None:
        """Binding requests for that ufrag are this receiver's."""
        self._users[ufrag] = receiver

    def unregister(self, ufrag: str) -> None:
        self._users.pop(ufrag, None)

    def sweep(self) -> None:
        """Let every peer look at the clock."""
        now_ns = self.clock_ns()
        for member in tuple(self._members):
            member.sweep(now_ns)

    def _sweep_again(self) -> None:
        self._sweeping = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep_again)
        self.sweep()

    def _read(self, port: Port) -> None:
        """Up to BURST datagrams of one socket, each to its receiver. Per packet: keep it lean."""
        receive, peers, clock_ns, dropped = port.socket.recvfrom, port.peers, self.clock_ns, self.dropped
        for _ in range(BURST):
            try:
                datagram, address = receive(LARGEST_DATAGRAM)
            except BlockingIOError:
                return
            except OSError:  # an ICMP error that found its way to us: nothing to read
                return
            first = datagram[0] if datagram else 255
            if 127 < first < 192:
                peer = peers.get(address)
                if peer is not None:
                    peer.receive_srtp(datagram, clock_ns())
                else:
                    dropped.unknown_address += 1
            elif first < 4:
                self._read_stun(datagram, Path(port, address))
            elif 19 < first < 64:
                peer = peers.get(address)
                if peer is not None:
                    peer.receive_dtls(datagram)
                else:
                    dropped.unknown_address += 1
            else:
                dropped.strange += 1

    def _read_stun(self, datagram: bytes, path: Path) -> None:
        try:
            request = ice.parse_request(datagram)
        except ValueError:
            self.dropped.malformed += 1
            return
        receiver = self._users.get(request.ufrag)
        if receiver is None:
            self.dropped.unknown_user += 1
        else:
            receiver.receive_stun(request, path, self.clock_ns())
