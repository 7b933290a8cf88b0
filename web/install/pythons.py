"""Find a Python 3.11, for deepfilterlib has wheels for no later one; or fetch it with uv; or say what to install."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Sequence

from web.install.pip import Failed, say

VERSION = "3.11"
CAN_MAKE = f"import sys, venv, ensurepip; sys.exit('%d.%d' % sys.version_info[:2] != '{VERSION}')"


def make_environment(folder: Path) -> None:
    """Make an environment with pip and the right Python in `folder`. Raises Failed with what to install."""
    for python in (sys.executable, shutil.which("python" + VERSION)):
        if python and _succeeds([python, "-c", CAN_MAKE]):
            say(f"making .venv with {python}")
            if _succeeds([python, "-m", "venv", str(folder)]):
                return
    if not _made_with_uv(folder):
        raise Failed(f"Python {VERSION} is needed, with its venv module: on Debian `apt install python{VERSION}-venv`, then start again")


def _made_with_uv(folder: Path) -> bool:
    with tempfile.TemporaryDirectory() as place:
        uv = shutil.which("uv") or _fetched_uv(Path(place))
        if uv is None:
            return False
        say(f"fetching Python {VERSION} with uv")
        return _succeeds([uv, "venv", "--seed", "--allow-existing", "--python", VERSION, str(folder)], quiet=False)


def _fetched_uv(place: Path) -> str | None:
    """uv from the package index, in a folder that is gone afterwards: by our own pip, or by that of a small environment."""
    say(f"no usable Python {VERSION} here; getting uv, which can fetch one")
    if _succeeds([sys.executable, "-m", "pip", "install", "--quiet", "--target", str(place / "uv"), "uv"]):
        return str(place / "uv" / "bin" / "uv")
    helper = place / "venv"
    if _succeeds([sys.executable, "-m", "venv", str(helper)]):
        if _succeeds([str(helper / "bin" / "python"), "-m", "pip", "install", "--quiet", "uv"]):
            return str(helper / "bin" / "uv")
    return None


def _succeeds(command: Sequence[str], quiet: bool = True) -> bool:
    sink = subprocess.DEVNULL if quiet else None
    try:
        return subprocess.call(command, stdout=sink, stderr=sink) == 0
    except OSError:
        return False
