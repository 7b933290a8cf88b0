"""When a certificate is renewed and when the next try is made."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.acme.timetable import HOUR_S, LONGEST_S, MOST_REFUSED, REFUSED_S, renewal_at, soonest, wait_s

DAY = 86_400.0


def test_a_third_of_the_life_is_left() -> None:
    assert renewal_at(0, 90 * DAY) == 60 * DAY
    assert renewal_at(0, 6 * DAY) == 4 * DAY


def test_what_the_authority_suggests() -> None:
    """It may suggest to renew earlier, not too late, and not over and over: a new certificate is kept for a day."""
    assert renewal_at(0, 90 * DAY, 20 * DAY) == 20 * DAY
    assert renewal_at(0, 90 * DAY, 89 * DAY) == 75 * DAY
    assert renewal_at(0, 90 * DAY, -5 * DAY) == DAY
    assert renewal_at(0, DAY, -5 * DAY) == DAY / 2


def test_waits_grow_and_differ() -> None:
    for refused, most in ((True, 12 * HOUR_S), (False, HOUR_S)):
        waits = [wait_s(failures, refused=refused, chance=0) for failures in range(1, 20)]
        assert waits == sorted(waits) and waits[0] == 60 and waits[-1] == most
        assert wait_s(3, refused=refused, chance=1) == 1.25 * wait_s(3, refused=refused, chance=0)


def test_the_first_hour_stays_below_the_limit() -> None:
    """Let's Encrypt allows five refused tries an hour; by its own the server makes four."""
    tries = list(accumulate(REFUSED_S, initial=0))
    assert sum(at <= HOUR_S for at in tries) == MOST_REFUSED


@given(st.lists(st.floats(0, 100 * DAY), max_size=300))
def test_never_more_than_four_refusals_in_an_hour(wishes: list[float]) -> None:
    """However often somebody asks."""
    refusals: list[float] = []
    for now in sorted(wishes):
        if soonest(refusals, 0, now) <= now:
            refusals.append(now)
    assert all(later - earlier >= HOUR_S for earlier, later in zip(refusals, refusals[MOST_REFUSED:], strict=False))


@pytest.mark.parametrize(("wished", "allowed"), [(0, 100.0), (50.0, 100.0), (5000.0, 5000.0), (1e12, 100 + LONGEST_S)])
def test_the_authoritys_wish_is_followed(wished: float, allowed: float) -> None:
    """For a week at most."""
    assert soonest([], wished, 100.0) == allowed


def test_a_clock_that_was_set_back() -> None:
    """What is said to have happened in the future holds nothing up."""
    assert soonest([500.0] * 9, 0, 100.0) == 100.0
