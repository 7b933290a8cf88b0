"""pip, with a line for what takes long instead of three for each package."""

from __future__ import annotations

import collections
import re
import subprocess
import sys
from pathlib import Path
from typing import Sequence

LARGE_MB = 5


class Failed(Exception):
    """Something could not be installed; the text is one line for the user."""


def say(text: str) -> None:
    """One line about what is going on."""
    print("run.py: " + text, flush=True)


def pip(python: Path, arguments: Sequence[str], optional: bool = False) -> bool:
    """Run pip and show its progress. Returns whether it worked; where it has to, it raises Failed after showing pip's last words."""
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", "--no-color", *arguments]
    last: collections.deque[str] = collections.deque(maxlen=15)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            last.append(line.rstrip())
            _show(line)
    finally:
        process.stdout.close()
        status = process.wait()
        _clear()
    if status and not optional:
        print("\n".join("  | " + line for line in last), file=sys.stderr)
        raise Failed("pip could not install everything (its last words are above); the next start tries again")
    return status == 0


def _show(line: str) -> None:
    step = re.match(r"(Collecting|Downloading|Using cached|Building wheel for|Installing collected packages)\b:? *(.*)", line.strip())
    if step is None:
        return
    if sys.stdout.isatty():
        sys.stdout.write(f"\r  {step.group(1)} {step.group(2)}"[:100].ljust(100))
        sys.stdout.flush()
        return
    size = re.search(r"\(([\d.]+) MB\)", line)
    if step.group(1).startswith(("Building", "Installing")):
        print(f"  {step.group(1).lower()} {_short(step.group(2))}", flush=True)
    elif size and float(size.group(1)) >= LARGE_MB:
        print(f"  {step.group(2)}", flush=True)


def _short(names: str) -> str:
    listed = names.split(", ")
    return names if len(listed) < 4 else f"{', '.join(listed[:3])} and {len(listed) - 3} more"


def _clear() -> None:
    if sys.stdout.isatty():
        sys.stdout.write("\r" + " " * 100 + "\r")
