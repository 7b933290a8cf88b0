"""Starts a worker process: forked from the forkserver, or executed."""

import gc
import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import NoReturn

from workers import registry
from workers.denoiser import Denoiser, extra
from workers.extra_python import runner
from workers.pdeathsig import leave_with_parent
from workers.root import module_command, module_environment
from workers.voice import opus
from workers.voice.process import serve
from workers.voice.voice import VoiceRequest

_NICE = 2  # less than the server, whose loop carries all voices


def forked(request: VoiceRequest, loaded: Mapping[str, Denoiser], fds: Sequence[int], forkserver: socket.socket | None) -> int:
    """Fork a worker that serves one voice with what is loaded here; its pid. forkserver: its channel for more voices."""
    gc.freeze()  # keeps the collector from writing to loaded objects, so that forks share their pages
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _be_worker(parent, request, loaded, fds, forkserver)
    return pid


def _be_worker(
    parent: int, request: VoiceRequest, loaded: Mapping[str, Denoiser], fds: Sequence[int], forkserver: socket.socket | None
) -> NoReturn:
    """Run as a worker in the forked child; never returns."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        leave_with_parent(parent)
        _close_all_but([*fds, *([forkserver.fileno()] if forkserver is not None else [])])
        os.nice(_NICE)
        serve(request, loaded, fds, forkserver)
        code = 0
    except BaseException:  # noqa: BLE001  nothing may return into the forkserver's loop
        traceback.print_exc()
    finally:
        os._exit(code)


def executed(denoiser: str, options: Mapping[str, object], forkserver: socket.socket) -> int:
    """Execute a worker that loads its denoiser itself, in the Python that has its library; its pid. It has no voice yet.

    It starts more slowly and shares no memory. Raises WorkerFailed.
    """
    python, environment = _interpreter(denoiser, options)
    os.set_inheritable(forkserver.fileno(), True)
    what = {"parent": os.getpid(), "denoiser": denoiser, "options": dict(options), "forkserver": forkserver.fileno()}
    # Not `workers.child`: that brings asyncio into the forkserver, and this worker is reaped with the forked ones.
    command = module_command("workers.forkserver.standalone", json.dumps(what, default=str), python=python)
    return os.posix_spawn(python, command, environment)


def _interpreter(denoiser: str, options: Mapping[str, object]) -> tuple[str, dict[str, str]]:
    """The Python in which an executed worker runs, and its environment."""
    parts = extra(registry.load(denoiser), options)
    if not parts:
        return sys.executable, module_environment()
    python, environment = runner(denoiser, parts)
    return str(python), {**environment, **opus.told()}  # PyAV, which brings libopus, is not there


def _close_all_but(kept: Sequence[int]) -> None:
    """Close every descriptor above 2 that is not in `kept`: an inherited pipe would stay open for its reader."""
    try:
        highest = max(map(int, os.listdir("/proc/self/fd")))
    except OSError:
        highest = int(os.sysconf("SC_OPEN_MAX"))
    edges = sorted({2, *kept})
    for low, high in zip(edges, [*edges[1:], highest + 1], strict=True):
        os.closerange(low + 1, high)
