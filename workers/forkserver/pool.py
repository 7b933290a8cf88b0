"""The forkserver's workers: forked, or where that is not to be had executed anew; handed one more voice while they have room."""

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
from workers.link.control import ControlError, Failed, parse
from workers.voice.process import LEFT, LOADED
from workers.voice.voice import Order

_MAX_MESSAGE = 65_536


@dataclass
class Child:
    """One worker process."""

    pid: int
    kind: str  # denoiser and options: who wants the same may come along
    hand: socket.socket | None  # over which it is handed voices; None: it was born with the only one
    waiting: PendingVoices  # the voices for which it loads
    loading: bool = False
    voices: int = 1

    def take(self, order: Order, fds: Sequence[int]) -> bool:
        """One voice more, now or once it has loaded; False where it does not listen."""
        if self.loading:
            self.waiting.add(order, fds)
        elif self.hand is None or not send(self.hand, order, fds):
            return False
        self.voices += 1
        return True


class Pool:
    """Owns the processes and the sockets over which they get voices. `poll` is told of those sockets."""

    def __init__(self, poll: select.poll) -> None:
        self._poll = poll
        self._living: dict[int, Child] = {}
        self._hands: dict[int, Child] = {}  # by the descriptor of the hand
        self._said: str | None = None

    def place(self, order: Order, options: Mapping[str, object], loaded: Loaded | None, share: int, fds: Sequence[int]) -> Child:
        """Have a voice carried, by a worker that has room or by a new one.

        loaded: None where the denoiser is not to be forked. fds: they stay the caller's.
        """
        kind = json.dumps([order.denoiser, options], sort_keys=True, default=str)
        for child in sorted(self._hands.values(), key=lambda child: -child.voices):
            if child.kind == kind and child.voices < share and child.take(order, fds):
                return child
        return self._new(kind, order, options, loaded, share, fds)

    def _new(self, kind: str, order: Order, options: Mapping[str, object], loaded: Loaded | None, share: int, fds: Sequence[int]) -> Child:
        objection = f"{order.denoiser} cannot be forked with these options" if loaded is None else loaded.why_no_fork()
        waiting = PendingVoices(self._poll)
        if loaded is not None and objection is None:
            if share == 1:
                return self._kept(Child(forked(order, loaded.denoisers, fds, None), kind, None, waiting))
            with _pair() as (near, far):
                return self._kept(Child(forked(order, loaded.denoisers, fds, far), kind, near, waiting))
        self._say(str(objection))
        waiting.add(order, fds)
        try:
            with _pair() as (near, far):
                return self._kept(Child(executed(order.denoiser, options, far), kind, near, waiting, loading=True))
        except BaseException:
            waiting.close()
            raise

    def _kept(self, child: Child) -> Child:
        self._living[child.pid] = child
        if child.hand is not None:
            self._hands[child.hand.fileno()] = child
            self._poll.register(child.hand, select.POLLIN)
        return child

    def _say(self, objection: str) -> None:
        if objection != self._said:
            self._said = objection
            print(f"forkserver: workers are not forked but started anew: {objection}", file=sys.stderr, flush=True)

    def hear(self, fd: int) -> None:
        """A worker says something on its hand, or a voice that waits for one to load leaves."""
        if (child := self._hands.get(fd)) is not None:
            self._told(child, _message(child.hand))
        elif (child := next((each for each in self._living.values() if fd in each.waiting), None)) is not None:
            child.waiting.leave(fd)
            self._less(child)
            if child.hand is None:
                os.kill(child.pid, signal.SIGKILL)  # it loads for nobody

    def _told(self, child: Child, message: bytes) -> None:
        if message == LEFT:
            self._less(child)
        elif message == LOADED:
            child.loading = False
            child.voices = child.waiting.hand_to(child.hand) if child.hand is not None else 0
            if not child.voices:
                self._let_go(child)
        else:
            if message:
                child.waiting.refuse(_failure(message))
            self._let_go(child)

    def _less(self, child: Child) -> None:
        """With its last voice it may go."""
        child.voices -= 1
        if not child.voices:
            self._let_go(child)

    def _let_go(self, child: Child) -> None:
        child.waiting.close()
        if child.hand is not None:
            del self._hands[child.hand.fileno()]
            self._poll.unregister(child.hand)
            child.hand.close()
            child.hand = None

    def reap(self) -> None:
        """Forget those that have ended."""
        while self._living:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if pid in self._living:
                self._let_go(self._living.pop(pid))

    def kill_all(self) -> None:
        """No child is left when this returns."""
        for pid in self._living:
            os.kill(pid, signal.SIGKILL)
        for pid in self._living:
            os.waitpid(pid, 0)
        self._living.clear()


@contextmanager
def _pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The forkserver's end of a hand, which stays open, and the worker's, which goes with it."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    near.setblocking(False)
    try:
        yield near, far
    except BaseException:
        near.close()
        raise
    finally:
        far.close()


def _message(hand: socket.socket | None) -> bytes:
    """What a worker says; nothing where it is at its end."""
    try:
        return hand.recv(_MAX_MESSAGE) if hand is not None else b""
    except OSError:
        return b""


def _failure(message: bytes) -> Failed:
    try:
        told = parse(message)
    except ControlError:
        told = None
    return told if isinstance(told, Failed) else Failed("crashed")
