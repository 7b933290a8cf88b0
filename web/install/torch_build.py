"""Installs torch in one of two builds: with CUDA, as the package index has it, or without, which is smaller by gigabytes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Sequence

from web.install.messages import say
from web.install.pip import Pip
from web.install.pythons import fetch_uv

PARTS = ("cuda", "reference")


def install(pip: Pip, python: Path, locked: Sequence[str], with_cuda: bool) -> None:
    """Install torch unless the right build is there. locked: the build with CUDA and what it needs. Raises Failed.

    The build without CUDA is on other indexes than the lock was made from, so only its version is fixed, not its hash.
    """
    version = next(line for line in locked if line.startswith("torch==")).split()[0].split("==")[1]
    there = _version(python)
    if there == version or (there == version + "+cpu" and not with_cuda):
        return
    if there:
        pip.uninstall("torch")
    if not with_cuda and sys.platform == "linux":
        say(f"installing torch {version}, the build for CPUs")
        if pip.install([f"torch=={version}+cpu"], optional=True) or _install_with_uv(python, version):
            return
        say("only the build with CUDA is offered here; it works without a GPU, but is some gigabytes larger")
    exactly = [line.replace("torch==", "torch===", 1) for line in locked if line.startswith("torch==")]  # == would match +cpu too
    dependencies = [line for line in locked if not line.startswith("torch==")] if sys.platform == "linux" else []  # of CUDA
    say(f"installing torch {version} and {len(dependencies)} packages that it needs")
    pip.install([*dependencies, *exactly])


def _install_with_uv(python: Path, version: str) -> bool:
    """Whether uv could install the build without CUDA; it knows the indexes of torch's makers."""
    say("pip finds none; trying uv")
    with tempfile.TemporaryDirectory() as folder:
        uv = fetch_uv(Path(folder))
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
            # it inherits the lock, as pip does
            return subprocess.call(command, stdout=nothing, stderr=nothing, stdin=nothing, close_fds=False) == 0
        except OSError:
            return False


def _version(python: Path) -> str:
    query = "from importlib.metadata import version; print(version('torch'))"
    asked = subprocess.run([str(python), "-c", query], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return asked.stdout.decode(errors="replace").strip()
