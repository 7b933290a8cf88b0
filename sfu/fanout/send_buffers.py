"""One buffer a listener, side by side in memory: a plaintext packet is copied into each, encrypted in place and sent from there.

The memory is allocated beforehand and assigned anew only when a listener joins, leaves or moves. A packet takes few Python
statements and few numpy calls: between two packets the processor's caches lose that code, and a call that is not cached costs
ten times what it costs in a loop.
"""

import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sfu.net.sendmmsg import IOVEC, MESSAGE, SOCKADDR_BYTES, send_each, send_many
from sfu.peer.srtp import TRAILER, pointer, protect
from sfu.wire.ice import Address

SMALL_BUFFER_BYTES, LARGE_BUFFER_BYTES = 512, 2048  # small until a packet needs more: fewer memory pages, fewer cache misses
INITIAL_BUFFERS = 16  # doubled as needed
# libsrtp's `int *length` points into the iovec's size_t, at its low half
_LENGTH_AT = int(IOVEC.fields["length"][1]) + (0 if sys.byteorder == "little" else 4)  # type: ignore[index]

TcpSender = Callable[[bytes, Address], bool]
"""Sends one datagram to that address over TCP, or returns False. Must not wait, raise or change who listens."""


class Destination(NamedTuple):
    """Where one copy goes, and how. sockaddr: the address in the kernel's form; fd: -1 if `send_tcp` sends it."""

    fd: int
    address: Address
    sockaddr: bytes
    tx: object  # srtp_t
    send_tcp: TcpSender | None


class _SocketRange(NamedTuple):
    """The buffers from `first` up to, not including, `end` go through one socket; fd -1: each through its `send_tcp`."""

    fd: int
    first: int
    end: int


class SendBuffers:
    """The buffers of one group. `encrypt` and `transmit` return the indices of the buffers that failed."""

    def __init__(self, sendmmsg: bool) -> None:
        self._sendmmsg = sendmmsg
        self._destinations: Sequence[Destination] = ()
        self._ranges: list[_SocketRange] = []
        self._sessions: list[object] = []
        self._grow(INITIAL_BUFFERS, SMALL_BUFFER_BYTES)

    def assign(self, destinations: Sequence[Destination]) -> None:
        """Give each destination the buffer of its index. Those of one socket have to lie next to each other."""
        count = len(destinations)
        if count > len(self._memory):
            self._grow(max(count, 2 * len(self._memory)), self._memory.shape[1])
        self._destinations = destinations
        self._sessions = [destination.tx for destination in destinations]
        self._pointers, self._length_pointers = self._all_pointers[:count], self._all_length_pointers[:count]
        self._buffers, self._lengths = self._memory[:count], self._iovecs["length"][:count]
        sockaddrs = b"".join(destination.sockaddr.ljust(SOCKADDR_BYTES, b"\0") for destination in destinations)
        self._sockaddrs[:count] = np.frombuffer(sockaddrs, np.uint8).reshape(-1, SOCKADDR_BYTES)
        self._messages["name_length"][:count] = [len(destination.sockaddr) for destination in destinations]
        starts = [at for at in range(count) if at == 0 or destinations[at].fd != destinations[at - 1].fd]
        self._ranges = [_SocketRange(destinations[first].fd, first, end) for first, end in pairwise([*starts, count])]

    def encrypt(self, plain: bytes) -> list[int]:
        """Encrypt a packet of 12 to LARGE_BUFFER_BYTES - TRAILER bytes into every buffer; returns the indices where libsrtp refused."""
        length = len(plain)
        if length + TRAILER > self._memory.shape[1]:
            self._grow(len(self._memory), LARGE_BUFFER_BYTES)
            self.assign(self._destinations)
        self._buffers[:, :length] = np.frombuffer(plain, np.uint8)
        self._lengths.fill(length)
        if not sum(map(protect, self._sessions, self._pointers, self._length_pointers)):
            return []
        refused: list[int] = np.flatnonzero(self._lengths == length).tolist()  # success adds the length of the tag
        return refused

    def transmit(self, without: Sequence[int] = ()) -> list[int]:
        """Send every buffer but those; returns the indices of those that neither the kernel nor a TCP connection took."""
        refused: list[int] = []
        skipped = set(without)
        for fd, first, end in self._ranges:
            indices: Sequence[int] = range(first, end)
            if skipped:
                indices = [index for index in indices if index not in skipped]
            refused += [indices[at] for at in self._send_range(fd, indices, whole=not without)]
        return refused

    def _send_range(self, fd: int, indices: Sequence[int], *, whole: bool) -> list[int]:
        """Returns the positions in `indices` that were not sent. whole: the buffers lie next to each other."""
        if fd < 0:
            return [at for at, index in enumerate(indices) if not self._sent_by_tcp(index)]
        if not self._sendmmsg:
            return send_each(fd, map(self._datagram, indices))
        if whole:
            return send_many(fd, self._messages_address + indices[0] * MESSAGE.itemsize, len(indices))
        messages = self._messages[list(indices)]
        return send_many(fd, messages.ctypes.data, len(indices))

    def _sent_by_tcp(self, index: int) -> bool:
        send_tcp, (datagram, address) = self._destinations[index].send_tcp, self._datagram(index)
        return send_tcp is not None and send_tcp(bytes(datagram), address)

    def _datagram(self, index: int) -> tuple[memoryview, Address]:
        return memoryview(self._buffers[index])[: int(self._lengths[index])], self._destinations[index].address

    def _grow(self, capacity: int, buffer_bytes: int) -> None:
        """Allocate all memory anew, without the old contents. If an allocation fails, the old memory stays in use."""
        buffers = np.zeros((capacity, buffer_bytes), np.uint8)
        sockaddrs = np.zeros((capacity, SOCKADDR_BYTES), np.uint8)
        iovecs = np.zeros(capacity, IOVEC)
        messages = np.zeros(capacity, MESSAGE)
        iovecs["base"] = _addresses(buffers)
        messages["iov"], messages["iov_length"], messages["name"] = _addresses(iovecs), 1, _addresses(sockaddrs)
        pointers = [pointer("void *", address) for address in _addresses(buffers).tolist()]
        length_pointers = [pointer("int *", address + _LENGTH_AT) for address in _addresses(iovecs).tolist()]
        self._memory, self._sockaddrs, self._iovecs, self._messages = buffers, sockaddrs, iovecs, messages
        self._all_pointers, self._all_length_pointers = pointers, length_pointers
        self._messages_address = messages.ctypes.data


def _addresses(rows: npt.NDArray[np.generic]) -> npt.NDArray[np.uint64]:
    """The memory address of each row."""
    return np.uint64(rows.ctypes.data) + np.arange(len(rows), dtype=np.uint64) * np.uint64(rows.strides[0])
