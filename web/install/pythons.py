"""Finds a Python that there is a lock for; else fetches one with uv; else says what to install."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterator, Sequence

from web.install.messages import Failed, say
from web.install.stamps import sections

VERSIONS = ("3.11", "3.12", "3.13", "3.14")  # python_requires in setup.cfg says the same
# Prints the version of a Python; "" unless it is CPython with the GIL, which the wheels need, and has venv and ensurepip.
QUERY = """
import sys, sysconfig, venv, ensurepip
usual = sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
print("%d.%d" % sys.version_info[:2] if usual else "")
"""


def make_environment(folder: Path, versions: Sequence[str]) -> str:
    """Make an environment without pip, with the first Python found that is of `versions`; returns its version. Raises Failed."""
    for python in _candidates(versions):
        version = version_of(python)
        if version in versions:
            say(f"making {folder.name} with Python {version} ({python})")
            if _succeeds([python, "-m", "venv", "--without-pip", str(folder)]):
                return version
    return _make_with_uv(folder, versions)


def version_of(python: str) -> str:
    """Such as "3.11"; "" where it does not exist, does not run, or is not CPython with venv and ensurepip."""
    try:
        asked = subprocess.run(
            [python, "-c", QUERY], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, check=False
        )
    except OSError:
        return ""
    return asked.stdout.decode(errors="replace").strip() if asked.returncode == 0 else ""


def _candidates(versions: Sequence[str]) -> Iterator[str]:
    """The running Python, then those on PATH."""
    base = getattr(sys, "_base_executable", "")  # the running one may be of the environment that is about to be replaced
    yield from (python for python in (sys.executable, base) if python)
    for version in versions:
        found = shutil.which("python" + version)
        if found:
            yield found


def _make_with_uv(folder: Path, versions: Sequence[str]) -> str:
    version = versions[0]
    say(f"no usable Python {_span(versions)} here (this is {sys.version_info[0]}.{sys.version_info[1]}); fetching {version} with uv")
    with tempfile.TemporaryDirectory() as place:
        uv = shutil.which("uv") or fetch_uv(Path(place))
        if uv and _succeeds([uv, "venv", "--quiet", "--allow-existing", "--python", version, str(folder)], quiet=False):
            return version
    raise Failed(f"Python {_span(versions)} is needed, with its venv: on Debian `apt install python{version}-venv`, then start again")


def fetch_uv(place: Path) -> str | None:
    """Install the locked uv below `place`, with our own pip or that of a small environment; returns its path, None where neither works."""
    wanted = place / "uv.txt"
    wanted.write_text("\n".join(_locked_uv()) + "\n")
    options = ["install", "--quiet", "--no-deps", "--require-hashes", "-r", str(wanted)]
    if _succeeds([sys.executable, "-m", "pip", *options, "--target", str(place / "uv")]):
        return str(place / "uv" / "bin" / "uv")
    small = place / "venv"
    if _succeeds([sys.executable, "-m", "venv", str(small)]):
        if _succeeds([str(small / "bin" / "python"), "-m", "pip", *options]):
            return str(small / "bin" / "uv")
    return None


def _locked_uv() -> list[str]:
    """Its lines in the lock of the first Python; the wheel is the same for all."""
    return [line for line in sections(VERSIONS[0]).get("test", []) if line.startswith("uv==")]


def _span(versions: Sequence[str]) -> str:
    return versions[0] if len(versions) == 1 else f"{versions[0]} to {versions[-1]}"


def _succeeds(command: Sequence[str], quiet: bool = True) -> bool:
    sink = subprocess.DEVNULL if quiet else None
    try:
        return subprocess.call(command, stdout=sink, stderr=sink, stdin=subprocess.DEVNULL) == 0
    except OSError:
        return False
