"""When the wall clock can be trusted: nothing is deleted because of its age before the clock has been steady for a while.

Wall time jumps: somebody sets a wrong date, a machine without a battery starts in the past, a virtual machine resumes after days. The
time since boot does not jump. Where the two have advanced alike for ten minutes the wall clock is trusted. Where it differs by more than
a day from what was expected, after a jump or a long pause of the server, it takes an hour: by then NTP has corrected it, or the operator
has read the warning.
"""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from db.known_time import FAR

logger = logging.getLogger(__name__)

STEADY_S, STEADY_FAR_S = 600.0, 3600.0
STEP_S, SLEW = 2.0, 0.01  # tolerance between two readings: seconds, and a fraction of the time between them
READ_S, TRIES = 0.1, 5  # two clocks cannot be read at once; a reading that takes longer is repeated
STARTED = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # CLOCK_BOOTTIME continues while the machine sleeps


class Reading(NamedTuple):
    """Both clocks at one moment: Unix time, and the seconds since boot."""

    wall_s: float
    lived_s: float


def read_clocks() -> Reading:
    """Read both clocks. Repeated where the process was held up between them, which would look like a jump."""
    for _ in range(TRIES):
        before = time.clock_gettime(STARTED)
        wall = time.time()
        after = time.clock_gettime(STARTED)
        if after - before < READ_S:
            break
    return Reading(wall, (before + after) / 2)


class TrustedClock:
    """Wall time, where it can be trusted. Each call of `now` reads both clocks; it has to be called every few seconds."""

    def __init__(self, known: datetime | None, read: Callable[[], Reading] = read_clocks) -> None:
        """known: the newest moment in the database; None in a new one, where nothing can be lost."""
        self._read = read
        self._known: Reading | None = None  # the last trusted one
        self._last = self._begun = read()
        if known is not None:
            self._known = Reading(known.timestamp(), self._begun.lived_s)
        self._told = False  # the warning is logged once, however often the clock jumps
        self._steady_s = self._needed_s()

    def now(self) -> datetime | None:
        """The wall time; None where the clock has not been steady for long enough."""
        here, before = self._read(), self._last
        self._last = here
        if not _agree(before, here):
            self._begun = here
            self._steady_s = self._needed_s()
        if here.lived_s - self._begun.lived_s < self._steady_s:
            return None
        self._known, self._told = here, False
        return datetime.fromtimestamp(here.wall_s, UTC)

    def _needed_s(self) -> float:
        """How long the clock has to be steady, from `_begun` on."""
        expected_s = self._begun.wall_s
        if self._known is not None:
            expected_s = self._known.wall_s + self._begun.lived_s - self._known.lived_s
        off_s = self._begun.wall_s - expected_s
        steady_s = STEADY_FAR_S if abs(off_s) > FAR.total_seconds() else STEADY_S
        if abs(off_s) > STEP_S and not self._told:
            self._told = True
            off = timedelta(seconds=round(abs(off_s)))
            side = "ahead of" if off_s > 0 else "behind"
            logger.warning("the clock is %s %s what was known: nothing is deleted for its age for %.0f s", off, side, steady_s)
        return steady_s


def _agree(before: Reading, after: Reading) -> bool:
    lived_s = after.lived_s - before.lived_s
    return abs(after.wall_s - before.wall_s - lived_s) <= STEP_S + SLEW * lived_s
