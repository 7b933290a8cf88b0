"""When the wall clock may be believed."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.recordings import trusted_time
from web.recordings.trusted_time import STEADY_FAR_S, STEADY_S, Reading, TrustedClock, read_clocks

DAY_S = 86_400.0
TODAY = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Clocks:
    """Two clocks that a test moves: `pass_s` moves both, `jump_s` the wall clock only."""

    def __init__(self, wall: datetime = TODAY) -> None:
        self.wall_s, self.lived_s = wall.timestamp(), 5000.0

    def read(self) -> Reading:
        return Reading(self.wall_s, self.lived_s)

    def pass_s(self, seconds: float) -> None:
        self.wall_s += seconds
        self.lived_s += seconds

    def jump_s(self, seconds: float) -> None:
        self.wall_s += seconds

    def watched(self, trusted: TrustedClock, seconds: float, step_s: float = 15.0) -> list[datetime]:
        """Let time pass while somebody looks; all moments that were trusted."""
        found = []
        while seconds > 0:
            self.pass_s(min(step_s, seconds))
            seconds -= step_s
            found.append(trusted.now())
        return [moment for moment in found if moment is not None]


@pytest.mark.parametrize(
    "known, needed_s",
    [
        (None, STEADY_S),
        (TODAY - timedelta(hours=20), STEADY_S),
        (TODAY + timedelta(minutes=5), STEADY_S),
        (TODAY - timedelta(days=40), STEADY_FAR_S),
        (TODAY + timedelta(days=40), STEADY_FAR_S),
        (TODAY + timedelta(days=20_000), STEADY_FAR_S),
    ],
)
def test_a_start_waits(known: datetime | None, needed_s: float) -> None:
    """Ten minutes; an hour where the clock is days ahead of, or years behind, what the rows know."""
    clocks = Clocks()
    trusted = TrustedClock(known, clocks.read)
    assert clocks.watched(trusted, needed_s - 15) == []
    assert clocks.watched(trusted, 15) == [TODAY + timedelta(seconds=needed_s)]


@pytest.mark.parametrize("jump_s", [40 * DAY_S, -40 * DAY_S, 20 * 365 * DAY_S, 3600.0, -60.0, 3.0])
def test_five_seconds_of_another_time_are_never_believed(jump_s: float) -> None:
    """Not while they last, and the time after them not until it has been steady again."""
    clocks = Clocks()
    trusted = TrustedClock(None, clocks.read)
    assert clocks.watched(trusted, STEADY_S)
    clocks.jump_s(jump_s)
    assert clocks.watched(trusted, 5, 1) == []
    clocks.jump_s(-jump_s)
    assert clocks.watched(trusted, STEADY_S - 15) == []
    assert clocks.watched(trusted, 45) != []


def test_a_jump_that_lasts_is_believed_after_an_hour() -> None:
    """It may be the right time: a machine that began in the past. Told once, however often it is looked at."""
    clocks = Clocks()
    trusted = TrustedClock(None, clocks.read)
    clocks.watched(trusted, STEADY_S)
    clocks.jump_s(40 * DAY_S)
    assert clocks.watched(trusted, STEADY_FAR_S - 15) == []
    found = clocks.watched(trusted, 60)
    assert found and found[0] > TODAY + timedelta(days=40)


def test_a_clock_that_jumps_all_the_time_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """A line when it begins, and another when it has been trusted in between."""
    clocks = Clocks()
    trusted = TrustedClock(TODAY, clocks.read)
    for _ in range(2):
        for _ in range(5):
            clocks.jump_s(100)
            clocks.watched(trusted, 15)
        assert clocks.watched(trusted, STEADY_S + 15)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2 and all(each.startswith("the clock is 0:01:40 ahead of what was known: ") for each in said)


def test_a_machine_that_slept_has_not_jumped() -> None:
    """The time since the start goes on while it sleeps: both clocks agree afterwards."""
    clocks = Clocks()
    trusted = TrustedClock(None, clocks.read)
    clocks.watched(trusted, STEADY_S)
    clocks.pass_s(3 * DAY_S)
    assert trusted.now() == TODAY + timedelta(seconds=STEADY_S, days=3)


@given(st.lists(st.tuples(st.floats(1, 60), st.floats(-0.005, 0.005)), min_size=1, max_size=300))
def test_a_clock_that_is_slewed_is_trusted(steps: list[tuple[float, float]]) -> None:
    """NTP makes a second a little longer or shorter; that is no jump."""
    clocks = Clocks()
    trusted = TrustedClock(None, clocks.read)
    begun = clocks.lived_s
    for passed_s, slew in steps:
        clocks.pass_s(passed_s)
        clocks.jump_s(passed_s * slew)
        assert (trusted.now() is not None) == (clocks.lived_s - begun >= STEADY_S)


@given(st.lists(st.tuples(st.floats(0, 1200), st.sampled_from([0.0, 0.0, 0.0, 40 * DAY_S, -40 * DAY_S, 2e9])), max_size=60))
def test_what_is_trusted_has_been_steady(steps: list[tuple[float, float]]) -> None:
    """Whatever the clock does: a moment is trusted only where ten minutes of looks before it saw no jump."""
    clocks = Clocks()
    trusted = TrustedClock(None, clocks.read)
    steady_since = clocks.lived_s
    for passed_s, jump_s in steps:
        clocks.pass_s(passed_s)
        clocks.jump_s(jump_s)
        if jump_s:
            steady_since = clocks.lived_s
        moment = trusted.now()
        assert moment is None or clocks.lived_s - steady_since >= STEADY_S
        assert moment is None or moment == datetime.fromtimestamp(clocks.wall_s, UTC)


def test_the_clocks_are_read_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is held up between the two readings reads again, and takes it for no jump."""
    held_up = iter([0.5, 0.0])
    now = time.time

    def slow() -> float:
        time.sleep(next(held_up, 0.0))
        return now()

    first = read_clocks()
    monkeypatch.setattr(trusted_time.time, "time", slow)
    second = read_clocks()
    assert abs((second.wall_s - first.wall_s) - (second.lived_s - first.lived_s)) < 0.2
    assert next(held_up, None) is None
