"""Dropped packets, and other events, by reason, summed over all peers and broadcasts.

Those that have ended stay in the sums, so counters only grow.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

ReadCounts = Callable[[], Mapping[str, int]]


class DropCounters:
    """Reads its sources only when `totals` is read, so counting costs nothing more per packet. `reasons`: those that start as 0."""

    def __init__(self, reasons: Iterable[str] = ()) -> None:
        self._retired = Counter(dict.fromkeys(reasons, 0))
        self._sources: set[ReadCounts] = set()

    def add(self, read: ReadCounts) -> None:
        """Add a source. read: returns how many by reason; its counts only grow."""
        self._sources.add(read)

    def retire(self, read: ReadCounts) -> None:
        """Remove a source that has ended; its last counts stay in the totals. Idempotent."""
        if read in self._sources:
            self._sources.remove(read)
            self._retired.update(read())

    @property
    def totals(self) -> dict[str, int]:
        """How many by reason."""
        totals = self._retired.copy()
        for read in self._sources:
            totals.update(read())
        return dict(totals)
