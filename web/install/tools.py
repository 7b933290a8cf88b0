"""The programs that tests need besides Python's: from apt where we may, else named in one line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Sequence

from web.install.messages import say
from web.install.stamps import ROOT

TYPESCRIPT = "7.0.2"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
FONTS = ("fonts-dejavu-core", "fonts-liberation2")  # for the screenshots
# WHIP and WHEP clients that nobody here wrote, and the TURN server that credentials are checked against.
GSTREAMER = (
    "gstreamer1.0-plugins-base",
    "gstreamer1.0-plugins-good",
    "gstreamer1.0-plugins-bad",
    "gstreamer1.0-nice",
    "gir1.2-gst-plugins-bad-1.0",
    "python3-gi",
)
PROGRAMS = (("node", "nodejs"), ("npm", "npm"), ("firefox-esr", "firefox-esr"), ("turnserver", "coturn"), ("ip", "iproute2"))
NPM_CLIENTS = ("werift@0.25.2", "@eyevinn/whip-web-client@1.1.7", "node-datachannel@0.33.4")


def ensure_tools() -> None:
    """Get browsers, foreign clients, fonts, node, a C compiler and the TypeScript checker.

    What cannot be got is said; its tests skip, or fail under CI.
    """
    missing = _missing()
    if missing and shutil.which("apt-get") and os.geteuid() == 0:
        _apt(missing)
    elif missing:
        how = "sudo apt-get install -y" if shutil.which("apt-get") else "install with your system's package manager (Debian's names):"
        say("some tests need more: " + " ".join([how, *missing]))
    _npm()


def test_environment() -> dict[str, str]:
    """Where the tests look for sound and weights, unless told otherwise: in `shared` beside the checkout."""
    places = {"HUSHCAST_TEST_MODELS": "models", "HUSHCAST_TEST_AUDIO": "audio"}
    found = {variable: str(ROOT.parent / "shared" / name) for variable, name in places.items() if variable not in os.environ}
    return {variable: folder for variable, folder in found.items() if os.path.isdir(folder)}


def _missing() -> list[str]:
    """Debian's names of what is not here."""
    missing = [] if any(map(shutil.which, CHROMIUM)) else ["chromium"]
    if shutil.which("dpkg-query"):
        missing += [package for package in (*FONTS, *GSTREAMER) if not _quiet(["dpkg-query", "--status", package])]
    missing += [package for program, package in PROGRAMS if not shutil.which(program)]
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


def _npm() -> None:
    """All in one go: what a second `npm install` is not told of, it removes."""
    folder, packages = ROOT / "var" / "npm", ["typescript@" + TYPESCRIPT, *NPM_CLIENTS]
    marker = folder / "node_modules" / ".hushcast"
    if not shutil.which("npm") or (marker.is_file() and marker.read_text() == " ".join(packages)):
        return
    say("fetching with npm: " + " ".join(packages))
    folder.mkdir(parents=True, exist_ok=True)
    options = ["--silent", "--no-audit", "--no-fund", "--no-save", "--prefix", str(folder)]
    if _quiet(["npm", "install", *options, *packages]):
        marker.write_text(" ".join(packages))
    else:
        say("npm could not; the types of the page are not checked, and three foreign clients are missing")


def _quiet(command: Sequence[str]) -> bool:
    return subprocess.call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
