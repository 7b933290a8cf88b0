"""Where a time line continues after a restart, also where the wall clock was set."""

from datetime import UTC, datetime, timedelta

import pytest

from sfu.elapsed import LONGEST_GAP_S, Moment, elapsed_s, moved, place_now

BEGAN = Moment(datetime(2026, 1, 1, tzinfo=UTC), "boot", 1000.0)
HELD = 10 * 48_000  # the files hold ten seconds


def later(wall_s: float, boot: str = "boot", boot_s: float = 1000.0) -> Moment:
    return Moment(BEGAN.at + timedelta(seconds=wall_s), boot, boot_s)


@pytest.mark.parametrize(
    "now, place_s",
    [
        (later(25, boot_s=1025), 25),  # nothing was set
        (later(40 * 86_400, boot_s=1025), 25),  # the wall clock is forty days ahead, or behind: the boot's clock knows
        (later(-40 * 86_400, boot_s=1025), 25),
        (later(25, "another", 7), 25),  # the machine was started anew: only the wall's is left
        (later(40 * 86_400, "another", 7), 10),  # and not to be believed: no gap
        (later(-5, "another", 7), 10),
        (later(25, "", 7), 25),  # a system that does not tell its boots
        (later(25, boot_s=3), 25),  # one that counts them anew under the same name
        (later(4, boot_s=1004), 10),  # a sender whose clock runs fast: never before what is there
        (later(LONGEST_GAP_S + 60, boot_s=1060 + LONGEST_GAP_S), 10),  # nobody waits for a day of silence
    ],
)
def test_the_gap_is_the_true_one_or_none(now: Moment, place_s: float) -> None:
    """The gap is counted by the boot clock within one boot, else by the wall clock up to a day; it is never negative."""
    assert place_now(BEGAN, now, HELD) == place_s * 48_000


def test_a_time_line_that_was_moved_goes_on_from_there() -> None:
    """After a gap that was ignored, the next restart within the same boot counts from where the time line continued."""
    now = later(40 * 86_400, "another", 7)
    again = moved(BEGAN, now, place_now(BEGAN, now, HELD))
    assert again.at == BEGAN.at and elapsed_s(again, Moment(now.at, "another", 27)) == 30


def test_this_machine_tells_its_boot() -> None:
    """Two moments of one process have the same boot and are in order."""
    first, second = Moment.now(), Moment.now()
    assert first.boot == second.boot and 0 <= elapsed_s(first, second) < 60
