"""The last warnings and errors of the log, for whoever owns the server."""

import logging
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from aiohttp import web

from web.http.metrics import METRICS, Sample
from web.logs.formats import printable

MOST = 100
LONGEST = 500  # characters of a message
LEVELS = ("WARNING", "ERROR")


class Warned(NamedTuple):
    """One record, without its traceback."""

    at: datetime
    level: str
    logger: str
    message: str


class RecentWarnings(logging.Handler):
    """Keeps the newest hundred; counts all of them by level."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._kept: deque[Warned] = deque(maxlen=MOST)
        self._counts = Counter(dict.fromkeys(LEVELS, 0))

    def emit(self, record: logging.LogRecord) -> None:
        """Called under the handler's lock."""
        level = LEVELS[record.levelno >= logging.ERROR]
        self._counts[level] += 1
        self._kept.append(Warned(datetime.fromtimestamp(record.created, UTC), level, record.name, printable(record.getMessage())[:LONGEST]))

    def __iter__(self) -> Iterator[Warned]:
        """The newest first."""
        return reversed(list(self._kept))

    def samples(self) -> Iterator[Sample]:
        """For /metrics."""
        for level, count in self._counts.items():
            yield Sample("hushcast_log_warnings_total", "counter", "Warnings and errors in the log.", count, {"level": level.lower()})


RECENT_WARNINGS = web.AppKey("RECENT_WARNINGS", RecentWarnings)


async def recent_warnings(app: web.Application) -> AsyncIterator[None]:
    """Cleanup context: keeps what is warned of while the app runs."""
    app[RECENT_WARNINGS] = keeping = RecentWarnings()
    logging.getLogger().addHandler(keeping)
    app[METRICS].append(keeping.samples)
    yield
    logging.getLogger().removeHandler(keeping)
