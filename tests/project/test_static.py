"""Style and types, as tests: what the linters say is shown like any other failure."""

import subprocess
import sys

import pytest

from tests.support.running import ROOT

# A cache of its own for mypy: two at once over one report what is not there.
CHECKS = [["ruff", "check", "--quiet"], ["mypy", "--no-error-summary", "--cache-dir=.mypy_cache/tests"]]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check[0])
def test_python(check: list[str]) -> None:
    """ruff and mypy --strict have nothing to say."""
    said = subprocess.run([sys.executable, "-m", *check], cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 0, said.stdout + said.stderr
