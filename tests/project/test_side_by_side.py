"""Which tests of a run of two processes go on at the same time: a run of pytest's own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.running import ROOT

FILE = """
import time
from pathlib import Path

import pytest

HERE = Path(__file__)

def wait_for(file, longest_s):
    deadline = time.monotonic() + longest_s
    while not file.exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True

def test_meets_the_other():
    HERE.with_suffix(".here").touch()
    other = HERE.with_name({"test_one.py": "test_two.here", "test_two.py": "test_one.here"}[HERE.name])
    assert wait_for(other, 60)

@pytest.mark.real_time
def test_alone():
    at_work = HERE.with_name("at_work")
    at_work.touch(exist_ok=False)
    time.sleep(0.3)
    at_work.unlink()

def test_after():
    assert not HERE.with_name("at_work").exists()
    time.sleep(0.1)
    assert not HERE.with_name("at_work").exists()
"""


PAIR = """
import time
from pathlib import Path

import pytest

HERE = Path(__file__)

@pytest.mark.real_time(pair=True)
@pytest.mark.parametrize("time_of_it", range(3))
def test_pair(time_of_it):
    HERE.with_suffix(".here").touch()
    time.sleep(0.3)
    others = list(HERE.parent.glob("test_[abc].here"))
    HERE.with_suffix(".here").unlink()
    assert len(others) <= 2 and not HERE.with_name("at_work").exists()
    with (HERE.parent / "met").open("a") as file:
        file.write(f"{len(others)}\\n")
"""


IN_TURN = """
from pathlib import Path

import pytest

@pytest.fixture(params=[1, 2])
def again():
    pass

def note(name):
    with (Path(__file__).parent / "order").open("a") as file:
        file.write(f"{Path(__file__).stem} {name}\\n")

MARKED
def test_first():
    note("first")

def test_second():
    note("second")
"""


def test_real_time_tests_are_alone(tmp_path: Path) -> None:
    """Two files in two processes: the ordinary tests meet, those marked `real_time` meet nobody."""
    for name in ("test_one.py", "test_two.py"):
        (tmp_path / name).write_text(FILE)
    assert last_line(tmp_path, 2).startswith("6 passed")


def test_pairs_are_two_at_most_and_meet_nobody_else(tmp_path: Path) -> None:
    """Three files of such tests, and one of ordinary ones and one that is alone, in four processes."""
    for name in "abc":
        (tmp_path / f"test_{name}.py").write_text(PAIR)
    (tmp_path / "test_one.py").write_text(
        FILE.replace("assert wait_for(other, 60)", 'assert not list(HERE.parent.glob("test_[abc].here"))')
    )
    assert last_line(tmp_path, 4).startswith("12 passed")
    assert "2" in (tmp_path / "met").read_text().split()


def test_those_with_a_browser_are_spread_and_real_time_tests_come_last(tmp_path: Path) -> None:
    """Of all files, and within one; those that go in pairs come after those that go alone; else the file with more tests comes first."""
    pair = "pytest.mark.real_time(pair=True)"
    marks = {"2": f"@{pair}", "a": "@pytest.mark.real_time", "b": "", "c": "@pytest.mark.usefixtures('again')", "d": "@pytest.mark.browser"}
    for name, mark in {**marks, "0": f"pytestmark = {pair}", "1": "pytestmark = pytest.mark.real_time"}.items():
        (tmp_path / f"test_{name}.py").write_text(IN_TURN.replace("MARKED", mark))
    assert last_line(tmp_path, 1).startswith("15 passed")
    first, second = "first", "second"
    wanted = [("d", first), ("d", second), ("c", first), ("c", first), ("c", second), ("b", first), ("b", second)]
    wanted += [("a", second), ("a", first), ("1", first), ("1", second), ("2", second), ("2", first), ("0", first), ("0", second)]
    assert (tmp_path / "order").read_text().splitlines() == [f"test_{file} {test}" for file, test in wanted]


def last_line(folder: Path, processes: int) -> str:
    """What pytest says at the end of a good run of the tests in `folder`."""
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    real_time\n    browser\n")
    plugins = ["-p", "tests.support.side_by_side", "-p", "no:cacheprovider"]
    words = [sys.executable, "-m", "pytest", "-q", *plugins, "-n", str(processes), "--dist", "loadfile", "--no-loadscope-reorder"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        words, cwd=folder, env={**environment, "PYTHONPATH": str(ROOT), "HUSHCAST_TEST_TURNS": str(folder)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == pytest.ExitCode.OK, done.stdout
    return done.stdout.splitlines()[-1]
