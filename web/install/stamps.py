"""What every start asks first: is the environment there? Two small files are read for it, and no process is started.

.venv serves. .venv-torch beside it holds the same packages and torch, for what `run.py install` names (docs/decisions).
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Iterable

ROOT = Path(__file__).resolve().parents[2]
LOCKS = Path(__file__).resolve().parent / "locks"

# How environments are made; one that was made in another way is made anew.
RECIPE = "2"


class Environment:
    """A folder with an environment. Its stamp, written last, says with which Python it was made and which parts are in it.

    hushcast.json: {"recipe": RECIPE, "python": "3.11", PART: fingerprint of the part's lock, ...}
    unfinished: there from the first change to the last; what it lies in is removed by the next start.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "bin" / "python"
        self.stamp = folder / "hushcast.json"
        self.unfinished = folder / "unfinished"

    def stamps(self) -> dict[str, str]:
        """The stamp; {} where the folder is half-made, of another recipe or not there."""
        try:
            if self.unfinished.exists():
                return {}
            stamps = dict(json.loads(self.stamp.read_text()))
        except (OSError, ValueError, TypeError):
            return {}
        return stamps if stamps.get("recipe") == RECIPE and os.access(str(self.python), os.X_OK) else {}

    def has(self, parts: Iterable[str]) -> bool:
        """Whether all these parts are there, as their locks are now."""
        stamps = self.stamps()
        return bool(stamps) and all(stamps.get(part) == fingerprint(stamps.get("python", ""), part) for part in parts)


VENV, VENV_TORCH = Environment(ROOT / ".venv"), Environment(ROOT / ".venv-torch")

# Part -> the sections of the lock that it is made of, besides "base". torch is installed in a way of its own.
SECTIONS = {"base": ["base"], "test": ["test"], "cuda": ["torch", "cuda"], "reference": ["torch", "reference"]}


def sections(version: str) -> dict[str, list[str]]:
    """Section -> its lines, of the lock of a Python such as "3.11"; {} where there is none."""
    try:
        text = (LOCKS / f"py{version.replace('.', '')}.txt").read_text()
    except OSError:
        return {}
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("# ["):
            lines = found.setdefault(line[3 : line.index("]")], [])
        elif line.strip() and not line.startswith("#"):
            lines.append(line)
    return found


def fingerprint(version: str, part: str) -> str:
    """Changes with what the part is locked to for this Python; "" where the lock has no such part."""
    locked = sections(version)
    names = SECTIONS[part]
    if not all(name in locked for name in names):
        return ""
    return hashlib.sha256("\n".join(line for name in names for line in locked[name]).encode()).hexdigest()
