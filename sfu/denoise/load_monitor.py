"""Measures one voice's worker and the server, and passes the measurements to the overload guard and to the capacity."""

import time

from sfu.denoise.capacity import Capacity
from sfu.denoise.overload_guard import OverloadGuard, Step
from sfu.denoise.worker_run import WorkerRun
from workers.link.control import Stats

_LEAST_HOPS = 50  # in a measuring window; shorter ones are ignored


class LoadMonitor:
    """One per broadcast; the capacity is shared by all."""

    def __init__(self, capacity: Capacity, max_delay_ms: float, scale: float = 1.0) -> None:
        """scale: of the overload guard's durations, below 1 in tests."""
        self._capacity = capacity
        self._max_delay_ms = max_delay_ms
        self._scale = scale
        self._skipped = 0
        self._run: WorkerRun | None = None
        self._stats: Stats | None = None
        self.forgive()

    def forgive(self) -> None:
        """Forget earlier overload: another denoiser may keep up."""
        self._overload_guard = OverloadGuard(self._max_delay_ms, self._scale)

    @property
    def step(self) -> Step:
        return self._overload_guard.step

    def look(self, run: WorkerRun | None, now_ns: int) -> Step:
        """Measure the serving run, about ten times a second. Returns the step to apply."""
        now_s = now_ns / 1e9
        self._capacity.watch_server(now_s, time.process_time())
        if run is None:
            return self._overload_guard.look(now_s, 0.0, False)
        if run is not self._run:
            self._run, self._skipped, self._stats = run, run.skipped, None
        skipped, self._skipped = run.skipped > self._skipped, run.skipped
        self._overload_guard.look(now_s, run.delay_ms(now_ns), skipped)
        if run.stats is not None and run.stats is not self._stats:
            self._hear(run, run.stats, now_s)
        return self._overload_guard.step

    def _hear(self, run: WorkerRun, stats: Stats, now_s: float) -> None:
        before, self._stats = self._stats, stats
        self._overload_guard.hear(now_s, stats.hop_ms.p50, 1.0)
        if before is not None and before.denoiser == stats.denoiser and stats.hops - before.hops >= _LEAST_HOPS:
            self._capacity.measured(run.denoiser, stats.cpu_s - before.cpu_s, stats.hops - before.hops)

    # capacity

    def admits(self, denoiser: str) -> bool:
        return self._capacity.admits(self, denoiser)

    def reserve(self, denoiser: str) -> None:
        self._capacity.reserve(self, denoiser)

    def release(self) -> None:
        self._capacity.release(self)
