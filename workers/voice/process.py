"""The denoise process: one thread that waits on bells and lines, and takes packets from ring to ring for one voice or several.

Whenever it wakes, it cleans the hops that wait, of all its voices, in one call for each denoiser and length, and never waits for
more. A voice that fails, ends or floods is its own affair: it gets one packet done before the others get theirs, and no more.
With no voice left it ends; where the forkserver can hand it more of them, it does when the forkserver says so.
"""

import json
import os
import select
import socket
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from workers.denoiser import BLOCK, Denoiser, blocks_at_once
from workers.errors import WorkerFailed
from workers.link.control import Failed
from workers.link.ring import Packet
from workers.voice.hop_batch import Ask, Cleaned, Work, cleaned
from workers.voice.voice import FDS, Carrier, Order, Spent, refuse

MAX_MESSAGE = 4096
LEFT = b"-"  # what the forkserver is told for each voice that is gone
LOADED = b"+"  # and by a worker that was not forked, once it can be handed voices
WARM_CALLS = 6  # beyond the start-up of a model that looks ahead, until memory and caches are as they will be
_FORKED_CALLS = 2  # a fork has them warm, and needs its own pages only: one of each length

Running = tuple[Work[list[Packet]], Ask]


class Process:
    """All voices of this process. Owns them, and the line on which the forkserver hands over more."""

    def __init__(self, loaded: Mapping[str, Denoiser], forkserver: socket.socket | None = None) -> None:
        self._loaded = loaded
        self._forkserver = forkserver
        self._carriers: dict[int, Carrier] = {}  # by the descriptors of their bell and of their line
        self._running: dict[Carrier, Running] = {}
        self._ready: dict[Carrier, None] = {}  # those with something to begin: rung for, or more in the ring when they had done
        self._due = 0.0  # when all have to be looked at, rung for or not (time.monotonic); at times too early, never too late
        self._hops = 0
        self._waiting = select.poll()
        if forkserver is not None:
            self._waiting.register(forkserver, select.POLLIN)

    def take_in(self, order: Order, fds: Sequence[int]) -> None:
        """One voice more; its descriptors are owned from here on. What fails is told on its line."""
        try:
            carrier = Carrier(order, self._loaded, fds, self._spent)
        except Exception as error:  # noqa: BLE001  it is that voice's
            self._one_less()
            refuse(fds[-1], getattr(error, "reason", "crashed"), str(error))
            return
        for each in (carrier.bell, carrier.line):
            self._carriers[each.fileno()] = carrier
            self._waiting.register(each, select.POLLIN)
        self._ready[carrier] = None
        self._due = min(self._due, carrier.due)

    def run(self) -> None:
        """Serve until there is nobody left to serve."""
        while self._carriers or self._forkserver is not None:
            self._attend()
            self._begin()
            self._clean()

    # what comes in

    def _attend(self) -> None:
        """Wait, unless there is work, and do what was asked for."""
        for fd, _ in self._waiting.poll(0 if self._running or self._ready else self._patience_ms()):
            carrier = self._carriers.get(fd)
            if carrier is None:
                self._receive() if self._forkserver is not None and fd == self._forkserver.fileno() else None
            elif fd == carrier.bell.fd:
                carrier.answer()
                self._ready[carrier] = None
            elif carrier not in self._running and not carrier.listen():
                self._remove(carrier)

    def _patience_ms(self) -> float | None:
        return max(self._due - time.monotonic(), 0.0) * 1000 if self._carriers else None

    def _receive(self) -> None:
        """The forkserver hands over a voice, or has no more of them."""
        assert self._forkserver is not None
        message, fds, _, _ = socket.recv_fds(self._forkserver, MAX_MESSAGE, FDS)
        if message and len(fds) < FDS:  # this process has no descriptor left: the server sees the line end
            for fd in fds:
                os.close(fd)
            self._one_less()
        elif message:
            self.take_in(Order(**json.loads(message)), fds)
        else:
            self._waiting.unregister(self._forkserver)
            self._forkserver.close()
            self._forkserver = None

    def _begin(self) -> None:
        """Take up the next packet of every voice that is ready and has none in work; one that has comes back when it is done."""
        now = time.monotonic()
        if now >= self._due:
            self._look_at_all(now)
        ready, self._ready = self._ready, {}
        for carrier in ready:
            work = carrier.next_work(now) if carrier not in self._running else None
            if work is not None:
                self._go_on(carrier, work, work.__next__)

    def _look_at_all(self, now: float) -> None:
        """For what nobody rings: a word once a second, and what waits to be flushed. At most some ten times a second."""
        for carrier in dict.fromkeys(self._carriers.values()):
            if carrier not in self._running:
                carrier.keep_time(now)
                self._ready[carrier] = None
        self._due = min((carrier.due for carrier in self._carriers.values()), default=now)

    # what is done

    def _clean(self) -> None:
        """The next hops of every voice that has work: one each, or what its denoiser takes at once."""
        if not self._running:
            return
        running = list(self._running.items())
        asks = [ask for _, (_, ask) in running]
        for (carrier, (work, ask)), answer in zip(running, cleaned(asks), strict=True):
            self._hops += ask.hops
            self._go_on(carrier, work, partial(work.send, answer) if isinstance(answer, Cleaned) else partial(work.throw, answer))

    def _go_on(self, carrier: Carrier, work: Work[list[Packet]], resume: Callable[[], Ask]) -> None:
        self._running.pop(carrier, None)
        try:
            self._running[carrier] = (work, resume())
        except StopIteration as end:
            carrier.finish(end.value)
            self._due = min(self._due, carrier.flushes_at)
            if carrier.more:
                self._ready[carrier] = None
        except WorkerFailed as failure:
            self._fail(carrier, Failed(failure.reason, str(failure)))
        except Exception as error:  # noqa: BLE001  of a plugin: the others go on
            traceback.print_exc()
            self._fail(carrier, Failed("crashed", repr(error)))

    def _fail(self, carrier: Carrier, why: Failed) -> None:
        carrier.tell(why)
        self._remove(carrier)

    def _remove(self, carrier: Carrier) -> None:
        for each in (carrier.bell, carrier.line):
            del self._carriers[each.fileno()]
            self._waiting.unregister(each)
        self._ready.pop(carrier, None)
        self._one_less()  # before the server sees the end: who then asks for a voice finds the room
        carrier.close()

    def _one_less(self) -> None:
        if self._forkserver is not None:
            try:
                self._forkserver.send(LEFT, socket.MSG_DONTWAIT)
            except OSError:  # it is gone, and so is this process soon
                pass

    def _spent(self) -> Spent:
        return Spent(time.process_time(), self._hops)


def serve(order: Order, loaded: Mapping[str, Denoiser], fds: Sequence[int], forkserver: socket.socket | None = None) -> None:
    """The whole life of a forked worker, begun with one voice. fds: see `Carrier`. forkserver: where more voices may come from."""
    warm(loaded[order.denoiser], _FORKED_CALLS)
    process = Process(loaded, forkserver)
    process.take_in(order, fds)
    process.run()


def warm(denoiser: Denoiser, calls: int = WARM_CALLS) -> None:
    """Run a voice of no consequence, so that the first packet is not the slow one, nor the first flush or packet of 10 ms."""
    voice, blocks = denoiser.open(), blocks_at_once(denoiser)
    tone = np.sin(np.arange(blocks * BLOCK, dtype=np.float32) / 8)[None] * np.float32(0.1)  # silence takes short cuts
    for call in range(calls):
        denoiser.clean([voice], tone if call % 2 == 0 else tone[:, :BLOCK])
