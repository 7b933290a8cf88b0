"""Time since a moment that may lie before a restart of the server or the machine, also where the wall clock was set meanwhile."""

import time
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

LONGEST_GAP_S = 86_400.0  # a longer gap means that the clock was set, or that nobody waits any more
RATE_HZ = 48_000

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Moment(NamedTuple):
    """A moment by two clocks: the wall clock, and CLOCK_BOOTTIME, which cannot be set and counts the time of a suspend."""

    at: datetime
    boot: str  # id of the boot; "" where the system has none
    boot_s: float

    @classmethod
    def now(cls) -> "Moment":
        return cls(datetime.now(UTC), _boot(), _boot_s())


def elapsed_s(began: Moment, now: Moment) -> float:
    """By the boot clock where both moments are of one boot, else by the wall clock: then it may be wrong, and negative."""
    if began.boot and began.boot == now.boot and now.boot_s >= began.boot_s:
        return now.boot_s - began.boot_s
    return (now.at - began.at).total_seconds()


def place_now(began: Moment, now: Moment, held: int) -> int:
    """Where a broadcast continues on the time line that began at `began`, in samples: `held` samples of its files plus the gap since.

    A gap that is negative or longer than LONGEST_GAP_S counts as none.
    """
    gap_s = elapsed_s(began, now) - held / RATE_HZ
    return held + int(gap_s * RATE_HZ) if 0 <= gap_s <= LONGEST_GAP_S else held


def moved(began: Moment, now: Moment, place: int) -> Moment:
    """When a time line began that is at `place` (samples) now, by the clock of this boot; the wall clock's part stays as it was."""
    return Moment(began.at, now.boot, now.boot_s - place / RATE_HZ)


@lru_cache(maxsize=1)
def _boot() -> str:
    with suppress(OSError):
        return _BOOT_ID.read_text().strip()
    return ""


def _boot_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
