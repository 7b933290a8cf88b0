"""Find a Python that there is a lock for; or fetch one with uv; or say what to install."""

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
# What a Python is asked: its version, if it is CPython as the wheels know it and can make an environment with pip.
ASK = """
import sys, sysconfig, venv, ensurepip
usual = sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
print("%d.%d" % sys.version_info[:2] if usual else "")
"""


def make_environment(folder: Path, versions: Sequence[str]) -> str:
    """Make an environment, as yet without pip, with the first Python of `versions` that there is; returns which. Raises Failed."""
    for python in _candidates(versions):
        version = version_of(python)
        if version in versions:
            say(f"making {folder.name} with Python {version} ({python})")
            if _succeeds([python, "-m", "venv", "--without-pip", str(folder)]):
                return version
    return _made_with_uv(folder, versions)


def version_of(python: str) -> str:
    """ "3.11" and so on; "" where it is not there, does not work, or is not CPython with venv and ensurepip."""
    try:
        asked = subprocess.run(
            [python, "-c", ASK], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, check=False
        )
    except OSError:
        return ""
    return asked.stdout.decode(errors="replace").strip() if asked.returncode == 0 else ""


def _candidates(versions: Sequence[str]) -> Iterator[str]:
    """The running one first; then what PATH has under these names."""
    base = getattr(sys, "_base_executable", "")  # the running one may lie in the very environment that is made anew
    yield from (python for python in (sys.executable, base) if python)
    for version in versions:
        found = shutil.which("python" + version)
        if found:
            yield found


def _made_with_uv(folder: Path, versions: Sequence[str]) -> str:
    version = versions[0]
    say(f"no usable Python {_span(versions)} here (this is {sys.version_info[0]}.{sys.version_info[1]}); fetching {version} with uv")
    with tempfile.TemporaryDirectory() as place:
        uv = shutil.which("uv") or fetched_uv(Path(place))
        if uv and _succeeds([uv, "venv", "--quiet", "--allow-existing", "--python", version, str(folder)], quiet=False):
            return version
    raise Failed(f"Python {_span(versions)} is needed, with its venv: on Debian `apt install python{version}-venv`, then start again")


def fetched_uv(place: Path) -> str | None:
    """uv as the lock has it, in a folder that is gone afterwards: by our own pip, or by that of a small environment."""
    wanted = place / "uv.txt"
    wanted.write_text("\n".join(_locked_uv()) + "\n")
    options = ["install", "--quiet", "--no-deps", "--require-hashes", "-r", str(wanted)]
    if _succeeds([sys.executable, "-m", "pip", *options, "--target", str(place / "uv")]):
        return str(place / "uv" / "bin" / "uv")
    helper = place / "venv"
    if _succeeds([sys.executable, "-m", "venv", str(helper)]):
        if _succeeds([str(helper / "bin" / "python"), "-m", "pip", *options]):
            return str(helper / "bin" / "uv")
    return None


def _locked_uv() -> list[str]:
    """It is the same wheel for every Python."""
    return [line for line in sections(VERSIONS[0]).get("test", []) if line.startswith("uv==")]


def _span(versions: Sequence[str]) -> str:
    return versions[0] if len(versions) == 1 else f"{versions[0]} to {versions[-1]}"


def _succeeds(command: Sequence[str], quiet: bool = True) -> bool:
    sink = subprocess.DEVNULL if quiet else None
    try:
        return subprocess.call(command, stdout=sink, stderr=sink, stdin=subprocess.DEVNULL) == 0
    except OSError:
        return False
