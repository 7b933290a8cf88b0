"""Candidate pairs, and the interfaces by which peers and sockets know each other."""

import socket
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from sfu.wire import ice
from sfu.wire.ice import Address


class LocalSocket(Protocol):
    """A socket as a peer sees it: a UDP socket, which all peers share, or a TCP connection of its own."""

    peers: "dict[Address, Receiver]"  # by remote address

    @property
    def fd(self) -> int:
        """The descriptor to send datagrams to by a system call; -1 for a TCP connection, where `send` has to be used."""

    @property
    def alive(self) -> bool:
        """Whether it is open."""

    def send(self, datagram: bytes, address: Address) -> bool:
        """Send now, or drop and count; False where it was dropped."""

    def release(self, address: Address, receiver: "Receiver") -> None:
        """The receiver no longer uses that address. No effect where another receiver has it now."""


class CandidatePair(NamedTuple):
    """A local socket and a remote address (RFC 8445)."""

    local: LocalSocket
    address: Address


def bound_address(bound: socket.socket) -> str:
    """The address that a socket is bound to, without the zone of an IPv6 one."""
    return str(bound.getsockname()[0]).partition("%")[0]


class Receiver(Protocol):
    """Receives one peer's datagrams from the sockets. None of these may raise or wait."""

    def receive_stun(self, request: ice.Request, pair: CandidatePair, arrival_ns: int) -> None: ...

    def receive_consent(self, datagram: bytes, local: LocalSocket, address: Address, arrival_ns: int) -> bool:
        """Answer a Binding request that is like the last one; False, and nothing is done, where it has to be parsed."""

    def receive_dtls(self, datagram: bytes) -> None: ...

    def receive_srtp(self, datagram: bytes, local: LocalSocket, address: Address, arrival_ns: int) -> None: ...

    def lose_socket(self, local: LocalSocket) -> None:
        """That local socket is being closed, because the machine has lost its address."""


class AdmittedPeer(Protocol):
    """A peer among those that the sockets admit and whose deadlines they check. None of these may raise or wait."""

    @property
    def owner(self) -> str:
        """The user or address that it counts against."""

    @property
    def pending(self) -> bool:
        """Whether its handshake has not ended yet."""

    def sweep(self, now_ns: int) -> None:
        """Called every second: check the deadlines."""

    def give_up(self) -> None:
        """End: there are too many pending peers, and this is the oldest of the owner who has most of them."""


@dataclass(slots=True)
class Dropped:
    """Datagrams, sends and connections that were dropped, by reason. Grows only."""

    strange: int = 0  # neither STUN, DTLS nor SRTP
    malformed: int = 0  # STUN that is no Binding request with credentials
    unknown_user: int = 0  # STUN for a ufrag that is not registered
    unknown_address: int = 0  # DTLS or SRTP from an address of no peer
    unsent: int = 0  # refused by the kernel
    slow: int = 0  # to a TCP connection whose other end does not read
    strangers: int = 0  # connections closed without a genuine Binding request
    frames: int = 0  # connections closed for a frame longer than any datagram
