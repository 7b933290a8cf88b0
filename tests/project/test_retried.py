"""What a run makes of tests that had to be measured again: a run of pytest's own, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import retried
from tests.support.running import ROOT

RUN = """
import pytest
from tests.support import late

late.busy_since = lambda began: BUSY
late.calm = lambda: None
tries: dict[int, int] = {}

@pytest.mark.MARK
@pytest.mark.parametrize("number", range(10))
def test_late(number: int) -> None:
    tries[number] = tries.get(number, 0) + 1
    assert tries[number] > LATE[number]
"""


def run(folder: Path, late: list[int], stretch: str = "1", busy: float = 1.0, mark: str = "real_time") -> tuple[int, list[str]]:
    """Ten tests, each of which fails so often, on a machine where nobody has time, or all have (0.0); the exit status, what was printed."""
    file = folder / "test_late.py"
    file.write_text(RUN.replace("MARK", mark) + f"\nLATE = {late + [0] * (10 - len(late))}\nBUSY = {busy}\n")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n  real_time\n  browser\n")
    words = [sys.executable, "-m", "pytest", "-q", "-p", "tests.support.retried", "-p", "no:cacheprovider", str(file)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HUSHCAST_TEST_STRETCH": stretch}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize("mark", retried.MARKS)
def test_a_few_are_forgiven_and_told(tmp_path: Path, mark: str) -> None:
    """Which test held at which attempt, how many that makes, and pytest's own line at the end."""
    status, lines = run(tmp_path, [2, 1, 0, 1], mark=mark)
    assert status == pytest.ExitCode.OK
    assert "measured again: test_late.py::test_late[0] held at attempt 3, which counts as 2" in lines
    assert "retries: 4 in 3 tests, at most 8 are forgiven" in lines
    assert lines[-1].startswith("10 passed")


@pytest.mark.parametrize("late", [[1] * (retried.MOST + 1), [2] * (retried.MOST // 2 + 1)])
def test_more_fail_the_run(tmp_path: Path, late: list[int]) -> None:
    """Though every test held in the end; the last line says so too, and what it is."""
    status, lines = run(tmp_path, late)
    assert status == pytest.ExitCode.TESTS_FAILED
    assert any(line.startswith("ERROR retries") for line in lines), lines
    assert lines[-1].startswith("10 passed, 1 error")


def test_what_nothing_explains_counts_as_several(tmp_path: Path) -> None:
    """Two such tests of a run are forgiven, three are not."""
    status, lines = run(tmp_path, [1, 1], busy=0.0)
    assert (status, lines[-1][:9]) == (pytest.ExitCode.OK, "10 passed")
    assert "measured again: test_late.py::test_late[0] held at attempt 2, which counts as 3" in lines
    status, lines = run(tmp_path, [1, 1, 1], busy=0.0)
    assert (status, lines[-1][:18]) == (pytest.ExitCode.TESTS_FAILED, "10 passed, 1 error")


def test_a_slow_machine_is_forgiven_more(tmp_path: Path) -> None:
    """In the measure in which its waits are longer."""
    status, lines = run(tmp_path, [1] * (retried.MOST + 1), stretch="2")
    assert (status, lines[-1][:9]) == (pytest.ExitCode.OK, "10 passed")


def test_what_failed_for_good_is_a_failure_as_ever(tmp_path: Path) -> None:
    """With too many retries besides: both are in the last line."""
    status, lines = run(tmp_path, [3, *[1] * (retried.MOST + 1)])
    assert status == pytest.ExitCode.TESTS_FAILED
    assert lines[-1].startswith("1 failed, 9 passed, 1 error")
