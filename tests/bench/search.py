"""The largest number of voices that a core holds: doubled or halved until it is between two, bisected, then proved."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from tests.bench.crowd import Crowd, Window
from workers.errors import WorkerFailed

LIMIT_MS = 20.0  # ring to ring of 99 % of the packets: a packet's own length
PROBE = 6  # a window to look around is so many times shorter than one that counts


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
        self._gather, self._seconds, self._rounds, self._limit, self._tell = gather, seconds, rounds, most, tell

    async def most(self, guess: int) -> int:
        """0 where not even one voice is held."""
        low, high = await self._between(min(max(guess, 1), self._limit))
        while high - low > max(1, low // 16):
            middle = (low + high) // 2
            low, high = (middle, high) if await self._holds(middle, proof=False) else (low, middle)
        step = max(1, low // 16)
        proved = await self._holds(low, proof=True) if low else True
        while low and not proved:
            low = max(0, low - step)
            proved = low == 0 or await self._holds(low, proof=True)
            if proved:
                return low
        while low < self._limit and await self._holds(low + 1, proof=True):
            low += 1
        return low

    async def _between(self, guess: int) -> tuple[int, int]:
        """(held, not held), by short windows."""
        if await self._holds(guess, proof=False):
            low, high = guess, min(guess * 3 // 2 + 1, self._limit + 1)
            while high <= self._limit and await self._holds(high, proof=False):
                low, high = high, min(high * 3 // 2 + 1, self._limit + 1)
            return low, high
        low, high = guess * 2 // 3, guess
        while low and not await self._holds(low, proof=False):
            low, high = low * 2 // 3, low
        return low, high

    async def _holds(self, voices: int, *, proof: bool) -> bool:
        needed = self._rounds // 2 + 1 if proof else 1
        windows = self._rounds if proof else 1
        seconds = self._seconds if proof else max(self._seconds / PROBE, 1.0)
        good = bad = 0
        try:
            async with self._gather(voices) as crowd:
                while good < needed and bad <= windows - needed:
                    window = await crowd.window(seconds)
                    good, bad = (good + 1, bad) if within(window) else (good, bad + 1)
                    way = "proved" if proof else "probed"
                    self._tell(f"{voices} {way}: p99 {window.quantile(0.99):.1f} ms, core {window.cpu_pct:.0f} %")
        except WorkerFailed as failure:  # so many do not even start in time
            self._tell(f"{voices}: {failure}")
        return good >= needed


def within(window: Window) -> bool:
    return window.quantile(0.99) < LIMIT_MS
