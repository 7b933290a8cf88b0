"""Style and types, as tests: what the linters say is shown like any other failure."""

import subprocess
import sys

import pytest

from tests.conftest import missing_program
from tests.running import ROOT

TSC = ROOT / "var" / "npm" / "node_modules" / ".bin" / "tsc"
# A cache of its own for mypy: two at once over one report what is not there.
CHECKS = [["ruff", "check", "--quiet"], ["mypy", "--no-error-summary", "--cache-dir=.mypy_cache/tests"]]
BROWSER = ROOT / "tests" / "browser"


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check[0])
def test_python(check: list[str]) -> None:
    """ruff and mypy --strict have nothing to say."""
    said = subprocess.run([sys.executable, "-m", *check], cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 0, said.stdout + said.stderr


def test_javascript() -> None:
    """The JSDoc types of the page hold."""
    if not TSC.exists():
        missing_program("typescript")
    said = subprocess.run([TSC, "--noEmit", "--project", BROWSER / "tsconfig.json"], cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 0, said.stdout
