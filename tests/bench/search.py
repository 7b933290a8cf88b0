"""The largest number of voices that a core holds: found by short windows, proved by whole ones.

Each window says how full the core was, which leads to the next number; between one that is held and one that is not the search
bisects. A number is exact up to 63 voices, above within a 32nd.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from tests.bench.crowd import Crowd, Window
from workers.errors import WorkerFailed

LIMIT_MS = 20.0  # ring to ring of 99 % of the packets: a packet's own length
PROBE = 6  # a window to look around is so many times shorter than one that counts
FULL_PCT = 88.0  # of a core; about where packets begin to be late


class Search:
    """`gather(n)` opens n voices. A number is held if most of `rounds` windows of `seconds` are within the limit."""

    def __init__(
        self,
        gather: Callable[[int], AbstractAsyncContextManager[Crowd]],
        seconds: float,
        rounds: int,
        most: int,
        tell: Callable[[str], None],
    ) -> None:
        self.late_ms: list[float] = []  # of each window that it took: how late the feeder was at worst
        self._gather, self._seconds, self._rounds, self._limit, self._tell = gather, seconds, rounds, most, tell
        self._busy_pct = FULL_PCT  # of the core, in the window before

    async def most(self, guess: int) -> int:
        """0 where not even one voice is held."""
        low, high = await self._between(min(max(guess, 1), self._limit))
        while high - low > _step(low):
            middle = (low + high) // 2
            low, high = (middle, high) if await self._holds(middle, proof=False) else (low, middle)
        return await self._proved(low)

    async def _between(self, voices: int) -> tuple[int, int]:
        """(held, not held), by short windows, begun with `voices`; held is 0 and not held beyond the limit where there is none."""
        low, high = 0, self._limit + 1
        while low < voices < high and not (low and high <= self._limit):
            if await self._holds(voices, proof=False):
                low, voices = voices, min(self._beyond(voices), self._limit)
            else:
                high, voices = voices, voices * 2 // 3
        return low, high

    def _beyond(self, held: int) -> int:
        """More voices than these: as many as would fill the core, but not many times as many, nor hardly more."""
        implied = int(held * FULL_PCT / max(self._busy_pct, 1.0))
        return min(max(implied, held * 9 // 8 + 1), 3 * held + 1)

    async def _proved(self, low: int) -> int:
        """From what short windows found to what whole ones say."""
        if low and not await self._holds(low, proof=True):
            while low and not await self._holds(low := _below(low), proof=True):
                pass
            return low
        while low < self._limit and await self._holds(more := min(low + _step(low), self._limit), proof=True):
            low = more
        return low

    async def _holds(self, voices: int, *, proof: bool) -> bool:
        if not voices:
            return True
        needed = self._rounds // 2 + 1 if proof else 1
        windows = self._rounds if proof else 1
        seconds = self._seconds if proof else max(self._seconds / PROBE, 1.0)
        good = bad = 0
        try:
            async with self._gather(voices) as crowd:
                while good < needed and bad <= windows - needed:
                    window = await crowd.window(seconds, LIMIT_MS)
                    self._busy_pct = window.cpu_pct
                    good, bad = (good + 1, bad) if within(window) else (good, bad + 1)
                    self.late_ms.append(window.late_ms)
                    way = "proved" if proof else "probed"
                    self._tell(f"{voices} {way}: p99 {window.quantile(0.99):.1f} ms, core {window.cpu_pct:.0f} %")
        except WorkerFailed as failure:  # so many do not even start in time
            self._tell(f"{voices}: {failure}")
        return good >= needed


def within(window: Window) -> bool:
    return window.quantile(0.99) < LIMIT_MS


def told(voices: int, most: int) -> str:
    """For people: where the search ended before the core was full, more may be held."""
    return f"≥ {voices}" if voices >= most else str(voices)


def _step(held: int) -> int:
    return max(1, held // 32)


def _below(held: int) -> int:
    """The least number a step above which is not below this one."""
    return held - _step(held - _step(held))
