"""What all broadcasts of a server count and measure together since its start, for /metrics. No packet pays for it: each part keeps
its own figures, and the broadcast's ticker takes them over ten times a second.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from sfu.denoise import condition, handover
from sfu.denoise.supervisor import WorkerSupervisor
from sfu.drop_counters import DropCounters
from sfu.fanout.fanout import Fanout
from sfu.histogram import Histogram
from sfu.ingest import ingest

STAGE_S = (0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)  # of what takes microseconds, or waits for a gap
WORKER_S = (0.002, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.03, 0.04, 0.06, 0.1, 0.2)


class MediaMeters:
    """Histograms in seconds, and counters by reason or outcome. One for all broadcasts; those that have ended stay in the sums."""

    def __init__(self) -> None:
        self.ingest_s = Histogram(STAGE_S)  # from a datagram's arrival to its delivery
        self.fanout_s = Histogram(STAGE_S)  # from a packet to the kernel's having what it released
        self.worker_s: dict[str, Histogram] = {}  # from ring to ring, by denoiser
        self.packets = DropCounters(ingest.OUTCOMES)
        self.bypasses = DropCounters(condition.REASONS)
        self.worker_runs = DropCounters(handover.EVENTS)

    def worker_times(self, usual: str) -> Mapping[str, Histogram]:
        """By denoiser; the usual one is there from the start."""
        return {usual: Histogram(WORKER_S), **self.worker_s}

    @contextmanager
    def counting(self, source: ingest.Ingest, worker: WorkerSupervisor) -> Iterator[None]:
        """Count what these do until the block is left."""
        sums: tuple[tuple[DropCounters, Callable[[], Mapping[str, int]]], ...] = (
            (self.packets, source.outcomes),
            (self.bypasses, worker.bypasses.copy),
            (self.worker_runs, worker.run_events.copy),
        )
        for counters, read in sums:
            counters.add(read)
        try:
            yield
        finally:
            for counters, read in sums:
                counters.retire(read)

    def take(self, source: ingest.Ingest, worker: WorkerSupervisor, fanout: Fanout) -> None:
        """Take over what these have measured since the last call."""
        self.ingest_s.observe_all(each / 1000 for each in source.stage_ms.take_fresh())
        self.fanout_s.observe_all(each / 1000 for each in fanout.stage_ms.take_fresh())
        if worker.run is not None:
            times_s = self.worker_s.setdefault(worker.run.denoiser, Histogram(WORKER_S))
            times_s.observe_all(each / 1000 for each in worker.run.stage_ms.take_fresh())
