"""One voice's eye on its worker: what it measures goes to the guard and to the capacity, and what they say comes back."""

import time

from sfu.denoise.capacity import Capacity
from sfu.denoise.overload_guard import OverloadGuard, Step
from sfu.denoise.worker_run import WorkerRun
from workers.link.control import Stats

_LEAST_HOPS = 50  # of a window that is worth measuring


class LoadMonitor:
    """Made for one broadcast; `capacity` is everybody's."""

    def __init__(self, capacity: Capacity, max_delay_ms: float, scale: float = 1.0) -> None:
        """scale: of the guard's durations, below 1 for tests."""
        self._capacity = capacity
        self._max_delay_ms = max_delay_ms
        self._scale = scale
        self._skipped = 0
        self._run: WorkerRun | None = None
        self._stats: Stats | None = None
        self.forgive()

    def forgive(self) -> None:
        """Something else is wished: what was too slow may not be any more."""
        self._guard = OverloadGuard(self._max_delay_ms, self._scale)

    @property
    def step(self) -> Step:
        return self._guard.step

    def look(self, run: WorkerRun | None, now_ns: int) -> Step:
        """Some ten times a second: how the run that serves is doing, and the step to be on."""
        now_s = now_ns / 1e9
        self._capacity.watch_server(now_s, time.process_time())
        if run is None:
            return self._guard.look(now_s, 0.0, False)
        if run is not self._run:
            self._run, self._skipped, self._stats = run, run.skipped, None
        skipped, self._skipped = run.skipped > self._skipped, run.skipped
        self._guard.look(now_s, run.delay_ms(now_ns), skipped)
        if run.stats is not None and run.stats is not self._stats:
            self._hear(run, run.stats, now_s)
        return self._guard.step

    def _hear(self, run: WorkerRun, stats: Stats, now_s: float) -> None:
        before, self._stats = self._stats, stats
        self._guard.hear(now_s, stats.hop_ms.p50, 1.0)
        if before is not None and before.denoiser == stats.denoiser and stats.hops - before.hops >= _LEAST_HOPS:
            self._capacity.measured(run.denoiser, stats.cpu_s - before.cpu_s, stats.hops - before.hops)

    # room

    def admits(self, denoiser: str) -> bool:
        return self._capacity.admits(self, denoiser)

    def take_room(self, denoiser: str) -> None:
        self._capacity.let_in(self, denoiser)

    def give_room_back(self) -> None:
        self._capacity.let_go(self)
