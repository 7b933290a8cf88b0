"""How many measurements fell into each of some ranges since the start, for /metrics. What a histogram is called there is web's matter."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence


class Histogram:
    """Counts of values, which only grow. bounds: ascending, in the unit of the values; a value that equals a bound is below it."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(bounds) + 1)  # a range each, the last one without an upper bound
        self.total = 0.0  # the sum of all values

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def observe_all(self, values: Iterable[float]) -> None:
        for value in values:
            self.observe(value)
