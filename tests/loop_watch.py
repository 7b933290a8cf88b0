"""Law 1 in tests: nobody holds the event loop. Measured in processor time, for the machine may be shared."""

import asyncio
import gc
import time
from asyncio import events
from pathlib import Path
from typing import Any

from tests.leaks import FOREIGN, source_of

PROCESSOR_S = 0.05  # one callback's own work, garbage collection left out
WALL_S = 1.0  # waiting on something that is not the loop: a file, a lock, a sleep
TESTS = str(Path(__file__).parent)


class LoopWatch:
    """Counts, from `start` to `stop`, the callbacks that held the loop; a test's own steps are its own affair."""

    def __init__(self, stretch: float) -> None:
        self.held: list[str] = []
        self._processor_s, self._wall_s = PROCESSOR_S * stretch, WALL_S * stretch
        self._collecting_s = 0.0
        self._collection_began = 0.0
        self._run: Any = None

    def start(self) -> None:
        """Stand in for the loop's own way to call a callback."""
        original = self._run = events.Handle._run

        def run(handle: asyncio.Handle) -> None:
            wall, processor, collecting = time.monotonic(), time.thread_time(), self._collecting_s
            original(handle)
            processor = time.thread_time() - processor - (self._collecting_s - collecting)
            wall = time.monotonic() - wall
            if (processor > self._processor_s or wall > self._wall_s) and not _is_a_tests(handle):
                self.held.append(f"{handle!r}: {processor * 1000:.0f} ms of work, {wall * 1000:.0f} ms in all")

        events.Handle._run = run
        gc.callbacks.append(self._collection)

    def stop(self) -> None:
        """Put things back."""
        events.Handle._run = self._run
        gc.callbacks.remove(self._collection)

    def _collection(self, phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            self._collection_began = time.thread_time()
        else:
            self._collecting_s += time.thread_time() - self._collection_began


def _is_a_tests(handle: asyncio.Handle) -> bool:
    callback: Any = handle._callback  # type: ignore[attr-defined]
    task = getattr(callback, "__self__", None)
    source = source_of(task) if isinstance(task, asyncio.Task) else getattr(getattr(callback, "__code__", None), "co_filename", "")
    return source.startswith(TESTS) or any(part in source for part in FOREIGN)
