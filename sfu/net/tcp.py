"""ICE over TCP (RFC 6544), passive: for networks that block UDP. Datagrams are framed by RFC 4571: two bytes of length, then the datagram.

A connection is a stranger until a genuine Binding request has come over it; the number of strangers and their time are limited.
Frames that the other end does not read in time are dropped as a whole, like datagrams: late sound is worse than lost sound.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence

from sfu.net.acceptor import Acceptor
from sfu.net.pairs import Dropped, Receiver, bound_address
from sfu.standstill import StandstillDetector
from sfu.wire.ice import Address

LENGTH_BYTES = 2
LARGEST_FRAME = 2048  # as LARGEST_DATAGRAM of the media port
READ_BYTES = 16384
UNSENT_BYTES = 8192  # that wait in the kernel, and as many again here
FIRST_REQUEST_S = 5.0  # from the connection to the first genuine Binding request
MAX_STRANGER_FRAMES = 8
MAX_STRANGERS = 64
MAX_STREAMS = 2048  # limits descriptors; peers and their pairs have limits of their own
ACCEPTS_AT_ONCE = 16  # before the loop goes on

Take = Callable[["Stream", bytes, Address], None]


class Stream:
    """One accepted connection. Closes itself when its peer leaves it. Owned by Listening. Drops frames that do not fit, and counts them."""

    fd = -1  # only `send` may write, so that frames stay whole

    def __init__(
        self,
        connection: socket.socket,
        address: Address,
        dropped: Dropped,
        take: Take,
        standstill: StandstillDetector,
        gone: Callable[["Stream"], None],
    ) -> None:
        self.peers: dict[Address, Receiver] = {}
        self.address = address
        self._socket: socket.socket | None = connection
        self._dropped = dropped
        self._take = take
        self._gone = gone
        self._in = bytearray()
        self._out = bytearray()
        self._frames = 0
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(connection.fileno(), self._read)
        self._standstill = standstill
        self._deadline = standstill.call_later(FIRST_REQUEST_S, self._on_deadline)

    @property
    def alive(self) -> bool:
        return self._socket is not None

    @property
    def stranger(self) -> bool:
        """Whether no genuine Binding request has come."""
        return not self.peers

    def send(self, datagram: bytes, address: Address) -> bool:
        """Send the whole frame or drop it. What the kernel does not take at once waits here, at most UNSENT_BYTES."""
        if self._socket is None:
            self._dropped.unsent += 1
            return False
        if len(self._out) + len(datagram) > UNSENT_BYTES:
            self._dropped.slow += 1
            return False
        waiting = bool(self._out)
        self._out += len(datagram).to_bytes(LENGTH_BYTES, "big") + datagram
        if not waiting:
            self._write()
        return self.alive

    def release(self, address: Address, receiver: Receiver) -> None:
        if self.peers.get(address) is receiver:
            del self.peers[address]
            self.close()

    def close(self) -> None:
        """Idempotent. Frames that wait are dropped."""
        if self._socket is None:
            return
        closing, self._socket = self._socket, None
        self._deadline.cancel()
        self._loop.remove_reader(closing.fileno())
        self._loop.remove_writer(closing.fileno())
        closing.close()
        self._out.clear()
        self._gone(self)

    def refuse(self) -> None:
        """Close a stranger's connection, and count it."""
        self._dropped.strangers += 1
        self.close()

    def _on_deadline(self) -> None:
        if self.stranger:
            self.refuse()

    def _write(self) -> None:
        assert self._socket is not None
        try:
            sent = self._socket.send(self._out)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self.close()
            return
        del self._out[:sent]
        if self._out:
            self._loop.add_writer(self._socket.fileno(), self._write)
        else:
            self._loop.remove_writer(self._socket.fileno())

    def _read(self) -> None:
        assert self._socket is not None
        self._standstill.check()
        try:
            read = self._socket.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            read = b""
        if not read:
            self.close()
            return
        self._in += read
        self._unframe()

    def _unframe(self) -> None:
        """Pass on every whole frame; part of one stays."""
        at, received = 0, self._in
        while len(received) - at >= LENGTH_BYTES:
            length = received[at] << 8 | received[at + 1]
            if length > LARGEST_FRAME:  # the framing is lost
                self._dropped.frames += 1
                self.close()
                return
            if len(received) - at < LENGTH_BYTES + length:
                break
            at += LENGTH_BYTES + length
            self._hand_on(bytes(received[at - length : at]))
            if self._socket is None:
                return
        del received[:at]

    def _hand_on(self, datagram: bytes) -> None:
        if not self.stranger:
            self._take(self, datagram, self.address)
            return
        self._frames += 1
        if self._frames > MAX_STRANGER_FRAMES or not datagram or datagram[0] > 3:  # a peer starts with STUN
            self.refuse()
            return
        self._take(self, datagram, self.address)


class Listening:
    """The listening sockets, one an address, and all connections accepted by them or taken in. Owned by MediaSockets."""

    def __init__(self, listening: Sequence[socket.socket], dropped: Dropped, take: Take, standstill: StandstillDetector) -> None:
        self._dropped = dropped
        self._take = take
        self._standstill = standstill
        self._streams: dict[Stream, None] = {}  # an ordered set, the oldest first
        self._by_address = {bound_address(one): one for one in listening}
        self._acceptor = Acceptor(listening, ACCEPTS_AT_ONCE, self.take_in, lambda error: None)

    @property
    def streams(self) -> int:
        """Open connections, strangers included."""
        return len(self._streams)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Those that are listened on."""
        return tuple(self._by_address)

    def add(self, one: socket.socket) -> None:
        """Listen on one more address."""
        self._by_address[bound_address(one)] = one
        self._acceptor.add(one)

    def remove(self, address: str) -> None:
        """Stop listening on an address that the machine has lost; its connections end by themselves. No effect without such a socket."""
        if (one := self._by_address.pop(address, None)) is not None:
            self._acceptor.remove(one)

    def close(self) -> None:
        """Close all sockets and connections."""
        self._acceptor.close()
        for stream in list(self._streams):
            stream.close()

    def take_in(self, connection: socket.socket, address: Address) -> None:
        """Own one more connection, which is a stranger. It may have been accepted elsewhere, but not read from."""
        connection.setblocking(False)
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if hasattr(socket, "TCP_NOTSENT_LOWAT"):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        self._make_room()
        self._streams[Stream(connection, address, self._dropped, self._take, self._standstill, self._forget)] = None

    def _make_room(self) -> None:
        """Close the oldest stranger where there are too many strangers or connections; without a stranger, the oldest connection."""
        strangers = [stream for stream in self._streams if stream.stranger]
        if len(strangers) >= MAX_STRANGERS:
            strangers[0].refuse()
        elif len(self._streams) >= MAX_STREAMS:
            next(iter(strangers or self._streams)).refuse()

    def _forget(self, stream: Stream) -> None:
        self._streams.pop(stream, None)
