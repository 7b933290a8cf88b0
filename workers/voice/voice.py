"""One voice in its worker process: two rings, the pipeline between them, and the control line to the server."""

import os
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from math import inf
from typing import NamedTuple, TypeVar

from workers.denoiser import Denoiser
from workers.link.bell import Bell
from workers.link.control import Adjust, ControlError, LineBuffer, Message, Quantiles, Ready, Stats, WorkerFailure, dump, parse
from workers.link.ring import ORDERED, Flag, Packet, Ring
from workers.voice.hop_batch import Work
from workers.voice.pipeline import Pipeline

_STATS_S = 1.0
_WINDOW = 256  # packets whose durations are kept for the quantiles
DESCRIPTORS = 5
End = TypeVar("End")


class VoiceRequest(NamedTuple):
    """What the server asks for when it wants a voice."""

    denoiser: str  # a loaded one
    delay: int  # samples that the whole pipeline has to take at least


class ProcessUsage(NamedTuple):
    """What the process has spent so far."""

    cpu_s: float
    hops: int


class Voice:
    """One voice. Owns its ends of both rings, of both bells and of the control line until close()."""

    def __init__(
        self, request: VoiceRequest, loaded: Mapping[str, Denoiser], fds: Sequence[int], usage: Callable[[], ProcessUsage]
    ) -> None:
        """fds: noisy ring, noisy bell, clean ring, clean bell, line, all owned from here on. usage: of all voices of the process.

        Where it raises (whatever a plug-in does, OSError, ValueError) they are closed, except the line, over which the failure is reported.
        """
        *ends, line = fds
        with ExitStack() as undone:
            undone.callback(_close, ends)  # those without an owner yet
            self._pipeline = Pipeline(loaded[request.denoiser], delay=request.delay)
            undone.callback(self._pipeline.close)
            self._noisy = undone.enter_context(_taken(ends, Ring.attach))
            self.bell = undone.enter_context(_taken(ends, Bell.attach))
            self._clean = undone.enter_context(_taken(ends, Ring.attach))
            self._clean_bell = undone.enter_context(_taken(ends, Bell.attach))
            self.line = socket.socket(fileno=line)
            undone.pop_all()
        self._name = request.denoiser
        self._loaded = loaded
        self._usage, self._usage_before, self._cpu_s = usage, usage(), 0.0
        self._hops_before = 0
        self._lines = LineBuffer()
        self._dropped = self._announced = 0
        self._packet_ns: deque[int] = deque(maxlen=_WINDOW)
        self._waited_ns = 0  # how long the packet in work was in the noisy ring
        self._taken_ns: int | None = None  # when the packet in work was taken; None while flushing
        self._heard_at = self._told_at = time.monotonic()
        takes = tuple(name for name, denoiser in loaded.items() if self._pipeline.takes(denoiser))
        self.tell(Ready(os.getpid(), self._name, self._pipeline.latency, self._pipeline.delay, takes))

    # packets

    def answer(self) -> None:
        """The bell was rung: note how many packets it announces."""
        self._announced += self.bell.answer()

    def next_work(self, now: float) -> Work[list[Packet]] | None:
        """The next packet or flush as work, None where there is neither. Its result goes to `finish`. One at a time."""
        skipped = self._noisy.skipped
        packet = self._noisy.take() if ORDERED or self._announced > 0 else None
        if packet is not None:
            self._announced -= 1
            self._taken_ns = time.monotonic_ns()
            self._waited_ns = self._noisy.waited_ns
            return self._pipeline.pushing(packet, skipped=self._noisy.skipped > skipped)
        self._announced = 0
        if self.flushes_at <= now:
            self._taken_ns = None
            return self._pipeline.flushing()
        return None

    def finish(self, done: Sequence[Packet]) -> None:
        """Put the packets that the work produced into the clean ring."""
        if self._taken_ns is None:
            done = [packet._replace(flags=packet.flags | Flag.FLUSHED) for packet in done]
        put = 0
        for packet in done:
            put += self._clean.put(packet)
        self._dropped += len(done) - put
        if put:
            self._clean_bell.ring(put)
        if self._taken_ns is not None:
            now_ns = time.monotonic_ns()
            self._heard_at = now_ns / 1e9
            self._packet_ns.append(self._waited_ns + now_ns - self._taken_ns)

    # time

    @property
    def more(self) -> bool:
        """Whether there is another packet: one that the bell has announced or, on machines that keep stores in order, any."""
        return self._announced > 0 or (ORDERED and not self._noisy.empty)

    @property
    def flushes_at(self) -> float:
        """When pending packets are flushed unless another one comes (time.monotonic)."""
        return self._heard_at + self._pipeline.quiet_s if self._pipeline.waiting else inf

    @property
    def due(self) -> float:
        """When something has to be done without a bell (time.monotonic)."""
        return min(self._told_at + _STATS_S, self.flushes_at)

    def keep_time(self, now: float) -> None:
        """Send statistics once a second."""
        if now - self._told_at >= _STATS_S:
            self._told_at = now
            self.tell(self._stats())

    # control

    def listen(self) -> bool:
        """Handle the server's messages; False when it has closed the line. Not while there is work."""
        try:
            chunk = self.line.recv(65_536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        try:
            for line in self._lines.feed(chunk):
                self._obey(parse(line))
        except ControlError:  # perhaps of another version; the sound does not depend on it
            pass
        return bool(chunk)

    def _obey(self, message: Message) -> None:
        if isinstance(message, Adjust):
            self._pipeline.adjust(message.strength_db, message.complexity, message.loss_percent)
            wanted = self._loaded.get(message.denoiser or self._name)
            if message.denoiser not in (None, self._name) and wanted and self._pipeline.takes(wanted):
                self._pipeline.change(wanted)
                self._name = str(message.denoiser)

    def tell(self, message: Message) -> None:
        """Send without waiting: a server that does not read its line misses messages and blocks nobody."""
        tell(self.line, message)

    def _stats(self) -> Stats:
        counts, hops = self._pipeline.counts, self._pipeline.hops
        stats = Stats(
            received=counts.received,
            lost=counts.lost,
            concealed=counts.concealed,
            repaired=counts.repaired,
            garbage=counts.garbage + self._pipeline.spoilt,
            jumps=counts.jumps,
            flushes=self._pipeline.flushes,
            nan=hops.nan,
            hops=hops.count,
            denoiser=self._name,
            cpu_s=self._cpu(hops.count),
            dropped=self._dropped,
            hop_ms=_quantiles(hops.ns),
            packet_ms=_quantiles(self._packet_ns),
        )
        for window in (hops.ns, self._packet_ns):
            window.clear()
        return stats

    def _cpu(self, hops: int) -> float:
        """This voice's share of the process's processor time, by its share of the hops."""
        before, self._usage_before = self._usage_before, self._usage()
        mine, self._hops_before = hops - self._hops_before, hops
        everybodys = self._usage_before.hops - before.hops
        if everybodys:
            self._cpu_s += (self._usage_before.cpu_s - before.cpu_s) * min(mine / everybodys, 1.0)
        return round(self._cpu_s, 6)

    def close(self) -> None:
        """Release everything; the server sees its line end."""
        self._pipeline.close()
        for each in (self._noisy, self._clean, self.bell, self._clean_bell, self.line):
            each.close()


def _taken(ends: list[int], attach: Callable[[int], End]) -> End:
    """An owner for the first of these descriptors, which leaves the list only if that succeeds."""
    end = attach(ends[0])
    del ends[0]
    return end


def _close(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)


def tell(line: socket.socket, message: Message) -> None:
    """Send without waiting."""
    try:
        line.send(dump(message), socket.MSG_DONTWAIT)
    except OSError:
        pass


def refuse(line: int, reason: str, text: str) -> None:
    """Report a failure on a control line, which is owned from here on, and close it."""
    with socket.socket(fileno=line) as far:
        tell(far, WorkerFailure(reason, text))


def _quantiles(ns: deque[int]) -> Quantiles:
    """As numpy's, in a tenth of the time: numpy's, three times a second and voice, cost as much as a packet."""
    if not ns:
        return Quantiles()
    ranked = sorted(ns)
    return Quantiles(_quantile(ranked, 0.5), _quantile(ranked, 0.99))


def _quantile(ranked: Sequence[int], share: float) -> float:
    """In ms, interpolated linearly between two neighbours."""
    below, part = divmod(share * (len(ranked) - 1), 1)
    low, high = ranked[int(below)], ranked[min(int(below) + 1, len(ranked) - 1)]
    return round((low + (high - low) * part) / 1e6, 3)
