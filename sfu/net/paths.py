"""A path: a socket of ours and an address at the other end. What peers and sockets know of each other, and nothing more."""

import socket
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from sfu.wire import ice
from sfu.wire.ice import Address


class LocalSocket(Protocol):
    """A socket as a peer sees it: the UDP one that it shares with everybody, or a TCP connection of its own."""

    peers: "dict[Address, Receiver]"  # who is reached over it, by the other end's address

    @property
    def fd(self) -> int:
        """Where datagrams may be sent to with a system call; -1 for a connection, which has to be asked to `send`."""

    @property
    def alive(self) -> bool:
        """May anything still come or go?"""

    def send(self, datagram: bytes, address: Address) -> bool:
        """Now or never: False, and counted, when it is not taken."""

    def release(self, address: Address, receiver: "Receiver") -> None:
        """It has left that address; nothing where another is there by now."""


class CandidatePair(NamedTuple):
    """One of our sockets and an address at the other end."""

    port: LocalSocket
    address: Address


def bound_address(bound: socket.socket) -> str:
    """The address that a socket is bound to, without the zone of an IPv6 one."""
    return str(bound.getsockname()[0]).partition("%")[0]


class Receiver(Protocol):
    """Where the sockets take a peer's datagrams. None of these may raise or wait."""

    def receive_stun(self, request: ice.Request, path: CandidatePair, arrival_ns: int) -> None: ...

    def receive_consent(self, datagram: bytes, way: LocalSocket, address: Address, arrival_ns: int) -> bool:
        """Answer a Binding request that is like the last one; False: it is to be read."""

    def receive_dtls(self, datagram: bytes) -> None: ...

    def receive_srtp(self, datagram: bytes, way: LocalSocket, address: Address, arrival_ns: int) -> None: ...

    def lose_way(self, way: LocalSocket) -> None:
        """That socket of ours is being closed, for its address is gone: nothing comes or goes over it any more."""


class Swept(Protocol):
    """A peer as one of those that the sockets have room for. None of these may raise or wait."""

    @property
    def owner(self) -> str:
        """Who asked for it."""

    @property
    def pending(self) -> bool:
        """Is it still on the way up?"""

    def sweep(self, now_ns: int) -> None:
        """Called every second: look at the clock."""

    def give_up(self) -> None:
        """There are too many pending peers, and this is the oldest of whoever has most of them."""


@dataclass(slots=True)
class Dropped:
    """Datagrams that went nowhere, by reason, and sends that were refused. Grows only."""

    strange: int = 0  # neither STUN, DTLS nor SRTP
    malformed: int = 0  # STUN that is no request with credentials
    unknown_user: int = 0
    unknown_address: int = 0
    unsent: int = 0  # by the kernel
    slow: int = 0  # for a connection whose other end does not read
    strangers: int = 0  # connections closed because nobody proved to be there
    frames: int = 0  # connections closed for a frame longer than any datagram
