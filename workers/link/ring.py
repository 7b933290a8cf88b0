"""Packets between two processes: one writer, one reader, no lock, no wait.

Layout  0 u64 written, dropped | 64 u64 read, skipped | 128 slots of 1600 bytes: header and payload   (a cache line per side)
Rule    each side writes to its own cache line only, and to its counter only after the packet is copied.
Full    the writer drops the new packet, because the old ones belong to the reader, and counts `dropped`.
Late    a reader whose oldest packet has waited longer than `max_delay_ms` jumps to the newest and counts `skipped`.
Order   x86-64 keeps stores in order; elsewhere `take_all` takes no more packets than the bell has counted.
Life    a memfd mapping passed by descriptor (an unlinked temporary file without memfd); freed when both ends are closed.
"""

import fcntl
import mmap
import os
import platform
import struct
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from math import nan
from types import TracebackType
from typing import NamedTuple, Self

from workers.link.bell import Bell

MAX_PAYLOAD = 1500
_LINES = 128  # bytes before the slots: one cache line for each side
_SLOT = 1600
_HEADER = struct.Struct("=qqqqiIffI")  # put_ns number time arrival_ns samples flags original denoised length
_PUT_NS = struct.Struct("=q")
ORDERED = platform.machine().lower() in ("x86_64", "amd64", "i686")


class Flag:
    """What happened to a packet; several may be set. Plain ints, because an enum's `&` costs a microsecond for every packet."""

    CONCEALED = 1
    REPAIRED = 2  # from the in-band FEC of the packet after it
    JUMP = 4  # the time line jumped before this packet
    FLUSHED = 8  # no later packet completed it: it was flushed


class Packet(NamedTuple):
    """One encoded Opus packet on the broadcast's time line."""

    number: int  # counts packets from 0, unbounded
    time: int  # samples at 48 kHz since the first packet
    samples: int  # its duration at 48 kHz
    arrival_ns: int  # time.monotonic_ns() of the datagram; in the clean ring: of the input packet that completed this one
    payload: bytes  # at most MAX_PAYLOAD bytes
    original_dbfs: float = nan  # level of the sound, dB relative to full scale; nan: not known
    denoised_dbfs: float = nan
    flags: int = 0


class Ring:
    """A bounded queue of packets in shared memory. Owns its descriptor and its mapping; each side closes its own."""

    def __init__(self, fd: int, max_delay_ms: float) -> None:
        size = os.fstat(fd).st_size
        self.fd = fd
        self.slots = (size - _LINES) // _SLOT
        self.waited_ns = 0  # how long the packet taken last was in the ring
        self._max_delay_ns = int(max_delay_ms * 1e6)
        self._memory = mmap.mmap(fd, size)
        self._counters = memoryview(self._memory)[:_LINES].cast("Q")

    @classmethod
    def create(cls, slots: int = 256, max_delay_ms: float = 200) -> "Ring":
        """An empty ring of `slots` packets; its size is sealed, so that no other process can truncate the memory."""
        if slots < 1:
            raise ValueError(f"a ring needs at least one slot, not {slots}")
        fd = _memory_file(_LINES + slots * _SLOT)
        try:
            return cls(fd, max_delay_ms)
        except OSError:
            os.close(fd)
            raise

    @classmethod
    def attach(cls, fd: int, max_delay_ms: float = 200) -> "Ring":
        """The other side's ring, from a descriptor received over a socket, owned from here on unless this raises ValueError, OSError."""
        if os.fstat(fd).st_size < _LINES + _SLOT:
            raise ValueError("that descriptor is no ring")
        return cls(fd, max_delay_ms)

    @property
    def written(self) -> int:
        return self._counters[0]

    @property
    def dropped(self) -> int:
        """Packets that the writer could not put because the ring was full."""
        return self._counters[1]

    @property
    def read(self) -> int:
        """Packets that have left the ring, including the skipped ones."""
        return self._counters[8]

    @property
    def skipped(self) -> int:
        """Packets that the reader skipped because it was late."""
        return self._counters[9]

    @property
    def empty(self) -> bool:
        """Whether there is no packet to take."""
        return self._counters[0] <= self._counters[8]

    def delay_ms(self, now_ns: int) -> float:
        """How long the oldest packet has waited, 0.0 in an empty ring. The writer's side only, which alone may reuse that slot."""
        written, read = self._counters[0], self._counters[8]
        if written <= read:
            return 0.0
        (put_ns,) = _PUT_NS.unpack_from(self._memory, _LINES + read % self.slots * _SLOT)
        return max(now_ns - int(put_ns), 0) / 1e6

    def put(self, packet: Packet) -> bool:
        """Copy a packet in; False (and counted) when the ring is full or the payload too long. The writer's side only."""
        counters, written, length = self._counters, self._counters[0], len(packet.payload)
        if written - counters[8] >= self.slots or length > MAX_PAYLOAD:
            counters[1] += 1
            return False
        at = _LINES + written % self.slots * _SLOT
        number, moment, samples, arrival_ns, payload, original, denoised, flags = packet
        _HEADER.pack_into(self._memory, at, time.monotonic_ns(), number, moment, arrival_ns, samples, flags, original, denoised, length)
        at += _HEADER.size
        self._memory[at : at + length] = payload
        counters[0] = written + 1
        return True

    def take(self) -> Packet | None:
        """The oldest packet, None when there is none; a late reader gets the newest instead. The reader's side only."""
        counters, read = self._counters, self._counters[8]
        behind = counters[0] - read
        if behind <= 0:
            return None
        packet = self._copy(read)
        if behind > 1 and self.waited_ns > self._max_delay_ns:
            counters[9] += behind - 1
            read += behind - 1
            packet = self._copy(read)
        counters[8] = read + 1
        return packet

    def take_all(self, bell: Bell) -> Iterator[Packet]:
        """Answer the bell and take the packets that it announced, or all there are on machines that keep stores in order."""
        announced, packets = bell.answer(), iter(self.take, None)
        return packets if ORDERED else islice(packets, announced)

    def _copy(self, index: int) -> Packet:
        at = _LINES + index % self.slots * _SLOT
        put_ns, number, moment, arrival_ns, samples, flags, original, denoised, length = _HEADER.unpack_from(self._memory, at)
        self.waited_ns = time.monotonic_ns() - put_ns
        at += _HEADER.size
        payload = self._memory[at : at + min(length, MAX_PAYLOAD)]
        return Packet(number, moment, samples, arrival_ns, payload, original, denoised, flags)

    def close(self) -> None:
        """Release this side's mapping and descriptor; the memory is freed with the last side."""
        if self.fd < 0:
            return
        self._counters.release()
        self._memory.close()
        os.close(self.fd)
        self.fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _memory_file(size: int) -> int:
    """A descriptor of `size` zeroed bytes without a file name. Raises OSError without memory or descriptors."""
    if not hasattr(os, "memfd_create"):
        with tempfile.TemporaryFile() as file:
            os.ftruncate(file.fileno(), size)
            return os.dup(file.fileno())
    fd = os.memfd_create("hushcast-ring", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(fd, size)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    except OSError:
        os.close(fd)
        raise
    return fd
