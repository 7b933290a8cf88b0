"""ICE over TCP (RFC 6544), passive: for networks that let no UDP out. Datagrams framed by RFC 4571: two bytes of length, then it.

A connection is a stranger until a genuine Binding request has come over it; of strangers there are few, and they have little
time. What the other end does not read in time is lost, whole frames only, as it would be on the way with UDP: late sound is
worse than lost sound.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence

from sfu.net.acceptor import Acceptor
from sfu.net.paths import Dropped, Receiver, bound_address
from sfu.standstill import Awake
from sfu.wire.ice import Address

LENGTH_BYTES = 2
LARGEST_FRAME = 2048  # as LARGEST_DATAGRAM: more than any path lets through in one piece
READ_BYTES = 16384
UNSENT_BYTES = 8192  # in the kernel, not yet on the way; and as much again here
FIRST_S = 5.0  # from the connection to the first genuine Binding request
FIRST_FRAMES = 8  # that a stranger may send
MOST_STRANGERS = 64
MOST_STREAMS = 2048  # peers are bounded, and each has few paths: this is for descriptors
ACCEPTS = 16  # in one go

Take = Callable[["Stream", bytes, Address], None]


class Stream:
    """One accepted connection, closed by itself when its peer has left it. Owned by Listening."""

    fd = -1  # nobody but us may write: a frame must not be cut

    def __init__(
        self,
        connection: socket.socket,
        address: Address,
        dropped: Dropped,
        take: Take,
        awake: Awake,
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
        self._awake = awake
        self._deadline = awake.call_later(FIRST_S, self._too_late)

    @property
    def alive(self) -> bool:
        return self._socket is not None

    @property
    def stranger(self) -> bool:
        """Nobody has proved to be there."""
        return not self.peers

    def send(self, datagram: bytes, address: Address) -> bool:
        """The whole frame or nothing; what the kernel does not take at once waits here, up to UNSENT_BYTES."""
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
        """Idempotent. What waits is lost."""
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
        """Close it because it is nobody's."""
        self._dropped.strangers += 1
        self.close()

    def _too_late(self) -> None:
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
        self._awake.look()
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
        """Hand on every whole frame; less than one stays."""
        at, held = 0, self._in
        while len(held) - at >= LENGTH_BYTES:
            length = held[at] << 8 | held[at + 1]
            if length > LARGEST_FRAME:  # where the next one would begin is anybody's guess
                self._dropped.frames += 1
                self.close()
                return
            if len(held) - at < LENGTH_BYTES + length:
                break
            at += LENGTH_BYTES + length
            self._hand_on(bytes(held[at - length : at]))
            if self._socket is None:
                return
        del held[:at]

    def _hand_on(self, datagram: bytes) -> None:
        if not self.stranger:
            self._take(self, datagram, self.address)
            return
        self._frames += 1
        if self._frames > FIRST_FRAMES or not datagram or datagram[0] > 3:  # before anything else there is STUN
            self.refuse()
            return
        self._take(self, datagram, self.address)


class Listening:
    """The listening sockets, one an address, and every connection that came through them or was taken in. Owned by MediaSockets."""

    def __init__(self, listening: Sequence[socket.socket], dropped: Dropped, take: Take, awake: Awake) -> None:
        self._dropped = dropped
        self._take = take
        self._awake = awake
        self._streams: dict[Stream, None] = {}  # in the order they came
        self._by_address = {bound_address(one): one for one in listening}
        self._accepting = Acceptor(listening, ACCEPTS, self.take_in, lambda error: None)

    @property
    def streams(self) -> int:
        """Open connections, strangers included."""
        return len(self._streams)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Of ours, that are listened on."""
        return tuple(self._by_address)

    def add(self, one: socket.socket) -> None:
        """Listen on one more address."""
        self._by_address[bound_address(one)] = one
        self._accepting.add(one)

    def remove(self, address: str) -> None:
        """That address is ours no more. Its connections end by themselves. Nothing where it is not listened on."""
        if (one := self._by_address.pop(address, None)) is not None:
            self._accepting.remove(one)

    def close(self) -> None:
        """All of them, at once."""
        self._accepting.close()
        for stream in list(self._streams):
            stream.close()

    def take_in(self, connection: socket.socket, address: Address) -> None:
        """One more connection, a stranger so far. It may have been accepted elsewhere; nothing of it has been read."""
        connection.setblocking(False)
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if hasattr(socket, "TCP_NOTSENT_LOWAT"):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        self._make_room()
        self._streams[Stream(connection, address, self._dropped, self._take, self._awake, self._forget)] = None

    def _make_room(self) -> None:
        """The oldest stranger goes where there are too many; with none to go, the oldest of all."""
        strangers = [stream for stream in self._streams if stream.stranger]
        if len(strangers) >= MOST_STRANGERS:
            strangers[0].refuse()
        elif len(self._streams) >= MOST_STREAMS:
            next(iter(strangers or self._streams)).refuse()

    def _forget(self, stream: Stream) -> None:
        self._streams.pop(stream, None)
