"""`.venv-torch`, the environment beside `.venv` that holds torch: where its Python is, and which parts are installed there.

Nothing that serves on a CPU needs it. It may be of another Python version than this process: whoever starts something there
talks with it over pipes, sockets and rings, never in pickles. It is found by its files; no Python is started for that.
"""

import json
import os
import sys
from collections.abc import Collection
from pathlib import Path

from workers.errors import WorkerFailed

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".venv-torch"
CUDA, REFERENCE = "cuda", "reference"  # torch and `deepfilternet` without its library; both with it: the offline `enhance()`
PARTS = (CUDA, REFERENCE)


class MissingExtra(WorkerFailed):
    """What was asked for needs packages that are not installed here. The text names the command that installs them."""

    def __init__(self, what: str, part: str) -> None:
        super().__init__(f"{what} needs the packages of {LABELS[part]}: python3 run.py install {part}", reason="missing_extra")


LABELS = {CUDA: "CUDA", REFERENCE: "the reference"}


def parts(folder: Path = FOLDER) -> frozenset[str]:
    """Which of PARTS are installed there, whole."""
    try:
        stamp = json.loads((folder / "hushcast.json").read_text())
        if (folder / "unfinished").exists() or not os.access(folder / "bin" / "python", os.X_OK):
            return frozenset()
    except (OSError, ValueError):
        return frozenset()
    return frozenset(PARTS) & frozenset(stamp) if isinstance(stamp, dict) else frozenset()


def python_of(wanted: Collection[str], folder: Path = FOLDER) -> Path | None:
    """Its interpreter, where one of the wanted parts is installed."""
    return folder / "bin" / "python" if parts(folder) & frozenset(wanted) else None


def python_for(what: str, part: str, folder: Path = FOLDER) -> Path:
    """Its interpreter, for `what` needs that part. Raises MissingExtra."""
    python = python_of((part,), folder)
    if python is None:
        raise MissingExtra(what, part)
    return python


def is_this(python: Path) -> bool:
    """Whether this process runs in that interpreter's environment already."""
    return python.parents[1].resolve() == Path(sys.prefix).resolve()
