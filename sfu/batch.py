"""One plaintext packet to many ears: copied into slots, encrypted in place, sent with one system call a socket.

The slots' memory is made beforehand and filled by numpy; nothing is allocated per listener and packet. All of it happens on
the loop, between two callbacks, so nobody joins or leaves in the middle.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from cffi import FFI  # type: ignore[import-untyped]

from sfu.dtls import TRAILER, protect
from sfu.sending import HAVE_SENDMMSG, IOVEC, MESSAGE, SOCKADDR_BYTES, Address, send_each, send_many, sockaddr

SLOT_BYTES = 2048
LARGEST_PLAIN = SLOT_BYTES - TRAILER
FIRST_SLOTS = 16  # doubled as needed
RTP_HEADER = 12

_SENT, _DROPPED, _OCTETS = range(3)
_Indices = npt.NDArray[np.intp]
_cast: Callable[[str, int], object] = FFI().cast

Carrier = Callable[[bytes, Address], bool]
"""Takes one datagram for that address, or says False. Must not wait, raise or change who listens."""


class Tally(NamedTuple):
    """Packets sent; packets dropped (no room in the kernel, no way there, no encryption); octets of payload tried."""

    sent: int = 0
    dropped: int = 0
    octets: int = 0


class Slot:
    """One listener's place in a batch. After `give_back` it is inert, and its tally stays as it was."""

    __slots__ = ("_batch", "_final", "address", "carrier", "fd", "index", "tx")

    def __init__(self, batch: "Batch", index: int) -> None:
        self.index = index
        self.fd = -1
        self.address: Address | None = None
        self.tx: object = None
        self.carrier: Carrier | None = None
        self._batch: Batch | None = batch
        self._final = Tally()

    @property
    def ready(self) -> bool:
        """Is it known where to send to, and with which keys?"""
        reachable = self.fd >= 0 or self.carrier is not None
        return self._batch is not None and self.address is not None and self.tx is not None and reachable

    @property
    def tally(self) -> Tally:
        return self._batch.tally(self.index) if self._batch is not None else self._final

    def aim(self, fd: int, address: Address | None, tx: object, carrier: Carrier | None = None) -> None:
        """Send over that socket to that address from now on. tx: a raw srtp_t; `give_back` has to come before it is freed.

        carrier: what takes the datagram instead, where a system call for many cannot (fd is -1 then).
        """
        if self._batch is not None:
            self.fd, self.address, self.tx, self.carrier = fd, address, tx, carrier
            self._batch.aimed(self)

    def give_back(self) -> None:
        """Take it out, at once. Idempotent."""
        if self._batch is not None:
            self._final = self.tally
            batch, self._batch, self.tx = self._batch, None, None
            batch.given_back(self)


class Columns(NamedTuple):
    """A crew, one column each: where the slots are, and what libsrtp is called with."""

    slots: _Indices
    sessions: list[object]
    buffers: list[object]
    lengths: list[object]


class Crew:
    """Slots that get the same packet. The columns are made anew after a change only."""

    def __init__(self, batch: "Batch") -> None:
        self._slots: dict[int, Slot] = {}
        self._batch = batch
        self._version = -1
        self._columns: Columns | None = None

    def __len__(self) -> int:
        return len(self._slots)

    def add(self, slot: Slot) -> None:
        self._slots[slot.index] = slot
        self._batch.version += 1

    def remove(self, slot: Slot) -> None:
        """Idempotent. Before the slot is given back."""
        if self._slots.pop(slot.index, None) is not None:
            self._batch.version += 1

    @property
    def columns(self) -> Columns:
        """Of the slots that are ready."""
        if self._columns is None or self._version != self._batch.version:
            self._version = self._batch.version
            self._columns = self._batch.columns([slot for slot in self._slots.values() if slot.ready])
        return self._columns


class _Run(NamedTuple):
    """Messages for one socket, in one piece; fd -1: for the slots' carriers."""

    fd: int
    slots: _Indices
    messages: npt.NDArray[np.void]
    start: int  # where they are in memory


class Batch:
    """All slots of one fan-out, as arrays: index = slot. `send` is the way of every packet to every listener."""

    def __init__(self, sendmmsg: bool = HAVE_SENDMMSG) -> None:
        self.version = 0  # goes up with every change of who is where
        self._sendmmsg = sendmmsg
        self._slots: dict[int, Slot] = {}
        self._free: list[int] = []
        self._runs: dict[tuple[int, ...], list[_Run]] = {}
        self._runs_version = -1
        self._tallies = np.zeros((3, 0), np.int64)
        self._names = np.zeros((0, SOCKADDR_BYTES), np.uint8)
        self._messages = np.zeros(0, MESSAGE)
        self._grow(FIRST_SLOTS)

    @property
    def capacity(self) -> int:
        return len(self._lengths)

    @property
    def used(self) -> int:
        return len(self._slots)

    def take(self) -> Slot:
        """A slot with its tally at zero; whoever takes it gives it back."""
        if not self._free:
            self._grow(2 * self.capacity)
        slot = Slot(self, self._free.pop())
        self._tallies[:, slot.index] = 0
        self._slots[slot.index] = slot
        return slot

    def send(self, loads: Sequence[tuple[Crew, bytes]]) -> None:
        """Encrypt and send each crew its packet of 12 to LARGEST_PLAIN bytes; no slot may be in two of the crews.

        Never waits and never raises for one listener's sake: what cannot be encrypted or sent is counted on its slot.
        """
        failed: set[int] = set()
        for crew, plain in loads:
            columns = crew.columns
            if columns.sessions:
                self._fill(columns, plain, failed)
        for run in self._runs_of([crew for crew, _ in loads]):
            self._transmit(run if not failed else self._run(run.fd, [slot for slot in run.slots.tolist() if slot not in failed]))

    def _fill(self, columns: Columns, plain: bytes, failed: set[int]) -> None:
        slots, length = columns.slots, len(plain)
        self._buffers[slots, :length] = np.frombuffer(plain, np.uint8)
        self._lengths[slots] = length
        if sum(map(protect, columns.sessions, columns.buffers, columns.lengths)):
            refused = slots[self._lengths[slots] == length]  # libsrtp adds its tag only where all went well
            self._tallies[_DROPPED, refused] += 1
            failed.update(refused.tolist())
        self._iovec_lengths[slots] = self._lengths[slots]
        self._tallies[_OCTETS, slots] += length - RTP_HEADER

    def _transmit(self, run: _Run) -> None:
        if run.fd < 0:
            refused = self._carry(run.slots.tolist())
        elif self._sendmmsg:
            refused = send_many(run.fd, run.start, len(run.messages))
        else:
            refused = send_each(run.fd, map(self._datagram, run.slots.tolist()))
        self._tallies[_SENT, run.slots] += 1
        if refused:
            self._tallies[_SENT, run.slots[refused]] -= 1
            self._tallies[_DROPPED, run.slots[refused]] += 1

    def _carry(self, indices: Sequence[int]) -> list[int]:
        """One by one, by each slot's carrier. Returns the places of those that were not taken."""
        refused = []
        for at, index in enumerate(indices):
            carrier, (datagram, address) = self._slots[index].carrier, self._datagram(index)
            if carrier is None or not carrier(bytes(datagram), address):
                refused.append(at)
        return refused

    def _datagram(self, index: int) -> tuple[memoryview, Address]:
        address = self._slots[index].address
        assert address is not None
        return memoryview(self._buffers[index])[: self._lengths[index]], address

    def _runs_of(self, crews: Sequence[Crew]) -> list[_Run]:
        """One run a socket, kept until somebody comes, goes or moves."""
        if self._runs_version != self.version:
            self._runs.clear()
            self._runs_version = self.version
        key = tuple(map(id, crews))
        runs = self._runs.get(key)
        if runs is None:
            by_socket: dict[int, list[int]] = {}
            for crew in crews:
                for index in crew.columns.slots.tolist():
                    by_socket.setdefault(self._slots[index].fd, []).append(index)
            runs = self._runs[key] = [self._run(fd, indices) for fd, indices in by_socket.items()]
        return runs

    def _run(self, fd: int, indices: list[int]) -> _Run:
        slots = np.array(indices, np.intp)
        messages = self._messages[slots]
        return _Run(fd, slots, messages, messages.ctypes.data)

    # for Slot and Crew only

    def given_back(self, slot: Slot) -> None:
        del self._slots[slot.index]
        self._free.append(slot.index)
        self.version += 1

    def aimed(self, slot: Slot) -> None:
        if slot.address is not None:
            name = sockaddr(slot.address)
            self._names[slot.index, : len(name)] = np.frombuffer(name, np.uint8)
            self._messages["name_length"][slot.index] = len(name)
        self.version += 1

    def tally(self, index: int) -> Tally:
        return Tally(*self._tallies[:, index].tolist())

    def columns(self, slots: Sequence[Slot]) -> Columns:
        indices = [slot.index for slot in slots]
        return Columns(
            np.array(indices, np.intp),
            [slot.tx for slot in slots],
            [self._buffer_pointers[index] for index in indices],
            [self._length_pointers[index] for index in indices],
        )

    # memory

    def _grow(self, capacity: int) -> None:
        """Make all arrays anew with room for more; what is in use keeps its index. The tables of pointers follow."""
        used = self._tallies.shape[1]
        tallies = np.zeros((3, capacity), np.int64)
        tallies[:, :used] = self._tallies
        names = np.zeros((capacity, SOCKADDR_BYTES), np.uint8)
        messages = np.zeros(capacity, MESSAGE)
        names[:used] = self._names
        messages[:used] = self._messages
        self._tallies, self._names, self._messages = tallies, names, messages
        self._buffers = np.zeros((capacity, SLOT_BYTES), np.uint8)
        self._lengths = np.zeros(capacity, np.int32)
        self._iovecs = np.zeros(capacity, IOVEC)
        self._iovecs["base"] = _addresses(self._buffers)
        self._iovec_lengths = self._iovecs["length"]  # a view: to make one costs as much as to fill it
        messages["iov"], messages["iov_length"], messages["name"] = _addresses(self._iovecs), 1, _addresses(names)
        self._buffer_pointers = [_cast("void *", address) for address in _addresses(self._buffers).tolist()]
        self._length_pointers = [_cast("int *", address) for address in _addresses(self._lengths).tolist()]
        self._free.extend(range(capacity - 1, used - 1, -1))
        self.version += 1


def _addresses(rows: npt.NDArray[np.generic]) -> npt.NDArray[np.uint64]:
    """Where each row begins in memory."""
    return np.uint64(rows.ctypes.data) + np.arange(len(rows), dtype=np.uint64) * np.uint64(rows.strides[0])
