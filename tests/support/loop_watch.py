"""Law 1 in tests: nobody holds the event loop. Measured in processor time, for the machine may be shared.

Where others use it just then, a callback is late besides, and takes longer too: what it had in the caches is gone.
"""

import asyncio
import gc
import time
from asyncio import events
from pathlib import Path
from typing import Any

from tests.support.late import BUSY, busy_since, waited
from tests.support.leaks import FOREIGN, source_of

PROCESSOR_S = 0.05  # one callback's own work, garbage collection left out
WALL_S = 1.0  # waiting on something that is not the loop: a file, a lock, a sleep
BUSY_PROCESSOR, BUSY_WALL = 2, 5  # times as much on a busy machine
TESTS = str(Path(__file__).parents[1])


class LoopWatch:
    """Counts, from `start` to `stop`, the callbacks that held the loop; a test's own steps are its own affair."""

    def __init__(self, stretch: float) -> None:
        self._found: list[tuple[float, float, str]] = []
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
                words = f"{handle!r}: {processor * 1000:.0f} ms of work, {wall * 1000:.0f} ms in all"
                self._found.append((processor, wall, words))

        self._began = waited()
        events.Handle._run = run
        gc.callbacks.append(self._collection)

    def stop(self) -> list[str]:
        """Put things back; who held the loop."""
        events.Handle._run = self._run
        gc.callbacks.remove(self._collection)
        busy = busy_since(self._began) > BUSY
        most_processor_s = self._processor_s * (BUSY_PROCESSOR if busy else 1)
        most_wall_s = self._wall_s * (BUSY_WALL if busy else 1)
        return [words for processor, wall, words in self._found if processor > most_processor_s or wall > most_wall_s]

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
