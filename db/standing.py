"""Whether the database can be used now; trouble is logged once and not at every request."""

import logging
import time
from collections import Counter
from collections.abc import Callable

from db.errors import Unavailable

logger = logging.getLogger(__name__)

SAY_S = 60.0  # between two log lines about the same trouble


class Standing:
    """The outcome of the last queries of one kind. For the event loop only."""

    def __init__(self, deed: str) -> None:
        """deed: `read` or `written`."""
        self.trouble: Unavailable | None = None  # why the last query failed; None where it succeeded
        self.refused: Counter[str] = Counter()  # by code, since the start
        self.took: Callable[[float], object] = float  # called with the seconds of each question; whoever wants them sets it
        self._deed = deed
        self._at = 0.0
        self._said: dict[str, float] = {}
        self._since = 0
        self._told = False

    def failed(self, fault: Unavailable) -> None:
        """Note a failed query."""
        now = time.monotonic()
        if self.trouble is None:
            self._since = self.refused.total()
        self.trouble, self._at = Unavailable(fault.code, fault.cause), now  # without its traceback, which would keep cursors open
        self.refused[fault.code] += 1
        if now - self._said.get(fault.code, -SAY_S) >= SAY_S:
            self._said[fault.code], self._told = now, True
            logger.error("the database cannot be %s: %s", self._deed, str(fault))

    def worked(self) -> None:
        """Note a successful query."""
        if self.trouble is not None and self._told:
            logger.warning("the database can be %s again; %s questions were refused", self._deed, self.refused.total() - self._since)
            self._told = False
        self.trouble = None

    def failed_within(self, seconds: float) -> bool:
        """Whether the last query failed, and no longer ago than this."""
        return self.trouble is not None and time.monotonic() - self._at < seconds
