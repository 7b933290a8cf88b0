"""The media port: a UDP and a TCP socket for each address of the machine, all with one port number.

The first byte tells what a datagram is (RFC 7983). STUN (0-3) goes to the peer whose ufrag it names, DTLS (20-63) and SRTP
(128-191) to the peer at the address that they come from: an address is a peer's after a genuine Binding request from it.
Everything else is dropped and counted.
"""

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from types import TracebackType

from sfu.net.bind import Bound, bind_all
from sfu.net.pairs import AdmittedPeer, CandidatePair, Dropped, LocalSocket, Receiver, bound_address
from sfu.net.tcp import Listening
from sfu.standstill import StandstillDetector
from sfu.wire import ice
from sfu.wire.candidates import Used
from sfu.wire.ice import Address
from sfu.wire.sdp import Over, Protocol

MAX_BATCH = 64  # datagrams read before the loop goes on
BATCH_GAP_NS = 1_000_000  # a socket that is readable again sooner is read in batches
MAX_SINGLE_READS = 8  # reads of one datagram in a row; the next read is a batch, for where the loop turns too slowly for the gap to tell
LARGEST_DATAGRAM = 2048  # more than any network path carries in one piece
MAX_PENDING = 256  # peers between their answer and the end of their handshake
SWEEP_S = 1.0


class Port:
    """One bound UDP socket and the peers that are reached over it. Owned by MediaSockets."""

    __slots__ = ("absent", "address", "alive", "dropped", "fd", "peers", "read_ns", "single_reads", "socket")

    def __init__(self, bound: socket.socket, dropped: Dropped) -> None:
        self.socket = bound
        self.fd = bound.fileno()
        self.alive = True
        self.absent = False  # the machine has lost the address, perhaps for a moment: it is offered to no client
        self.address = bound_address(bound)
        self.peers: dict[Address, Receiver] = {}
        self.dropped = dropped
        self.read_ns = 0  # when it was read last
        self.single_reads = 0  # in a row; MAX_SINGLE_READS, also set after a batch, makes the next read a batch

    def send(self, datagram: bytes, address: Address) -> bool:
        """Send now, or drop and count; False where the kernel refuses it."""
        try:
            self.socket.sendto(datagram, address)
        except OSError:  # the buffer is full, there is no route, or the socket is closed
            self.dropped.unsent += 1
            return False
        return True

    def close(self, receivers: Iterable[Receiver]) -> None:
        """Close it, because its address is gone. receivers: all peers, which forget `fd` before another file can get that number.

        `peers` is not enough: of two peers that were reached at one address it has the last one only.
        """
        self.alive, self.fd = False, -1
        for receiver in {*self.peers.values(), *receivers}:
            receiver.lose_socket(self)
        self.socket.close()

    def release(self, address: Address, receiver: Receiver) -> None:
        """The receiver no longer uses that address. No effect where another receiver has it now."""
        if self.peers.get(address) is receiver:
            del self.peers[address]


class MediaSockets:
    """Owns the sockets, the connections, their readers and the timer that sweeps peers. Does not own the peers."""

    def __init__(
        self,
        hosts: Sequence[str],
        port: int,
        *,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        max_pending: int = MAX_PENDING,
        standstill: StandstillDetector | None = None,
    ) -> None:
        self.clock_ns = clock_ns
        self.standstill = standstill or StandstillDetector()
        self.dropped = Dropped()
        self.port = port  # the bound one, once entered
        self.ports: list[Port] = []
        self.listening: Listening | None = None
        self.web: Sequence[tuple[str, int]] = ()  # (address, port) of the web server, which hands over connections by `take_in`
        self._hosts = hosts
        self._max_pending = max_pending
        self._by_ufrag: dict[str, Receiver] = {}
        self._by_ssrc: dict[bytes, Receiver] = {}  # as in a packet: 4 bytes
        self._admitted: dict[AdmittedPeer, None] = {}  # an ordered set, the oldest first
        self._sweeping: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> "MediaSockets":
        """Raises ConfigError where an address is not ours or the port is in use."""
        bound = await bind_all(self._hosts, self.port)
        self.port = bound.datagrams[0].getsockname()[1]
        self.listening = Listening((), self.dropped, self._take, self.standstill)
        self.add(bound)
        self._sweeping = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep_again)
        return self

    def add(self, bound: Bound) -> None:
        """Own these sockets, which are bound to `port`, and receive from them too."""
        assert self.listening is not None, "not entered"
        for datagrams in bound.datagrams:
            port = Port(datagrams, self.dropped)
            self.ports.append(port)
            asyncio.get_running_loop().add_reader(port.fd, partial(self._read, port))
        for listening in bound.listening:
            self.listening.add(listening)

    def remove(self, port: Port) -> None:
        """Close the sockets of an address that the machine has lost. Its peers are reached again over the next pair they use."""
        assert self.listening is not None, "not entered"
        self.ports.remove(port)
        asyncio.get_running_loop().remove_reader(port.fd)
        port.close(self._by_ufrag.values())
        self.listening.remove(port.address)

    def take_in(self, connection: socket.socket, address: Address) -> None:
        """Own a connection that the web server has accepted and not read from: ICE over TCP on its port."""
        if self.listening is None:
            connection.close()
        else:
            host = address[0].removeprefix("::ffff:")  # an IPv4 client of a dual-stack socket has to be told its IPv4 address
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
        """The addresses of the sockets, but for those that are absent."""
        return tuple(port.address for port in self.ports if not port.absent)

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        """The protocols that all of `addresses` accept."""
        listening = () if self.listening is None else self.listening.addresses
        return ("udp", "tcp") if set(self.addresses) <= set(listening) else ("udp",)

    def transports(self, used: Used) -> tuple[Over, ...]:
        """How media may come from a client that has reached the web server so."""
        return (*self.protocols, "web") if self.web and used.port is not None else self.protocols

    def admit(self, newcomer: AdmittedPeer) -> None:
        """Sweep this peer from now on. Where too many are pending, the owner who has most of them loses the oldest."""
        pending = [member for member in self._admitted if member.pending]
        self._admitted[newcomer] = None
        if len(pending) >= self._max_pending:
            [(owner, _)] = Counter(member.owner for member in (*pending, newcomer)).most_common(1)
            next(member for member in pending if member.owner == owner).give_up()

    def dismiss(self, member: AdmittedPeer) -> None:
        self._admitted.pop(member, None)

    def register_ufrag(self, ufrag: str, receiver: Receiver) -> None:
        """Binding requests for that ufrag go to this receiver."""
        self._by_ufrag[ufrag] = receiver

    def unregister_ufrag(self, ufrag: str) -> None:
        self._by_ufrag.pop(ufrag, None)

    def register_ssrc(self, ssrc: int, receiver: Receiver) -> None:
        """Media of that SSRC from an address of no peer goes to this receiver, whose key tells whether it is authentic."""
        self._by_ssrc[ssrc.to_bytes(4, "big")] = receiver

    def unregister_ssrc(self, ssrc: int, receiver: Receiver) -> None:
        """No effect where another receiver has that SSRC now."""
        if self._by_ssrc.get(ssrc.to_bytes(4, "big")) is receiver:
            del self._by_ssrc[ssrc.to_bytes(4, "big")]

    def sweep(self) -> None:
        """Have every peer check its deadlines."""
        self.standstill.check()
        now_ns = self.clock_ns()
        for member in tuple(self._admitted):
            member.sweep(now_ns)

    def _sweep_again(self) -> None:
        self._sweeping = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep_again)
        self.sweep()

    def _read(self, port: Port) -> None:
        """Pass on datagrams of one socket: up to MAX_BATCH where they come in quick succession, else one.

        Most come alone, and asking for a second one that is not there costs more than processing the first.
        """
        now_ns = self.clock_ns()
        if now_ns > self.standstill.overdue_ns:
            self.standstill.check()  # before datagrams that waited are taken for new ones
        batch = now_ns - port.read_ns < BATCH_GAP_NS or port.single_reads >= MAX_SINGLE_READS
        port.read_ns, port.single_reads = now_ns, port.single_reads + 1
        receive, take = port.socket.recvfrom, self._take
        for count in range(MAX_BATCH if batch else 1):
            try:
                datagram, address = receive(LARGEST_DATAGRAM)
            except OSError:  # no more datagrams, or an ICMP error
                port.single_reads = MAX_SINGLE_READS if count > 1 else 0
                return
            take(port, datagram, address)
        if batch:
            port.single_reads = MAX_SINGLE_READS

    def _take(self, local: LocalSocket, datagram: bytes, address: Address) -> None:
        """Pass one datagram on to its receiver. Runs for each packet: keep it lean."""
        first = datagram[0] if datagram else 255
        if 127 < first < 192:
            peer = local.peers.get(address) or self._by_ssrc.get(datagram[8:12])
            if peer is not None:
                peer.receive_srtp(datagram, local, address, self.clock_ns())
            else:
                self.dropped.unknown_address += 1
        elif first < 4:
            peer = local.peers.get(address)
            if peer is None or not peer.receive_consent(datagram, local, address, self.clock_ns()):
                self._take_stun(datagram, CandidatePair(local, address))
        elif 19 < first < 64:
            peer = local.peers.get(address)
            if peer is not None:
                peer.receive_dtls(datagram)
            else:
                self.dropped.unknown_address += 1
        else:
            self.dropped.strange += 1

    def _take_stun(self, datagram: bytes, pair: CandidatePair) -> None:
        try:
            request = ice.parse_request(datagram)
        except ValueError:
            self.dropped.malformed += 1
            return
        receiver = self._by_ufrag.get(request.ufrag)
        if receiver is None:
            self.dropped.unknown_user += 1
        else:
            receiver.receive_stun(request, pair, self.clock_ns())
