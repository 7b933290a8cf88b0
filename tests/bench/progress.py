"""What a long bench says meanwhile, on stderr: at a terminal one line that changes, elsewhere a line for each finished stage."""

import sys
import time


class Progress:
    def __init__(self) -> None:
        self._begin = time.monotonic()

    def now(self, text: str) -> None:
        """What is being done."""
        if sys.stderr.isatty():
            print(f"\r{text[:100]:<100}", end="", file=sys.stderr, flush=True)

    def done(self, text: str) -> None:
        """A stage is over."""
        if not sys.stderr.isatty():
            minutes, seconds = divmod(round(time.monotonic() - self._begin), 60)
            print(f"{minutes:3}:{seconds:02}  {text}", file=sys.stderr, flush=True)
