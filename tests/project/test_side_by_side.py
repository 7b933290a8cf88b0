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


def test_real_time_tests_are_alone(tmp_path: Path) -> None:
    """Two files in two processes: the ordinary tests meet, those marked `real_time` meet nobody."""
    for name in ("test_one.py", "test_two.py"):
        (tmp_path / name).write_text(FILE)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = real_time\n")
    words = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "tests.support.side_by_side",
        "-p",
        "no:cacheprovider",
        "-n",
        "2",
        "--dist",
        "loadfile",
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        words, cwd=tmp_path, env={**environment, "PYTHONPATH": str(ROOT), "HUSHCAST_TEST_TURNS": str(tmp_path)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == pytest.ExitCode.OK, done.stdout
    assert done.stdout.splitlines()[-1].startswith("6 passed")
