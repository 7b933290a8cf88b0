"""The media port: one UDP socket an address, all with the same number, and TCP beside each. The first byte tells what a datagram is.

STUN (0-3) finds its peer by the ufrag that it names, DTLS (20-63) and SRTP (128-191) by the address they come from: an
address belongs to a peer once a genuine Binding request came from it. All else is dropped and counted.
"""

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from types import TracebackType

from sfu.net.bind import Bound, bind_all
from sfu.net.paths import CandidatePair, Dropped, LocalSocket, Receiver, Swept, bound_address
from sfu.net.tcp import Listening
from sfu.standstill import Awake
from sfu.wire import ice
from sfu.wire.candidates import Used
from sfu.wire.ice import Address
from sfu.wire.sdp import Over, Protocol

BURST = 64  # datagrams read in one go, then the others have their turn
CROWD_NS = 1_000_000  # datagrams that follow each other faster are a crowd
LONELY = 8  # reads of one datagram in a row; then it is looked whether more wait, however slowly the loop turns
LARGEST_DATAGRAM = 2048  # more than any path lets through in one piece
MOST_PENDING = 256  # peers between their answer and the end of their handshake
SWEEP_S = 1.0


class Port:
    """One bound socket and who is reached over it. Owned by MediaSockets."""

    __slots__ = ("absent", "address", "alive", "dropped", "fd", "lonely", "peers", "read_ns", "socket")

    def __init__(self, bound: socket.socket, dropped: Dropped) -> None:
        self.socket = bound
        self.fd = bound.fileno()
        self.alive = True
        self.absent = False  # the machine has lost the address, perhaps for a moment: it is offered to nobody
        self.address = bound_address(bound)
        self.peers: dict[Address, Receiver] = {}
        self.dropped = dropped
        self.read_ns = 0  # when it was last read from
        self.lonely = 0  # how often since then more were not looked for; LONELY: there were more

    def send(self, datagram: bytes, address: Address) -> bool:
        """Now or never: False, and counted, when the kernel does not take it."""
        try:
            self.socket.sendto(datagram, address)
        except OSError:  # the buffer is full, there is no way there, or it is closed
            self.dropped.unsent += 1
            return False
        return True

    def close(self, receivers: Iterable[Receiver]) -> None:
        """Its address is gone. receivers: all that there are; they let go of `fd` before another file can get that number.

        `peers` would not do: of two who were reached at one address it knows the last one only.
        """
        self.alive, self.fd = False, -1
        for receiver in {*self.peers.values(), *receivers}:
            receiver.lose_way(self)
        self.socket.close()

    def release(self, address: Address, receiver: Receiver) -> None:
        """It has left that address; nothing where another is there by now."""
        if self.peers.get(address) is receiver:
            del self.peers[address]


class MediaSockets:
    """Owns the sockets, connections, their readers and the clock that peers are swept by. Peers belong to those who made them."""

    def __init__(
        self,
        hosts: Sequence[str],
        port: int,
        *,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        most_pending: int = MOST_PENDING,
        awake: Awake | None = None,
    ) -> None:
        self.clock_ns = clock_ns
        self.awake = awake or Awake()
        self.dropped = Dropped()
        self.port = port  # the one really bound, once entered
        self.ports: list[Port] = []
        self.listening: Listening | None = None
        self.web: Sequence[tuple[str, int]] = ()  # where a web server is bound that hands connections over, see `take_in`
        self._hosts = hosts
        self._most_pending = most_pending
        self._users: dict[str, Receiver] = {}
        self._sources: dict[bytes, Receiver] = {}  # by SSRC, as it stands in a packet
        self._members: dict[Swept, None] = {}  # a set that keeps its order: oldest first
        self._sweeping: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> "MediaSockets":
        """Raises ConfigError when an address is not ours or the port is used."""
        bound = await bind_all(self._hosts, self.port)
        self.port = bound.datagrams[0].getsockname()[1]
        self.listening = Listening((), self.dropped, self._take, self.awake)
        self.add(bound)
        self._sweeping = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep_again)
        return self

    def add(self, bound: Bound) -> None:
        """Take over these sockets, bound to `port`, and listen on them too."""
        assert self.listening is not None, "not entered"
        for datagrams in bound.datagrams:
            port = Port(datagrams, self.dropped)
            self.ports.append(port)
            asyncio.get_running_loop().add_reader(port.fd, partial(self._read, port))
        for listening in bound.listening:
            self.listening.add(listening)

    def remove(self, port: Port) -> None:
        """Let go of an address that is ours no more. Peers that were reached over it are reached again where they come from next."""
        assert self.listening is not None, "not entered"
        self.ports.remove(port)
        asyncio.get_running_loop().remove_reader(port.fd)
        port.close(self._users.values())
        self.listening.remove(port.address)

    def take_in(self, connection: socket.socket, address: Address) -> None:
        """Own a connection that somebody else has accepted, nothing of it read: ICE over TCP that has come to the web server's port."""
        if self.listening is None:
            connection.close()
        else:
            host = address[0].removeprefix("::ffff:")  # of a socket of both versions: whoever comes by IPv4 knows itself by that
            self.listening.take_in(connection, address if ":" in host else (host, address[1]))

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        if self.listening is not None:
            self.listening.close()
            self.listening = None
        loop = asyncio.get_running_loop()
        for port in self.ports:
            loop.remove_reader(port.fd)
            port.socket.close()
        self.ports = []

    @property
    def addresses(self) -> tuple[str, ...]:
        """The interface addresses that are listened on and there."""
        return tuple(port.address for port in self.ports if not port.absent)

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        """What every one of `addresses` is listened on by."""
        listening = () if self.listening is None else self.listening.addresses
        return ("udp", "tcp") if set(self.addresses) <= set(listening) else ("udp",)

    def ways(self, used: Used) -> tuple[Over, ...]:
        """What a client that has reached the web server so is offered."""
        return (*self.protocols, "web") if self.web and used.port is not None else self.protocols

    def admit(self, newcomer: Swept) -> None:
        """Sweep it from now on; where too many are still on the way up, whoever has most of them loses the oldest."""
        pending = [member for member in self._members if member.pending]
        self._members[newcomer] = None
        if len(pending) >= self._most_pending:
            [(crowd, _)] = Counter(member.owner for member in (*pending, newcomer)).most_common(1)
            next(member for member in pending if member.owner == crowd).give_up()

    def dismiss(self, member: Swept) -> None:
        self._members.pop(member, None)

    def register(self, ufrag: str, receiver: Receiver) -> None:
        """Binding requests for that ufrag are this receiver's."""
        self._users[ufrag] = receiver

    def unregister(self, ufrag: str) -> None:
        self._users.pop(ufrag, None)

    def know_source(self, ssrc: int, receiver: Receiver) -> None:
        """Media of that SSRC from an address that is nobody's is shown to this receiver: it has the key to tell whether it is its own."""
        self._sources[ssrc.to_bytes(4, "big")] = receiver

    def forget_source(self, ssrc: int, receiver: Receiver) -> None:
        """Nothing where another is known by it now."""
        if self._sources.get(ssrc.to_bytes(4, "big")) is receiver:
            del self._sources[ssrc.to_bytes(4, "big")]

    def sweep(self) -> None:
        """Let every peer look at the clock."""
        self.awake.look()
        now_ns = self.clock_ns()
        for member in tuple(self._members):
            member.sweep(now_ns)

    def _sweep_again(self) -> None:
        self._sweeping = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep_again)
        self.sweep()

    def _read(self, port: Port) -> None:
        """Datagrams of one socket, each to its receiver: up to BURST in a crowd, else one.

        One that comes alone is the rule, and to be told that there is no second costs more than to take it.
        """
        now_ns = self.clock_ns()
        if now_ns > self.awake.due_ns:
            self.awake.look()  # before what has waited is taken for new
        crowd = now_ns - port.read_ns < CROWD_NS or port.lonely >= LONELY
        port.read_ns, port.lonely = now_ns, port.lonely + 1
        receive, take = port.socket.recvfrom, self._take
        for count in range(BURST if crowd else 1):
            try:
                datagram, address = receive(LARGEST_DATAGRAM)
            except OSError:  # there are no more; or an ICMP error that found its way to us: nothing to read
                port.lonely = LONELY if count > 1 else 0
                return
            take(port, datagram, address)
        if crowd:
            port.lonely = LONELY

    def _take(self, way: LocalSocket, datagram: bytes, address: Address) -> None:
        """One datagram, over whatever way it came, to its receiver. Per packet: keep it lean."""
        first = datagram[0] if datagram else 255
        if 127 < first < 192:
            peer = way.peers.get(address) or self._sources.get(datagram[8:12])
            if peer is not None:
                peer.receive_srtp(datagram, way, address, self.clock_ns())
            else:
                self.dropped.unknown_address += 1
        elif first < 4:
            peer = way.peers.get(address)
            if peer is None or not peer.receive_consent(datagram, way, address, self.clock_ns()):
                self._take_stun(datagram, CandidatePair(way, address))
        elif 19 < first < 64:
            peer = way.peers.get(address)
            if peer is not None:
                peer.receive_dtls(datagram)
            else:
                self.dropped.unknown_address += 1
        else:
            self.dropped.strange += 1

    def _take_stun(self, datagram: bytes, path: CandidatePair) -> None:
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
