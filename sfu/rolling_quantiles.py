"""Median and 99th percentile of the newest measurements; to add one is cheap enough for every packet."""

from collections import deque


class RollingQuantiles:
    """A window of the newest `size` values, in any unit (ours are milliseconds); the oldest one is overwritten."""

    def __init__(self, size: int = 512) -> None:
        self._size = size
        self._earlier: deque[float] = deque(maxlen=size)
        self._fresh: deque[float] = deque(maxlen=size)  # since the last `take_fresh`
        self.add = self._fresh.append  # adds one value; the deque's own method saves a Python call for each packet

    def take_fresh(self) -> list[float]:
        """The values added since the last call, the newest `size` at most. They stay in the window."""
        fresh = list(self._fresh)
        self._earlier.extend(fresh)
        self._fresh.clear()
        return fresh

    def quantile(self, share: float) -> float:
        """The value that `share` of the window (0-1) does not exceed (nearest rank); 0.0 of an empty window. Sorts: not for each packet."""
        ordered = sorted([*self._earlier, *self._fresh][-self._size :])
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0

    @property
    def p50(self) -> float:
        return self.quantile(0.5)

    @property
    def p99(self) -> float:
        return self.quantile(0.99)
