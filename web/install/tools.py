"""The programs that tests need besides Python's: from apt where we may, else named in one line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Sequence

from web.install.environment import ROOT
from web.install.pip import say

TYPESCRIPT = "7.0.2"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
FONTS = ("fonts-dejavu-core", "fonts-liberation2")  # for the screenshots


def ensure_tools() -> None:
    """Get a browser, fonts, node, a C compiler and the TypeScript checker. What cannot be got is said; its tests skip, or fail under CI."""
    missing = _missing()
    if missing and shutil.which("apt-get") and os.geteuid() == 0:
        _apt(missing)
    elif missing:
        how = "sudo apt-get install -y" if shutil.which("apt-get") else "install with your system's package manager (Debian's names):"
        say("some tests need more: " + " ".join([how, *missing]))
    _typescript()


def test_environment() -> dict[str, str]:
    """Where the tests look for sound and weights, unless told otherwise: in `shared` beside the checkout."""
    places = {"HUSHCAST_TEST_MODELS": "models", "HUSHCAST_TEST_AUDIO": "audio"}
    found = {variable: str(ROOT.parent / "shared" / name) for variable, name in places.items() if variable not in os.environ}
    return {variable: folder for variable, folder in found.items() if os.path.isdir(folder)}


def _missing() -> list[str]:
    """Debian's names of what is not here."""
    missing = [] if any(map(shutil.which, CHROMIUM)) else ["chromium"]
    if shutil.which("dpkg-query"):
        missing += [font for font in FONTS if not _quiet(["dpkg-query", "--status", font])]
    missing += [package for program, package in (("node", "nodejs"), ("npm", "npm")) if not shutil.which(program)]
    if not shutil.which("cc"):  # pesq comes as source
        missing += ["gcc", "libc6-dev"]
    if sys.executable.startswith("/usr/bin/") and not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        missing.append(f"python{sys.version_info[0]}.{sys.version_info[1]}-dev")
    return missing


def _apt(packages: Sequence[str]) -> None:
    say("installing with apt: " + " ".join(packages))
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    for command in (["apt-get", "-qq", "update"], ["apt-get", "-qq", "install", "-y", "--no-install-recommends", *packages]):
        if subprocess.call(command, env=environment, stdout=subprocess.DEVNULL):
            say(f"apt could not: {' '.join(command)}")


def _typescript() -> None:
    folder = ROOT / "var" / "npm"
    marker = folder / "node_modules" / ".hushcast"
    if not shutil.which("npm") or (marker.is_file() and marker.read_text() == TYPESCRIPT):
        return
    say(f"fetching typescript {TYPESCRIPT}, which checks the page's types")
    folder.mkdir(parents=True, exist_ok=True)
    options = ["--silent", "--no-audit", "--no-fund", "--no-save", "--prefix", str(folder)]
    if _quiet(["npm", "install", *options, "typescript@" + TYPESCRIPT]):
        marker.write_text(TYPESCRIPT)
    else:
        say("npm could not; the types of the page are not checked")


def _quiet(command: Sequence[str]) -> bool:
    return subprocess.call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
