"""A bar that grows on one line of a terminal; elsewhere nothing is drawn."""

import sys
import time
from types import TracebackType
from typing import Self

WIDTH = 30  # of the bar, in characters
DRAW_S = 0.1  # between two drawings


class ProgressBar:
    """What is done of `total`, in whatever unit; the line ends with the block."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total, self._done = what, total, 0
        self._drawn_at = float("-inf")
        self._shown = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._shown:
            self._draw("\n")

    def reach(self, done: int) -> None:
        """So much is done now."""
        self._done = done
        if self._shown and time.monotonic() >= self._drawn_at + DRAW_S:
            self._drawn_at = time.monotonic()
            self._draw("")

    def add(self, more: int) -> None:
        """So much more is done."""
        self.reach(self._done + more)

    def _draw(self, end: str) -> None:
        share = min(1.0, self._done / self._total) if self._total else 1.0
        full = round(WIDTH * share)
        print(f"\r{self._what:10} [{'#' * full}{'.' * (WIDTH - full)}] {share:4.0%}", end=end, file=sys.stderr, flush=True)
