"""Tells whether an environment is complete. Every start asks that, so it reads two small files and starts no process.

.venv has what the server needs. .venv-torch beside it has the same packages and torch; `run.py install` makes it (docs/decisions).
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Iterable

ROOT = Path(__file__).resolve().parents[2]
LOCKS = Path(__file__).resolve().parent / "locks"

# Changes when environments are made in another way; those with another recipe are made again.
RECIPE = "2"


class Environment:
    """A folder with an environment. Its stamp, written last, names its Python and its parts.

    hushcast.json: {"recipe": RECIPE, "python": "3.11", PART: fingerprint of the part's lock, ...}
    unfinished: exists from the first change to the last; where a start finds it, it makes the environment again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "bin" / "python"
        self.stamp = folder / "hushcast.json"
        self.unfinished = folder / "unfinished"

    def stamps(self) -> dict[str, str]:
        """The stamp; {} where the environment is missing, incomplete or of another recipe."""
        try:
            if self.unfinished.exists():
                return {}
            stamps = dict(json.loads(self.stamp.read_text()))
        except (OSError, ValueError, TypeError):
            return {}
        return stamps if stamps.get("recipe") == RECIPE and os.access(str(self.python), os.X_OK) else {}

    def has(self, parts: Iterable[str]) -> bool:
        """Whether all these parts are installed as the locks are now."""
        stamps = self.stamps()
        return bool(stamps) and all(stamps.get(part) == fingerprint(stamps.get("python", ""), part) for part in parts)


VENV, VENV_TORCH = Environment(ROOT / ".venv"), Environment(ROOT / ".venv-torch")

# Part -> its sections of the lock. Every environment has "base" too; torch_build installs torch.
SECTIONS = {
    "base": ["base"],
    "test": ["test"],
    "nodes": ["nodes"],
    "acme": ["acme"],
    "cuda": ["torch", "cuda"],
    "reference": ["torch", "reference"],
}


def sections(version: str) -> dict[str, list[str]]:
    """Section -> its lines, in the lock of a Python such as "3.11"; {} where it has no lock."""
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
    """A digest of what this Python's lock has for the part; "" where it has no such part."""
    locked = sections(version)
    names = SECTIONS[part]
    if not all(name in locked for name in names):
        return ""
    return hashlib.sha256("\n".join(line for name in names for line in locked[name]).encode()).hexdigest()
