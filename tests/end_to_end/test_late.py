"""When a measurement is taken again: only where it failed, and not for ever; with what it counts as."""

import os
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path

import pytest

from tests.support import late
from tests.support.late import Held


class Machine:
    """A clock that goes on a second a look, and what is said of who waits for a processor."""

    def __init__(self, folder: Path, busy: float) -> None:
        self.now_s, self._busy, self._file = 0.0, busy, folder / "cpu"

    def monotonic(self) -> float:
        self.now_s += 1.0
        self._file.write_text(f"some avg10=0.00 avg60=0.00 avg300=0.00 total={int(self.now_s * self._busy * 1e6)}\nfull total=0\n")
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, busy: float, failures: int, error: type[Exception] = AssertionError) -> Held:
    """When it held, with so many that fail; the error where all do."""
    machine = Machine(tmp_path, busy)
    monkeypatch.setattr(late, "time", machine)
    monkeypatch.setattr(late, "PRESSURE", tmp_path / "cpu")
    left: Iterator[type[Exception] | None] = chain(repeat(error, failures), repeat(None))

    def measure() -> None:
        if found := next(left):
            raise found("too late")

    return late.measured(measure, AssertionError, TimeoutError)


@pytest.mark.parametrize("failures", [0, 1, 2])
def test_a_busy_machine_gets_another_chance(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, failures: int) -> None:
    """What holds at last has held; how often it took is told."""
    assert measured(monkeypatch, tmp_path, 0.9, failures) == (failures + 1, failures)


def test_the_last_one_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is wrong stays wrong, however busy the machine."""
    with pytest.raises(AssertionError):
        measured(monkeypatch, tmp_path, 0.9, late.MOST)


@pytest.mark.parametrize("busy", [0.1, 0.9])
def test_what_lateness_does_not_explain_is_wrong_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, busy: float) -> None:
    with pytest.raises(ValueError):
        measured(monkeypatch, tmp_path, busy, 1, ValueError)


@pytest.mark.parametrize("error", [AssertionError, TimeoutError])
def test_what_had_time_is_measured_once_more(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: type[Exception]) -> None:
    """The host may have taken the time; but it counts as several, and twice is wrong."""
    assert measured(monkeypatch, tmp_path, 0.1, 1, error) == (2, late.UNEXPLAINED)
    with pytest.raises(error):
        measured(monkeypatch, tmp_path, 0.1, 2, error)


@pytest.mark.parametrize(("running", "expected"), [(0.5, False), (1000.0, True)])
def test_where_nobody_counts_who_waits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, running: float, expected: bool) -> None:
    """The load says it: more to run than there are processors."""
    monkeypatch.setattr(late, "PRESSURE", tmp_path / "nothing")
    monkeypatch.setattr(os, "getloadavg", lambda: (running,) * 3)
    assert (late.busy_since(late.waited()) > late.BUSY) is expected
