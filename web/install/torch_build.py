"""torch comes in builds: with CUDA, as package indexes have it, and without, which is smaller by gigabytes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Sequence

from web.install.messages import say
from web.install.pip import Pip
from web.install.pythons import fetched_uv

PARTS = ("cuda", "reference")


def install(pip: Pip, python: Path, locked: Sequence[str], with_cuda: bool) -> None:
    """Install torch; `locked` is the build of the package index and what it needs. Raises Failed.

    The build without CUDA lies on other indexes than the lock was made from, so it has a version here and no hash.
    """
    version = next(line for line in locked if line.startswith("torch==")).split()[0].split("==")[1]
    there = _version(python)
    if there == version or (there == version + "+cpu" and not with_cuda):
        return
    if there:
        pip.uninstall("torch")
    if not with_cuda and sys.platform == "linux":
        say(f"installing torch {version}, the build for CPUs")
        if pip.install([f"torch=={version}+cpu"], optional=True) or _with_uv(python, version):
            return
        say("only the build with CUDA is offered here; it works without a GPU, but takes some gigabytes more")
    exactly = [line.replace("torch==", "torch===", 1) for line in locked if line.startswith("torch==")]  # == would take +cpu too
    around = [line for line in locked if not line.startswith("torch==")] if sys.platform == "linux" else []  # CUDA's
    say(f"installing torch {version} and {len(around)} packages that it needs")
    pip.install([*around, *exactly])


def _with_uv(python: Path, version: str) -> bool:
    """uv knows where torch's makers have their builds."""
    say("pip finds none; asking uv")
    with tempfile.TemporaryDirectory() as folder:
        uv = fetched_uv(Path(folder))
        command = [
            uv or "uv",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--python",
            str(python),
            "--torch-backend=cpu",
            "torch==" + version,
        ]
        try:
            nothing = subprocess.DEVNULL
            return subprocess.call(command, stdout=nothing, stderr=nothing, stdin=nothing, close_fds=False) == 0  # as pip: the lock
        except OSError:
            return False


def _version(python: Path) -> str:
    ask = "from importlib.metadata import version; print(version('torch'))"
    asked = subprocess.run([str(python), "-c", ask], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return asked.stdout.decode(errors="replace").strip()
