"""The median and the worst of the last few hundred measurements, cheap enough to be taken for every packet."""

from collections import deque


class RollingQuantiles:
    """A window over the newest `size` values (milliseconds everywhere in this house); the oldest is overwritten, no matter how small."""

    def __init__(self, size: int = 512) -> None:
        self._values: deque[float] = deque(maxlen=size)
        self.add = self._values.append  # takes one measurement in, without a call of Python's

    def quantile(self, share: float) -> float:
        """The value that `share` of the window (0-1) does not exceed (nearest rank); 0.0 of an empty window. It sorts: not per packet."""
        if not self._values:
            return 0.0
        ordered = sorted(self._values)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]

    @property
    def p50(self) -> float:
        return self.quantile(0.5)

    @property
    def p99(self) -> float:
        return self.quantile(0.99)
