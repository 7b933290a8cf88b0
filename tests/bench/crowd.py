"""Voices on one core: the real forkserver, its workers and their rings, fed from another core at the pace of life."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.bench import meters
from tests.bench.children import Child
from workers.link.bell import Bell
from workers.link.control import Adjust
from workers.link.forkserver import Forkserver, Worker
from workers.link.ring import Ring

READY_S = 30.0
PACKET = 960


@dataclass(frozen=True)
class Window:
    """What a crowd did in it."""

    expected: int
    ms: np.ndarray  # ring to ring of each packet that came
    late_ms: float  # of the feeder itself, at worst
    cpu_pct: float  # of the core, all workers together

    def quantile(self, share: float) -> float:
        """Ring to ring; a packet that never came counts as one that was late."""
        every = np.concatenate((self.ms, np.full(max(0, self.expected - len(self.ms)), np.inf)))
        return float(np.quantile(every, share, method="higher")) if len(every) else float("nan")


@dataclass(frozen=True)
class Denoising:
    """What the workers of a crowd are to do."""

    denoiser: str
    options: Mapping[str, object]
    packets: Path  # a file of packets in hex, a line each
    share: int = 1
    complexity: int | None = None  # of the encoders; None: as workers do by themselves
    apart: bool = False  # a process for each voice even of a denoiser that cannot be forked, of which one would serve all


class Crowd:
    """Voices with their rings and workers, and the feeder. What it holds is closed by whoever opened it."""

    def __init__(self, workers: list[Worker], starts_ms: list[float], feeder: Child, held: int) -> None:
        self._workers, self._feeder, self._held = workers, feeder, held
        self.starts_ms = starts_ms  # asked for → it has run its first hops and takes packets
        self.pids = sorted({worker.pid for worker in workers})

    async def window(self, seconds: float, limit_ms: float | None = None) -> Window:
        """Of so many seconds; given up as soon as it is certain that the quantile of 0.99 will not be below the limit, if there is one."""
        before = meters.cpu_ns(self.pids)
        said = await self._feeder.ask(do="window", seconds=seconds, held=self._held, limit_ms=limit_ms)
        busy = 100 * (meters.cpu_ns(self.pids) - before) / said["fed_s"] / 1e9  # its pauses, when nothing is fed, are left out
        return Window(said["expected"], np.array(said["ms"]), said["late_ms"], busy)


@asynccontextmanager
async def forkserver(cores: meters.Cores, work: Denoising) -> AsyncIterator[Forkserver]:
    """A forkserver on the workers' core, the model loaded."""
    async with AsyncExitStack() as opened:
        with meters.pinned(cores.server):
            made = await opened.enter_async_context(Forkserver(share=work.share))
        await made.load(work.denoiser, work.options)
        yield made


@asynccontextmanager
async def crowd(made: Forkserver, cores: meters.Cores, work: Denoising, voices: int) -> AsyncIterator[Crowd]:
    """So many voices, ready."""
    async with AsyncExitStack() as opened:
        workers, starts, groups, held = [], [], [], 0
        for _ in range(voices):
            noisy, clean = (opened.enter_context(Ring.create()) for _ in range(2))
            noisy_bell, clean_bell = (opened.enter_context(Bell.create()) for _ in range(2))
            # an option that the denoiser does not know makes it one of another kind to the forkserver; the number is nobody else's now
            options = {**work.options, "process": noisy.fd} if work.apart else work.options
            begin = time.perf_counter()
            worker = await made.spawn(work.denoiser, options, noisy, noisy_bell, clean, clean_bell)
            opened.push_async_callback(worker.close)
            ready = await worker.ready(READY_S)
            starts.append(1000 * (time.perf_counter() - begin))
            held = ready.delay // PACKET
            if work.complexity is not None:
                worker.send(Adjust(complexity=work.complexity))
            workers.append(worker)
            groups.append([noisy.fd, noisy_bell.fd, clean.fd, clean_bell.fd])
        with meters.pinned(cores.clients):
            words = [",".join(map(str, group)) for group in groups]
            fds = [fd for group in groups for fd in group]
            feeder = await opened.enter_async_context(Child("tests.bench.feeder", str(work.packets), *words, fds=fds))
        yield Crowd(workers, starts, feeder, held)
