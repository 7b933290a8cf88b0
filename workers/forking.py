"""The nursery process: has the denoisers loaded and forks a worker from itself in milliseconds.

    python -m workers.forking SOCKET_FD PARENT_PID

One thread, no asyncio, no lock: what is forked must be in one piece. It serves one SOCK_SEQPACKET socket; a question is one
message of JSON ({"ask", "do": "load" or "spawn", "denoiser", "options", "delay"}, a spawn with five descriptors), an answer another
({"ask", "pid"} with a pidfd where there are some, or {"ask", "error", "reason"}). When the socket ends it kills its
children and leaves; when it is killed itself, the kernel does.
"""

import gc
import json
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from workers import registry
from workers.denoiser import Denoiser
from workers.errors import WorkerFailed
from workers.opus import library
from workers.parent import leave_with_parent
from workers.worker import serve, warm

MAX_MESSAGE = 65_536
SPAWN_FDS = 5
_NICE = 2  # behind the server: its loop carries everybody's sound, a worker one


class Forking:
    """The loaded denoisers and the living children. Owns the server's socket."""

    def __init__(self, server: socket.socket) -> None:
        self._server = server
        self._loaded: dict[str, Denoiser] = {}  # by name and options
        self._by_name: dict[str, Denoiser] = {}  # the last of each name: what a worker may change to
        self._children: set[int] = set()

    def run(self) -> None:
        """Serve until the server is gone; then no child is left."""
        waiting = select.poll()
        waiting.register(self._server, select.POLLIN)
        waiting.register(_children_bell(), select.POLLIN)
        try:
            while self._serve_what_waits(waiting):
                pass
        finally:
            self._kill_all()

    def _serve_what_waits(self, waiting: select.poll) -> bool:
        for fd, _ in waiting.poll():
            if fd != self._server.fileno():
                os.read(fd, 4096)
                self._reap()
            elif not self._answer_next():
                return False
        return True

    def _answer_next(self) -> bool:
        try:
            message, fds, _, _ = socket.recv_fds(self._server, MAX_MESSAGE, SPAWN_FDS)
        except ConnectionError:
            return False
        if not message:
            return False
        try:
            self._answer(json.loads(message), fds)
        except ConnectionError:  # the server left while a model was loading
            return False
        finally:
            for fd in fds:
                os.close(fd)
        return True

    def _answer(self, question: Mapping[str, Any], fds: Sequence[int]) -> None:
        answer: dict[str, object] = {"ask": question["ask"]}
        pidfds: list[int] = []
        try:
            denoiser = self._denoiser(question["denoiser"], question["options"])
            if question["do"] == "spawn":
                pid = self._spawn(question["denoiser"], denoiser, fds, question["delay"])
                answer["pid"] = pid
                pidfds = [os.pidfd_open(pid)] if hasattr(os, "pidfd_open") else []
        except WorkerFailed as failure:
            answer.update(error=str(failure), reason=failure.reason)
        except Exception as error:  # noqa: BLE001  whatever a plugin raises harms its own broadcast only
            traceback.print_exc()
            answer.update(error=repr(error), reason="load")
        try:
            socket.send_fds(self._server, [json.dumps(answer).encode()], pidfds)
        finally:
            for fd in pidfds:
                os.close(fd)

    def _denoiser(self, name: str, options: Mapping[str, object]) -> Denoiser:
        """The denoiser with these options, loaded the first time that it is asked for."""
        key = json.dumps([name, options], sort_keys=True)
        if key not in self._loaded:
            denoiser = registry.load(name)(options)
            warm(denoiser)  # touched here, its pages are shared
            self._loaded[key] = self._by_name[name] = denoiser
            gc.collect()
        return self._loaded[key]

    def _spawn(self, name: str, denoiser: Denoiser, fds: Sequence[int], delay: int) -> int:
        if len(fds) != SPAWN_FDS:
            raise WorkerFailed(f"a worker needs {SPAWN_FDS} descriptors, not {len(fds)}")
        if not hasattr(os, "fork"):
            raise WorkerFailed("workers are forked, and this system cannot fork")
        gc.freeze()  # what is loaded is never collected, so the children share its pages
        nursery = os.getpid()
        pid = os.fork()
        if pid == 0:
            _be_worker(nursery, name, {**self._by_name, name: denoiser}, fds, delay)
        self._children.add(pid)
        return pid

    def _reap(self) -> None:
        while self._children:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self._children.discard(pid)

    def _kill_all(self) -> None:
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        for pid in self._children:
            os.waitpid(pid, 0)
        self._children.clear()


def _be_worker(nursery: int, name: str, loaded: Mapping[str, Denoiser], fds: Sequence[int], delay: int) -> NoReturn:
    """What the forked child does instead of returning into the nursery's loop."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        leave_with_parent(nursery)
        _close_all_but(fds)
        os.nice(_NICE)
        serve(name, loaded, fds, delay)
        code = 0
    except BaseException:  # noqa: BLE001  nothing may return into the nursery's loop
        traceback.print_exc()
    finally:
        os._exit(code)


def _close_all_but(kept: Sequence[int]) -> None:
    """Close every descriptor above 2 that is not in `kept`: a stranger's pipe held open here would hide its end."""
    try:
        highest = max(map(int, os.listdir("/proc/self/fd")))
    except OSError:
        highest = int(os.sysconf("SC_OPEN_MAX"))
    edges = sorted({2, *kept})
    for low, high in zip(edges, [*edges[1:], highest + 1], strict=True):
        os.closerange(low + 1, high)


def _children_bell() -> int:
    """A descriptor that becomes readable when a child ends."""
    far, near = os.pipe()
    os.set_blocking(far, False)
    os.set_blocking(near, False)
    signal.set_wakeup_fd(near, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    return far


def _leave(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def main() -> None:
    fd, parent = map(int, sys.argv[1:])
    leave_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the server decides
    signal.signal(signal.SIGTERM, _leave)
    try:
        library()  # so that the children have it mapped already
    except WorkerFailed:
        pass  # each spawn will say so
    Forking(socket.socket(fileno=fd)).run()
    os._exit(0)


if __name__ == "__main__":
    main()
