"""The denoise process: one thread that waits on a bell and a control line, and takes packets from ring to ring.

It ends at once when its control line ends, with Failed when the model gives no numbers, and with its parent in any case.
"""

import os
import select
import socket
import time
from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np

from workers.bell import Bell
from workers.control import Adjust, ControlError, Failed, Lines, Message, Quantiles, Ready, Stats, dump, parse
from workers.denoiser import BLOCK, Denoiser
from workers.errors import WorkerFailed
from workers.pipeline import Pipeline
from workers.ring import Packet, Ring

_STATS_S = 1.0
_WINDOW = 256  # packets whose durations are kept for the quantiles
_WARM_HOPS = 6  # beyond the start-up of a model that looks ahead, until memory and caches are as they will be


class Carrier:
    """Everything that one voice needs in its process. Owns none of it: the process is the owner, and its end the close."""

    def __init__(
        self,
        name: str,
        loaded: Mapping[str, Denoiser],
        rings: tuple[Ring, Ring],
        bells: tuple[Bell, Bell],
        line: socket.socket,
        delay: int = 0,
    ) -> None:
        """`delay`: samples that the whole way has to take at least."""
        self._name = name
        self._loaded = loaded
        self._noisy, self._clean = rings
        self._noisy_bell, self._clean_bell = bells
        self._line = line
        self._lines = Lines()
        self._dropped = 0
        self._packet_ns: deque[int] = deque(maxlen=_WINDOW)
        self._ring_ns: deque[int] = deque(maxlen=_WINDOW)
        self._heard_at = self._told_at = time.monotonic()
        warm(loaded[name])
        self._pipeline = Pipeline(loaded[name], delay=delay)

    def run(self) -> None:
        """Say Ready, then serve until the control line ends. Raises WorkerFailed("nan")."""
        takes = tuple(name for name, denoiser in self._loaded.items() if denoiser.latency <= self._pipeline.latency)
        self._tell(Ready(os.getpid(), self._name, self._pipeline.latency, self._pipeline.delay, takes))
        waiting = select.poll()
        waiting.register(self._noisy_bell, select.POLLIN)
        waiting.register(self._line, select.POLLIN)
        while True:
            ready = {fd for fd, _ in waiting.poll(self._patience_s() * 1000)}
            if self._line.fileno() in ready and not self._listen():
                return
            for packet in self._noisy.take_all(self._noisy_bell):
                self._pass_on(packet)
            self._keep_time()

    def _pass_on(self, packet: Packet) -> None:
        waited_ns, taken_ns = self._noisy.waited_ns, time.monotonic_ns()
        self._put(self._pipeline.push(packet))
        self._heard_at = time.monotonic()
        self._ring_ns.append(waited_ns)
        self._packet_ns.append(waited_ns + time.monotonic_ns() - taken_ns)

    def _put(self, done: Sequence[Packet]) -> None:
        put = sum([self._clean.put(packet) for packet in done])
        self._dropped += len(done) - put
        if put:
            self._clean_bell.ring(put)

    def _patience_s(self) -> float:
        """Seconds until something has to be done without being called."""
        now = time.monotonic()
        due = self._told_at + _STATS_S
        if self._pipeline.waiting:
            due = min(due, self._heard_at + self._pipeline.quiet_s)
        return max(due - now, 0.0)

    def _keep_time(self) -> None:
        now = time.monotonic()
        if self._pipeline.waiting and now - self._heard_at >= self._pipeline.quiet_s:
            self._put(self._pipeline.flush())
        if now - self._told_at >= _STATS_S:
            self._told_at = now
            self._tell(self._stats())

    def _listen(self) -> bool:
        """Do what the server says; False when it is gone."""
        try:
            chunk = self._line.recv(65_536)
        except ConnectionError:
            return False
        try:
            for line in self._lines.feed(chunk):
                self._obey(parse(line))
        except ControlError:  # of another version, maybe; the sound does not depend on it
            pass
        return bool(chunk)

    def _obey(self, message: Message) -> None:
        if isinstance(message, Adjust):
            self._pipeline.adjust(message.strength_db, message.complexity, message.loss_percent)
            wanted = self._loaded.get(message.denoiser or self._name)
            if message.denoiser not in (None, self._name) and wanted and self._pipeline.change(wanted):
                self._name = str(message.denoiser)

    def _tell(self, message: Message) -> None:
        tell(self._line, message)

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
            cpu_s=time.process_time(),
            dropped=self._dropped,
            hop_ms=_quantiles(hops.ns),
            packet_ms=_quantiles(self._packet_ns),
            ring_ms=_quantiles(self._ring_ns),
        )
        for window in (hops.ns, self._packet_ns, self._ring_ns):
            window.clear()
        return stats


def serve(name: str, loaded: Mapping[str, Denoiser], fds: Sequence[int], delay: int = 0) -> None:
    """The whole life of a worker process, begun with the denoiser `name` of those loaded.

    `fds`: noisy ring, noisy bell, clean ring, clean bell, control line, all owned.
    """
    noisy, noisy_bell, clean, clean_bell, control = fds
    line = socket.socket(fileno=control)
    try:
        rings = (Ring.attach(noisy), Ring.attach(clean))
        Carrier(name, loaded, rings, (Bell.attach(noisy_bell), Bell.attach(clean_bell)), line, delay).run()
    except WorkerFailed as failure:
        tell(line, Failed(failure.reason, str(failure)))
    except Exception as error:
        tell(line, Failed("crashed", repr(error)))
        raise


def tell(line: socket.socket, message: Message) -> None:
    """Send without waiting: a server that does not read its line misses a message and hangs nobody."""
    try:
        line.send(dump(message), socket.MSG_DONTWAIT)
    except OSError:
        pass


def _quantiles(ns: deque[int]) -> Quantiles:
    if not ns:
        return Quantiles()
    p50, p99 = np.quantile(np.fromiter(ns, dtype=np.float64), (0.5, 0.99)) / 1e6
    return Quantiles(round(float(p50), 3), round(float(p99), 3))


def warm(denoiser: Denoiser) -> None:
    """Run a voice of no consequence, so that the first packet is not the slow one."""
    voice = denoiser.open()
    tone = np.sin(np.arange(BLOCK, dtype=np.float32) / 8)[None] * np.float32(0.1)  # silence takes short cuts
    for _ in range(_WARM_HOPS):
        denoiser.clean([voice], tone)
