"""The forkserver's workers: forked or, where that is impossible, executed; they get more voices while they have room."""

import json
import os
import select
import signal
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from workers.forkserver.loaded import Loaded
from workers.forkserver.pending import PendingVoices, send
from workers.forkserver.spawn import executed, forked
from workers.link.control import ControlError, WorkerFailure, parse
from workers.voice.process import LEFT, LOADED
from workers.voice.voice import VoiceRequest

_MAX_MESSAGE = 65_536


@dataclass
class WorkerProcess:
    """One worker process."""

    pid: int
    kind: str  # denoiser and options, which all its voices have in common
    channel: socket.socket | None  # over which it is handed voices; None: it was born with the only one
    pending: PendingVoices  # the voices for which it loads
    loading: bool = False
    voices: int = 1

    def take(self, request: VoiceRequest, fds: Sequence[int]) -> bool:
        """Give it one more voice, now or once it has loaded; False where it does not read its channel."""
        if self.loading:
            self.pending.add(request, fds)
        elif self.channel is None or not send(self.channel, request, fds):
            return False
        self.voices += 1
        return True


class Pool:
    """Owns the processes and the channels over which they get voices. Registers those channels with `poll`."""

    def __init__(self, poll: select.poll) -> None:
        self._poll = poll
        self._living: dict[int, WorkerProcess] = {}
        self._by_channel: dict[int, WorkerProcess] = {}  # by its descriptor
        self._said: str | None = None

    def place(
        self, request: VoiceRequest, options: Mapping[str, object], loaded: Loaded | None, share: int, fds: Sequence[int]
    ) -> WorkerProcess:
        """Give a voice to a worker with room, or to a new one.

        loaded: None where the denoiser cannot be forked. fds: they stay the caller's.
        """
        kind = json.dumps([request.denoiser, options], sort_keys=True, default=str)
        for worker in sorted(self._by_channel.values(), key=lambda worker: -worker.voices):
            if worker.kind == kind and worker.voices < share and worker.take(request, fds):
                return worker
        return self._new(kind, request, options, loaded, share, fds)

    def _new(
        self, kind: str, request: VoiceRequest, options: Mapping[str, object], loaded: Loaded | None, share: int, fds: Sequence[int]
    ) -> WorkerProcess:
        objection = f"{request.denoiser} cannot be forked with these options" if loaded is None else loaded.why_no_fork()
        pending = PendingVoices(self._poll)
        if loaded is not None and objection is None:
            if share == 1:
                return self._kept(WorkerProcess(forked(request, loaded.denoisers, fds, None), kind, None, pending))
            with _pair() as (near, far):
                return self._kept(WorkerProcess(forked(request, loaded.denoisers, fds, far), kind, near, pending))
        self._say(str(objection))
        pending.add(request, fds)
        try:
            with _pair() as (near, far):
                return self._kept(WorkerProcess(executed(request.denoiser, options, far), kind, near, pending, loading=True))
        except BaseException:
            pending.close()
            raise

    def _kept(self, worker: WorkerProcess) -> WorkerProcess:
        self._living[worker.pid] = worker
        if worker.channel is not None:
            self._by_channel[worker.channel.fileno()] = worker
            self._poll.register(worker.channel, select.POLLIN)
        return worker

    def _say(self, objection: str) -> None:
        if objection != self._said:
            self._said = objection
            print(f"forkserver: workers are executed, not forked: {objection}", file=sys.stderr, flush=True)

    def hear(self, fd: int) -> None:
        """A worker has sent a message on its channel, or a voice that waits for one to load has been closed."""
        if (worker := self._by_channel.get(fd)) is not None:
            self._told(worker, _message(worker.channel))
        elif (worker := next((each for each in self._living.values() if fd in each.pending), None)) is not None:
            worker.pending.leave(fd)
            self._less(worker)
            if worker.channel is None:
                os.kill(worker.pid, signal.SIGKILL)  # no voice is left to load for

    def _told(self, worker: WorkerProcess, message: bytes) -> None:
        if message == LEFT:
            self._less(worker)
        elif message == LOADED:
            worker.loading = False
            worker.voices = worker.pending.hand_to(worker.channel) if worker.channel is not None else 0
            if not worker.voices:
                self._let_go(worker)
        else:
            if message:
                worker.pending.refuse(_failure(message))
            self._let_go(worker)

    def _less(self, worker: WorkerProcess) -> None:
        """One voice less; without voices the worker is released."""
        worker.voices -= 1
        if not worker.voices:
            self._let_go(worker)

    def _let_go(self, worker: WorkerProcess) -> None:
        worker.pending.close()
        if worker.channel is not None:
            del self._by_channel[worker.channel.fileno()]
            self._poll.unregister(worker.channel)
            worker.channel.close()
            worker.channel = None

    def reap(self) -> None:
        """Reap the workers that have ended."""
        while self._living:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if pid in self._living:
                self._let_go(self._living.pop(pid))

    def kill_all(self) -> None:
        """No worker is left when this returns."""
        for pid in self._living:
            os.kill(pid, signal.SIGKILL)
        for pid in self._living:
            os.waitpid(pid, 0)
        self._living.clear()


@contextmanager
def _pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The forkserver's end of a channel, which stays open, and the worker's end, which is closed on leaving."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    near.setblocking(False)
    try:
        yield near, far
    except BaseException:
        near.close()
        raise
    finally:
        far.close()


def _message(channel: socket.socket | None) -> bytes:
    """A worker's message; empty where the channel has ended."""
    try:
        return channel.recv(_MAX_MESSAGE) if channel is not None else b""
    except OSError:
        return b""


def _failure(message: bytes) -> WorkerFailure:
    try:
        told = parse(message)
    except ControlError:
        told = None
    return told if isinstance(told, WorkerFailure) else WorkerFailure("crashed")
