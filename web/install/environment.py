"""Make .venv: Python 3.11 and the pinned packages of setup.cfg. A stamp tells a finished one from a half-made one."""

from __future__ import annotations

import configparser
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterator, Sequence

from web.install.pip import Failed, pip, say
from web.install.pythons import VERSION, make_environment

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
STAMP = VENV / "hushcast.json"  # written last: {"base": hash of setup.cfg, "test": the same once the tests' packages are in}
UNFINISHED = VENV / "unfinished"  # there from the first step to the last: whoever finds it begins again

# What this folder does with setup.cfg; a new number makes every environment be looked over again.
RECIPE = "1"


def ensure(parts: Sequence[str]) -> Path:
    """Return the environment's Python once "base", and "test" where asked for, are installed. Raises Failed."""
    python = VENV / "bin" / "python"
    if _ready(parts):
        return python
    with _alone():
        if not _ready(parts):  # somebody else may have made it while we waited
            _make(python, parts)
    return python


def setup_list(section: str, option: str) -> list[str]:
    """A list of setup.cfg: one requirement a line."""
    setup = configparser.ConfigParser()
    setup.read(str(ROOT / "setup.cfg"), encoding="utf-8")
    return [line.strip() for line in setup[section][option].splitlines() if line.strip()]


def _wanted() -> str:
    return hashlib.sha256((ROOT / "setup.cfg").read_bytes() + RECIPE.encode()).hexdigest()


def _stamps() -> dict[str, str]:
    try:
        return {} if UNFINISHED.exists() else dict(json.loads(STAMP.read_text()))
    except (OSError, ValueError):
        return {}


def _ready(parts: Sequence[str]) -> bool:
    stamps, wanted = _stamps(), _wanted()
    return all(stamps.get(part) == wanted for part in parts) and os.access(str(VENV / "bin" / "python"), os.X_OK)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One at a time: two starts at once would install into each other's folder."""
    handle = os.open(str(ROOT), os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("another start is installing; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _make(python: Path, parts: Sequence[str]) -> None:
    stamps, wanted = _stamps(), _wanted()
    if UNFINISHED.exists() or not _is_right(python):
        if VENV.exists():
            say("removing an environment that cannot be used")
            shutil.rmtree(str(VENV))
        stamps = {}
    VENV.mkdir(exist_ok=True)
    UNFINISHED.write_text("the next start of run.py removes this folder and begins again\n")
    try:
        if not python.exists():
            make_environment(VENV)
        done = _install_missing(python, parts, [part for part in stamps if stamps[part] == wanted])
        STAMP.write_text(json.dumps(dict.fromkeys(done, wanted)))
    except Failed:  # pip has said so itself and left nothing by halves: what is there may be built upon, but is not ready
        STAMP.unlink(missing_ok=True)
        UNFINISHED.unlink()
        raise
    UNFINISHED.unlink()
    say("the environment is ready")


def _install_missing(python: Path, parts: Sequence[str], done: list[str]) -> list[str]:
    """Install what is not done yet. Returns all that is done then."""
    if "base" not in done:
        _install_pip(python)
        _install_torch(python)
        _install(python, "packages", setup_list("options", "install_requires"))
        done.append("base")
    if "test" in parts and "test" not in done:
        _install(python, "packages of the tests", setup_list("options.extras_require", "test"))
        done.append("test")
    return done


def _is_right(python: Path) -> bool:
    """Whether there is a working Python of the right version."""
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        return subprocess.check_output([str(python), "-c", ask], stderr=subprocess.DEVNULL).decode().strip() == VERSION
    except (OSError, subprocess.CalledProcessError):
        return False


def _install(python: Path, what: str, requirements: Sequence[str]) -> None:
    """Install these, and hold everything else at the version of setup.cfg."""
    pinned = setup_list("constraints", "versions") + setup_list("options", "install_requires")
    held = [each for each in pinned if each not in requirements]
    say(f"installing {len(requirements)} {what}")
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text("\n".join(held) + "\n")
        pip(python, ["install", "-c", str(constraints), *requirements])


def _install_pip(python: Path) -> None:
    """The pip that is pinned, in the place of the one that came with Python: that one is years old, and what it does not know is unsafe."""
    for pinned in setup_list("constraints", "versions"):
        if pinned.startswith("pip==") and not _has(python, pinned):
            say(f"installing {pinned.replace('==', ' ')}")
            if not pip(python, ["install", pinned], optional=True):
                say("it is not to be had here; going on with the one that came with Python")


def _install_torch(python: Path) -> None:
    """The build without CUDA, where there is no NVIDIA GPU: first as pip's indexes have it, then as uv knows to find it.

    Without its dependencies, which come with the other packages. If neither has it, the next step takes what the index offers.
    """
    [pinned] = [line for line in setup_list("options", "install_requires") if line.startswith("torch==")]
    if sys.platform != "linux" or _has_nvidia() or _has(python, pinned):
        return
    say(f"installing {pinned.replace('==', ' ')}, the build for CPUs")
    if pip(python, ["install", "--no-deps", pinned + "+cpu"], optional=True):
        return
    with tempfile.TemporaryDirectory() as folder:
        say("pip finds none; asking uv")
        if pip(python, ["install", "--target", folder, "uv"], optional=True):
            uv = [str(Path(folder) / "bin" / "uv"), "pip", "install", "--quiet", "--no-deps", "--python", str(python)]
            if subprocess.call([*uv, "--torch-backend=cpu", pinned], stderr=subprocess.DEVNULL) == 0:
                return
    say("only the build with CUDA is offered here; it works without a GPU, but takes some gigabytes more")


def _has_nvidia() -> bool:
    try:
        return subprocess.call(["nvidia-smi", "-L"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def _has(python: Path, pinned: str) -> bool:
    name, version = pinned.split("==")
    ask = f"from importlib.metadata import version; print(version({name!r}).split('+')[0])"
    asked = subprocess.run([str(python), "-c", ask], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return asked.stdout.decode().strip() == version
