"""The median and the worst of the last few hundred measurements, cheap enough to be taken for every packet."""

from array import array


class Quantiles:
    """A window over the newest `size` values (milliseconds everywhere in this house); the oldest is overwritten, no matter how small."""

    def __init__(self, size: int = 512) -> None:
        self._values = array("d")
        self._size = size
        self._next = 0

    def add(self, value: float) -> None:
        """Take one measurement in."""
        if len(self._values) < self._size:
            self._values.append(value)
            return
        self._values[self._next] = value
        self._next = (self._next + 1) % self._size

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
