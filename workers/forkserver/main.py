"""The forkserver process: has the denoisers loaded and forks a worker from itself in milliseconds.

    python -m workers.forkserver.main SOCKET_FD PARENT_PID

One thread, no asyncio, no lock, because a fork copies only the calling thread. It serves one SOCK_SEQPACKET socket.
- A request is one JSON message: {"ask", "do": "load" or "spawn", "denoiser", "options"}; a spawn also has "delay", "share" and five
  descriptors.
- An answer is another: {"ask"}, for a spawn also "pid", "shared" (whether other voices may be in that process), "loading" (whether it
  has still to load its denoiser) and, where the system has them, a pidfd; or {"ask", "error", "reason"}.
When the socket ends it kills its workers and exits; when it is killed itself, the kernel kills them. While a model is loaded (a fraction
of a second) requests wait; running workers are not affected.
"""

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
from workers.denoiser import forkable
from workers.errors import WorkerFailed
from workers.forkserver.loaded import Loaded
from workers.forkserver.pool import Pool, WorkerProcess
from workers.pdeathsig import leave_with_parent
from workers.voice.opus import library
from workers.voice.voice import DESCRIPTORS, VoiceRequest

MAX_MESSAGE = 65_536
UNLIMITED = 1 << 30  # voices of a worker whose denoiser cannot be forked: a second process would load the model, on the GPU too, again


class ForkserverLoop:
    """The loaded denoisers and the running workers. Owns the server's socket."""

    def __init__(self, server: socket.socket) -> None:
        self._server = server
        self._poll = select.poll()
        self._loaded = Loaded()
        self._pool = Pool(self._poll)

    def run(self) -> None:
        """Serve until the server's socket ends; no worker is left then."""
        child_ended = _child_ended_fd()
        self._poll.register(self._server, select.POLLIN)
        self._poll.register(child_ended, select.POLLIN)
        try:
            while self._serve_what_waits(child_ended):
                pass
        finally:
            self._pool.kill_all()

    def _serve_what_waits(self, child_ended: int) -> bool:
        waits = {fd for fd, _ in self._poll.poll()}
        for fd in waits - {child_ended, self._server.fileno()}:
            self._pool.hear(fd)
        if child_ended in waits:
            os.read(child_ended, 4096)
            self._pool.reap()
        return self._server.fileno() not in waits or self._answer_next()

    def _answer_next(self) -> bool:
        try:
            message, fds, _, _ = socket.recv_fds(self._server, MAX_MESSAGE, DESCRIPTORS)
        except ConnectionError:
            return False
        if not message:
            return False
        for fd in fds:  # an executed worker would inherit them and hold another voice's line open
            os.set_inheritable(fd, False)
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
            may_fork = forkable(registry.load(question["denoiser"]), question["options"])
            if may_fork:
                self._loaded.get(question["denoiser"], question["options"])
            if question["do"] == "spawn":
                share = question["share"] if may_fork else UNLIMITED
                worker = self._place(question, self._loaded if may_fork else None, share, fds)
                answer.update(pid=worker.pid, shared=share > 1, loading=worker.loading)
                pidfds = [os.pidfd_open(worker.pid)] if hasattr(os, "pidfd_open") else []
        except WorkerFailed as failure:
            answer.update(error=str(failure), reason=failure.reason)
        except Exception as error:  # noqa: BLE001  whatever a plug-in raises fails this request only
            traceback.print_exc()
            answer.update(error=repr(error), reason="load")
        try:
            socket.send_fds(self._server, [json.dumps(answer).encode()], pidfds)
        finally:
            for fd in pidfds:
                os.close(fd)

    def _place(self, question: Mapping[str, Any], loaded: Loaded | None, share: int, fds: Sequence[int]) -> WorkerProcess:
        if len(fds) != DESCRIPTORS:
            raise WorkerFailed(f"a worker needs {DESCRIPTORS} descriptors, not {len(fds)}")
        request = VoiceRequest(question["denoiser"], question["delay"])
        return self._pool.place(request, question["options"], loaded, share, fds)


def _child_ended_fd() -> int:
    """A descriptor that becomes readable when a worker ends."""
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
        library()  # so that forked workers have it mapped already
    except WorkerFailed:
        pass  # each spawn will say so
    os.set_inheritable(fd, False)
    ForkserverLoop(socket.socket(fileno=fd)).run()
    os._exit(0)


if __name__ == "__main__":
    main()
