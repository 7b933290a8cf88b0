"""The denoisers that the forkserver has loaded, and whether the process can still be forked."""

import ctypes
import gc
import json
import os
import sys
import threading
from collections.abc import Mapping

from workers import registry
from workers.denoiser import Denoiser, mapped
from workers.hugepages import collapse
from workers.voice.process import warm

RUNTIME = "onnxruntime"
IDLE_THREADS = 1  # native threads that ONNX Runtime starts on import unless ORT_DISABLE_TELEMETRY is 1; a fork works without it


class Loaded:
    """One denoiser of each name, with the options of its last load. A fork loses all threads but one, so they are counted."""

    def __init__(self) -> None:
        self._keys: dict[str, str] = {}
        self._denoisers: dict[str, Denoiser] = {}
        self._baseline = native_threads()
        self._crowd: str | None = None  # why this process can never be forked again

    @property
    def denoisers(self) -> Mapping[str, Denoiser]:
        """By name: what a worker forked now can use."""
        return dict(self._denoisers)

    def get(self, name: str, options: Mapping[str, object]) -> Denoiser:
        """The denoiser with these options, loaded at the first request. Blocks the forkserver meanwhile.

        Raises WorkerFailed, and whatever a plug-in raises.
        """
        key = json.dumps(options, sort_keys=True, default=str)
        if self._keys.get(name) != key:
            self._load(name, options)
            self._keys[name] = key
        return self._denoisers[name]

    def _load(self, name: str, options: Mapping[str, object]) -> None:
        had_runtime = RUNTIME in sys.modules
        try:
            denoiser = registry.load(name)(options)
            if not mapped(denoiser):
                warm(denoiser)  # pages touched here are shared with forks
            self._denoisers[name] = denoiser  # replaces one with other options
        finally:
            gc.collect()
            _trim()
            collapse()
            self._count(name, 0 if had_runtime else _idle_threads())

    def _count(self, name: str, expected: int) -> None:
        came = native_threads() - self._baseline
        if self._crowd is not None:
            pass
        elif threading.active_count() > 1:
            self._crowd = f"{name} has started the Python thread {threading.enumerate()[-1].name!r}"
        elif came > expected:
            self._crowd = f"{name} has started {'a native thread' if came == 1 else f'{came} native threads'}"
        self._baseline += came

    def why_no_fork(self) -> str | None:
        """Why a fork is impossible now; None where it is possible."""
        if not hasattr(os, "fork"):
            return "this system cannot fork"
        if self._crowd is None and (threading.active_count() > 1 or native_threads() > self._baseline):
            self._crowd = f"there are {native_threads()} threads, {self._baseline} were counted after the last load"
        return self._crowd


def native_threads() -> int:
    """Threads of this process, Python's and native ones; 1 where that is unknown."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return 1


def _idle_threads() -> int:
    """Native threads that are expected from the load that imports ONNX Runtime."""
    return IDLE_THREADS if RUNTIME in sys.modules and os.environ.get("ORT_DISABLE_TELEMETRY") != "1" else 0


def _trim() -> None:
    """Return memory that loading used temporarily to the system; only glibc can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
