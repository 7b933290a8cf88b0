"""The nursery's workers: forked, or where that is not to be had executed anew; handed one more voice while they have room."""

import gc
import json
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from workers.carrier import Order
from workers.denoiser import Denoiser
from workers.loaded import Loaded
from workers.parent import leave_with_parent
from workers.worker import serve

_NICE = 2  # behind the server: its loop carries everybody's sound, a worker one
_ROOT = Path(__file__).parents[1]


@dataclass
class Child:
    """One worker process."""

    pid: int
    kind: str  # denoiser and options: who wants the same may come along
    hand: socket.socket | None  # over which it is handed more voices; None: it serves one
    voices: int = 1


class Children:
    """Owns the processes and the sockets over which they get voices. `waiting` is told of those sockets."""

    def __init__(self, waiting: select.poll) -> None:
        self._waiting = waiting
        self._living: dict[int, Child] = {}
        self._hands: dict[int, Child] = {}  # by the descriptor of the hand
        self._said: str | None = None

    def place(self, order: Order, options: Mapping[str, object], loaded: Loaded | None, share: int, fds: Sequence[int]) -> int:
        """Have a voice carried, by a worker that has room or by a new one; the worker's pid.

        loaded: None where the denoiser is not to be forked.
        """
        kind = json.dumps([order.denoiser, options], sort_keys=True, default=str)
        return self._handed_over(kind, order, share, fds) or self._new(kind, order, options, loaded, share, fds)

    def _handed_over(self, kind: str, order: Order, share: int, fds: Sequence[int]) -> int | None:
        for child in sorted(self._hands.values(), key=lambda child: -child.voices):
            if child.hand is not None and child.kind == kind and child.voices < share:
                try:
                    socket.send_fds(child.hand, [json.dumps(order._asdict()).encode()], fds)
                except OSError:  # dead, or it has not listened for long
                    continue
                child.voices += 1
                return child.pid
        return None

    def _new(self, kind: str, order: Order, options: Mapping[str, object], loaded: Loaded | None, share: int, fds: Sequence[int]) -> int:
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) if share > 1 else (None, None)
        try:
            objection = f"{order.denoiser} cannot be forked with these options" if loaded is None else loaded.why_no_fork()
            if loaded is not None and objection is None:
                pid = _forked(order, loaded.denoisers, fds, far)
            else:
                self._say(str(objection))
                pid = _executed(order, options, fds, far)
        except BaseException:
            if near is not None:
                near.close()
            raise
        finally:
            if far is not None:
                far.close()
        child = self._living[pid] = Child(pid, kind, near)
        if near is not None:
            near.setblocking(False)
            self._hands[near.fileno()] = child
            self._waiting.register(near, select.POLLIN)
        return pid

    def _say(self, objection: str) -> None:
        if objection != self._said:
            self._said = objection
            print(f"nursery: workers are not forked but started anew: {objection}", file=sys.stderr, flush=True)

    def hear(self, fd: int) -> None:
        """A worker says how many voices have left it; with the last one it may go."""
        child = self._hands[fd]
        assert child.hand is not None
        try:
            left = len(child.hand.recv(64))
        except OSError:
            left = 0
        child.voices -= left
        if not left or child.voices <= 0:
            self._let_go(child)

    def _let_go(self, child: Child) -> None:
        if child.hand is not None:
            del self._hands[child.hand.fileno()]
            self._waiting.unregister(child.hand)
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


def _forked(order: Order, loaded: Mapping[str, Denoiser], fds: Sequence[int], nursery: socket.socket | None) -> int:
    gc.freeze()  # what is loaded is never collected, so the children share its pages
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _be_worker(parent, order, loaded, fds, nursery)
    return pid


def _be_worker(parent: int, order: Order, loaded: Mapping[str, Denoiser], fds: Sequence[int], nursery: socket.socket | None) -> NoReturn:
    """What the forked child does instead of returning into the nursery's loop."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        leave_with_parent(parent)
        _close_all_but([*fds, *([nursery.fileno()] if nursery is not None else [])])
        os.nice(_NICE)
        serve(order, loaded, fds, nursery)
        code = 0
    except BaseException:  # noqa: BLE001  nothing may return into the nursery's loop
        traceback.print_exc()
    finally:
        os._exit(code)


def _executed(order: Order, options: Mapping[str, object], fds: Sequence[int], nursery: socket.socket | None) -> int:
    """A worker that loads its denoiser by itself: slower to start, and its memory is its own."""
    handed = [*fds, *([nursery.fileno()] if nursery is not None else [])]
    for fd in handed:
        os.set_inheritable(fd, True)
    what = json.dumps({"parent": os.getpid(), "order": order._asdict(), "options": dict(options), "fds": handed}, default=str)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))}
    return os.posix_spawn(sys.executable, [sys.executable, "-m", "workers.fresh", what], environment)


def _close_all_but(kept: Sequence[int]) -> None:
    """Close every descriptor above 2 that is not in `kept`: a stranger's pipe held open here would hide its end."""
    try:
        highest = max(map(int, os.listdir("/proc/self/fd")))
    except OSError:
        highest = int(os.sysconf("SC_OPEN_MAX"))
    edges = sorted({2, *kept})
    for low, high in zip(edges, [*edges[1:], highest + 1], strict=True):
        os.closerange(low + 1, high)
