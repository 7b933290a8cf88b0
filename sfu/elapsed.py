"""How long ago something began, over a restart of the server and of the machine, whatever happened to the wall clock."""

import time
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

LONGEST_GAP_S = 86_400.0  # what is said to be longer is a clock that was set; or nobody waits for the rest of it
RATE_HZ = 48_000

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Moment(NamedTuple):
    """A moment by two clocks: the wall's, and the one of this boot, which nobody sets and which goes on in a suspended machine."""

    at: datetime
    boot: str  # which boot; "" where the system does not tell
    boot_s: float

    @classmethod
    def now(cls) -> "Moment":
        return cls(datetime.now(UTC), _boot(), _boot_s())


def elapsed_s(began: Moment, now: Moment) -> float:
    """By the boot's clock where both are of one boot, else by the wall's, which may be far off, and negative."""
    if began.boot and began.boot == now.boot and now.boot_s >= began.boot_s:
        return now.boot_s - began.boot_s
    return (now.at - began.at).total_seconds()


def place_now(began: Moment, now: Moment, held: int) -> int:
    """Where on the time line that began then a broadcast goes on, in samples: the true time, never before the `held` samples of its files.

    Where the gap between the two is not to be believed, there is none.
    """
    gap_s = elapsed_s(began, now) - held / RATE_HZ
    return held + int(gap_s * RATE_HZ) if 0 <= gap_s <= LONGEST_GAP_S else held


def moved(began: Moment, now: Moment, place: int) -> Moment:
    """The beginning of a time line that has come to `place` now, by the clock of this boot; the wall's stays what it was."""
    return Moment(began.at, now.boot, now.boot_s - place / RATE_HZ)


@lru_cache(maxsize=1)
def _boot() -> str:
    with suppress(OSError):
        return _BOOT_ID.read_text().strip()
    return ""


def _boot_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
