"""What a process costs: processor time to the nanosecond, memory, and cores of its own."""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

KB, MB = 1024, 1e6  # bytes: of what the kernel calls kB; and of every MB that a bench speaks of


def family(pid: int) -> list[int]:
    """A process and all that it has started."""
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]


def cpu_ns(pids: Iterable[int]) -> int:
    """User and system time of processes, all threads, ended ones too: what /proc/PID/stat counts in ticks."""
    return sum(time.clock_gettime_ns(~pid << 3 | 2) for pid in pids)  # Linux: the clock of a process


def memory_kb(pids: Iterable[int]) -> int:
    """Proportional set size of anonymous memory, in units of 1024 bytes.

    What is shared counts once, and program files, which strangers share, not at all.
    """
    return sum(_rollup_kb(pid, "Pss_Anon:") for pid in pids)


def pss_mb(pids: Iterable[int]) -> float:
    """Proportional set size, program files included, in 10^6 bytes."""
    return sum(_rollup_kb(pid, "Pss:") for pid in pids) * KB / MB


def _rollup_kb(pid: int, name: str) -> int:
    """In the kernel's kB, which are 1024 bytes."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    return 0


class Cores:
    """Which core the server gets, and which are the clients'. With one core alone they share it."""

    def __init__(self) -> None:
        every = sorted(os.sched_getaffinity(0))
        self.server = {every[-1]}
        self.clients = set(every[:-1]) or {every[-1]}
        self.shared = len(every) == 1


@contextmanager
def pinned(cores: set[int]) -> Iterator[None]:
    """What is started in here runs on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
