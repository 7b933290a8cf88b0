"""Makes the environment of the reference, torch's, beside the other one: each keeps less than a core busy."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import Iterator

from web.install.stamps import ROOT, VENV_TORCH

PART = "reference"
_MAKE = f"""import signal
from web.install import environment, stamps
signal.signal(signal.SIGTERM, signal.default_int_handler)
environment.ensure(stamps.VENV_TORCH, ['{PART}'])"""
_PYTHON = (3, 11)  # the reference's: another one would first have to be found or fetched, which is not done twice at once


@contextlib.contextmanager
def made_beside() -> Iterator[None]:
    """In the block it is being made, where this Python can make it; what has not worked is left to whoever asks for it afterwards."""
    if VENV_TORCH.has(["base", PART]) or sys.version_info[:2] != _PYTHON:
        yield
        return
    variables, nothing = {**os.environ, "PYTHONPATH": str(ROOT)}, subprocess.DEVNULL
    process = subprocess.Popen([sys.executable, "-c", _MAKE], cwd=str(ROOT), env=variables, stdin=nothing, stderr=nothing)
    try:
        yield
        process.wait()
    finally:
        if process.poll() is None:
            process.terminate()  # as Ctrl-C would: it waits for its pip, which ends
        process.wait()
