"""`.venv-torch`, the environment beside `.venv` that holds torch: where its Python is, and which parts are installed there.

Nothing that runs on a CPU needs it. It may be of another Python version than this process, so processes there are talked to over
pipes, sockets and rings, never with pickles. It is found by its files, without starting a Python.
"""

import json
import os
from collections.abc import Collection, Sequence
from pathlib import Path

from workers.errors import WorkerFailed
from workers.root import ROOT

CUDA, REFERENCE = "cuda", "reference"  # reference: also deepfilterlib, for the offline `enhance()`
PARTS = (CUDA, REFERENCE)
LABELS = {CUDA: "CUDA", REFERENCE: "the reference"}
_OF_THIS_PYTHON = ("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")


class MissingExtra(WorkerFailed):
    """The request needs packages that are not installed. The text names the command that installs them."""

    def __init__(self, what: str, part: str, more: str = "") -> None:
        super().__init__(f"{what} needs the packages of {LABELS[part]}: python3 run.py install {part}{more}", reason="missing_extra")


def folder() -> Path:
    """Its folder. HUSHCAST_TEST_TORCH names another one, for tests."""
    return Path(os.environ.get("HUSHCAST_TEST_TORCH") or ROOT / ".venv-torch")


def parts() -> frozenset[str]:
    """Which of PARTS are completely installed there."""
    place = folder()
    try:
        stamp = json.loads((place / "hushcast.json").read_text())
        if (place / "unfinished").exists() or not os.access(place / "bin" / "python", os.X_OK):
            return frozenset()
    except (OSError, ValueError):
        return frozenset()
    return frozenset(PARTS) & frozenset(stamp) if isinstance(stamp, dict) else frozenset()


def python_of(wanted: Collection[str]) -> Path | None:
    """Its interpreter; None where none of the wanted parts is installed."""
    return folder() / "bin" / "python" if parts() & frozenset(wanted) else None


def runner(what: str, wanted: Sequence[str]) -> tuple[Path, dict[str, str]]:
    """Its interpreter, if it has one of the wanted parts, and the environment in which to start one of our modules there.

    The environment excludes this process's own packages, which may be of another Python version. Raises MissingExtra.
    """
    python = python_of(wanted)
    if python is None:
        raise MissingExtra(what, wanted[0])
    kept = {name: value for name, value in os.environ.items() if name not in _OF_THIS_PYTHON}
    return python, {**kept, "PYTHONPATH": str(ROOT)}
