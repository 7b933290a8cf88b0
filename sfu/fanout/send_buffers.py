"""Datagrams side by side in memory: one plaintext copied into every row, encrypted in place, and handed to the kernel.

A deck has a row for each listener of a header group. Its memory is made beforehand and laid out anew only when somebody comes,
goes or moves. Of what is done for a packet, little is Python and little is numpy: the processor forgets both between two packets,
and what it has to find again costs ten times what it costs in a loop.
"""

import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sfu.net.sendmmsg import IOVEC, MESSAGE, SOCKADDR_BYTES, Address, send_each, send_many
from sfu.peer.srtp import TRAILER, pointer, protect

FIRST_ROW_BYTES, MOST_ROW_BYTES = 512, 2048  # the fewer pages a packet's copies lie in, the sooner they are found
LARGEST_PLAIN = MOST_ROW_BYTES - TRAILER
FIRST_ROWS = 16  # doubled as needed
# libsrtp's `int *length` points right into the iovec's size_t, at the half that holds small numbers
_LENGTH_AT = int(IOVEC.fields["length"][1]) + (0 if sys.byteorder == "little" else 4)  # type: ignore[index]

TcpSender = Callable[[bytes, Address], bool]
"""Takes one datagram for that address, or says False. Must not wait, raise or change who listens."""


class SendBuffer(NamedTuple):
    """Where one copy goes, and how. name: the address in the kernel's form; fd: -1 where a carrier takes it."""

    fd: int
    address: Address
    name: bytes
    tx: object  # srtp_t
    carrier: TcpSender | None


class _Run(NamedTuple):
    """Rows from `first` up to `end` for one socket; fd -1: for their carriers."""

    fd: int
    first: int
    end: int


class SendBuffers:
    """The rows of one crew. `lay` says who is there; `fill` encrypts, `transmit` sends; what is wrong is told by row."""

    def __init__(self, sendmmsg: bool) -> None:
        self._sendmmsg = sendmmsg
        self._rows: Sequence[SendBuffer] = ()
        self._runs: list[_Run] = []
        self._sessions: list[object] = []
        self._grow(FIRST_ROWS, FIRST_ROW_BYTES)

    def lay(self, rows: Sequence[SendBuffer]) -> None:
        """These are there from now on; those of one socket next to each other."""
        count = len(rows)
        if count > len(self._all):
            self._grow(max(count, 2 * len(self._all)), self._all.shape[1])
        self._rows = rows
        self._sessions = [row.tx for row in rows]
        self._pointers, self._length_pointers = self._all_pointers[:count], self._all_length_pointers[:count]
        self._buffers, self._lengths = self._all[:count], self._iovecs["length"][:count]
        names = b"".join(row.name.ljust(SOCKADDR_BYTES, b"\0") for row in rows)
        self._names[:count] = np.frombuffer(names, np.uint8).reshape(-1, SOCKADDR_BYTES)
        self._messages["name_length"][:count] = [len(row.name) for row in rows]
        starts = [at for at in range(count) if at == 0 or rows[at].fd != rows[at - 1].fd]
        self._runs = [_Run(rows[first].fd, first, end) for first, end in pairwise([*starts, count])]

    def fill(self, plain: bytes) -> list[int]:
        """Encrypt a packet of 12 to LARGEST_PLAIN bytes for every row; returns the rows where libsrtp refused."""
        length = len(plain)
        if length + TRAILER > self._all.shape[1]:
            self._grow(len(self._all), MOST_ROW_BYTES)
            self.lay(self._rows)
        self._buffers[:, :length] = np.frombuffer(plain, np.uint8)
        self._lengths.fill(length)
        if not sum(map(protect, self._sessions, self._pointers, self._length_pointers)):
            return []
        refused: list[int] = np.flatnonzero(self._lengths == length).tolist()  # it adds its tag only where all went well
        return refused

    def transmit(self, without: Sequence[int] = ()) -> list[int]:
        """Send every row but those; returns the rows that nobody took."""
        refused: list[int] = []
        skipped = set(without)
        for fd, first, end in self._runs:
            rows: Sequence[int] = range(first, end)
            if skipped:
                rows = [row for row in rows if row not in skipped]
            refused += [rows[at] for at in self._sent(fd, rows, whole=not without)]
        return refused

    def _sent(self, fd: int, rows: Sequence[int], *, whole: bool) -> list[int]:
        """Returns the places in `rows` that were not taken. whole: the rows lie next to each other."""
        if fd < 0:
            return [at for at, row in enumerate(rows) if not self._carried(row)]
        if not self._sendmmsg:
            return send_each(fd, map(self._datagram, rows))
        if whole:
            return send_many(fd, self._start + rows[0] * MESSAGE.itemsize, len(rows))
        messages = self._messages[list(rows)]
        return send_many(fd, messages.ctypes.data, len(rows))

    def _carried(self, row: int) -> bool:
        carrier, (datagram, address) = self._rows[row].carrier, self._datagram(row)
        return carrier is not None and carrier(bytes(datagram), address)

    def _datagram(self, row: int) -> tuple[memoryview, Address]:
        return memoryview(self._buffers[row])[: int(self._lengths[row])], self._rows[row].address

    def _grow(self, capacity: int, row_bytes: int) -> None:
        """Make all memory anew; what was in it is of no use any more. All of it or, where there is not so much, nothing."""
        buffers = np.zeros((capacity, row_bytes), np.uint8)
        names = np.zeros((capacity, SOCKADDR_BYTES), np.uint8)
        iovecs = np.zeros(capacity, IOVEC)
        messages = np.zeros(capacity, MESSAGE)
        iovecs["base"] = _addresses(buffers)
        messages["iov"], messages["iov_length"], messages["name"] = _addresses(iovecs), 1, _addresses(names)
        pointers = [pointer("void *", address) for address in _addresses(buffers).tolist()]
        length_pointers = [pointer("int *", address + _LENGTH_AT) for address in _addresses(iovecs).tolist()]
        self._all, self._names, self._iovecs, self._messages = buffers, names, iovecs, messages
        self._all_pointers, self._all_length_pointers = pointers, length_pointers
        self._start = messages.ctypes.data


def _addresses(rows: npt.NDArray[np.generic]) -> npt.NDArray[np.uint64]:
    """Where each row begins in memory."""
    return np.uint64(rows.ctypes.data) + np.arange(len(rows), dtype=np.uint64) * np.uint64(rows.strides[0])
