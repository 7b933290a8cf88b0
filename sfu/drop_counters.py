"""What was dropped, by reason, summed over all who drop: those that are gone stay in it, so that a sum never falls."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

Read = Callable[[], Mapping[str, int]]


class DropCounters:
    """Asks those who count when it is asked itself, so it costs them nothing. `reasons`: those to be told from the start, as 0."""

    def __init__(self, reasons: Iterable[str] = ()) -> None:
        self._settled = Counter(dict.fromkeys(reasons, 0))
        self._open: set[Read] = set()

    def open(self, read: Read) -> None:
        """Count what this returns too, until `settle`: how many by reason, growing only."""
        self._open.add(read)

    def settle(self, read: Read) -> None:
        """It has counted its last. Idempotent."""
        if read in self._open:
            self._open.remove(read)
            self._settled.update(read())

    @property
    def totals(self) -> dict[str, int]:
        """By reason, up to now."""
        totals = self._settled.copy()
        for read in self._open:
            totals.update(read())
        return dict(totals)
