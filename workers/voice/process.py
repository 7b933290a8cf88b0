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
from workers.link.control import WorkerFailure
from workers.link.ring import Packet
from workers.voice.hop_batch import HopRequest, HopResult, Work, cleaned
from workers.voice.voice import DESCRIPTORS, ProcessUsage, Voice, VoiceRequest, refuse

MAX_MESSAGE = 4096
LEFT = b"-"  # what the forkserver is told for each voice that is gone
LOADED = b"+"  # and by a worker that was not forked, once it can be handed voices
WARM_CALLS = 6  # beyond the start-up of a model that looks ahead, until memory and caches are as they will be
_FORKED_CALLS = 2  # a fork has them warm, and needs its own pages only: one of each length

Running = tuple[Work[list[Packet]], HopRequest]


class Process:
    """All voices of this process. Owns them, and the line on which the forkserver hands over more."""

    def __init__(self, loaded: Mapping[str, Denoiser], forkserver: socket.socket | None = None) -> None:
        self._loaded = loaded
        self._forkserver = forkserver
        self._voices: dict[int, Voice] = {}  # by the descriptors of their bell and of their line
        self._running: dict[Voice, Running] = {}
        self._ready: dict[Voice, None] = {}  # those with something to begin: rung for, or more in the ring when they had done
        self._due = 0.0  # when all have to be looked at, rung for or not (time.monotonic); at times too early, never too late
        self._hops = 0
        self._poll = select.poll()
        if forkserver is not None:
            self._poll.register(forkserver, select.POLLIN)

    def take_in(self, request: VoiceRequest, fds: Sequence[int]) -> None:
        """One voice more; its descriptors are owned from here on. What fails is told on its line."""
        try:
            voice = Voice(request, self._loaded, fds, self._usage)
        except Exception as error:  # noqa: BLE001  it is that voice's
            self._one_less()
            refuse(fds[-1], getattr(error, "reason", "crashed"), str(error))
            return
        for each in (voice.bell, voice.line):
            self._voices[each.fileno()] = voice
            self._poll.register(each, select.POLLIN)
        self._ready[voice] = None
        self._due = min(self._due, voice.due)

    def run(self) -> None:
        """Serve until there is nobody left to serve."""
        while self._voices or self._forkserver is not None:
            self._attend()
            self._begin()
            self._clean()

    # what comes in

    def _attend(self) -> None:
        """Wait, unless there is work, and do what was asked for."""
        for fd, _ in self._poll.poll(0 if self._running or self._ready else self._patience_ms()):
            voice = self._voices.get(fd)
            if voice is None:
                self._receive() if self._forkserver is not None and fd == self._forkserver.fileno() else None
            elif fd == voice.bell.fd:
                voice.answer()
                self._ready[voice] = None
            elif voice not in self._running and not voice.listen():
                self._remove(voice)

    def _patience_ms(self) -> float | None:
        return max(self._due - time.monotonic(), 0.0) * 1000 if self._voices else None

    def _receive(self) -> None:
        """The forkserver hands over a voice, or has no more of them."""
        assert self._forkserver is not None
        try:
            message, fds, _, _ = socket.recv_fds(self._forkserver, MAX_MESSAGE, DESCRIPTORS)
        except ConnectionError:  # it has closed its end with a message of ours unread
            message, fds = b"", []
        if message and len(fds) < DESCRIPTORS:  # this process has no descriptor left: the server sees the line end
            for fd in fds:
                os.close(fd)
            self._one_less()
        elif message:
            self.take_in(VoiceRequest(**json.loads(message)), fds)
        else:
            self._poll.unregister(self._forkserver)
            self._forkserver.close()
            self._forkserver = None

    def _begin(self) -> None:
        """Take up the next packet of every voice that is ready and has none in work; one that has comes back when it is done."""
        now = time.monotonic()
        if now >= self._due:
            self._look_at_all(now)
        ready, self._ready = self._ready, {}
        for voice in ready:
            work = voice.next_work(now) if voice not in self._running else None
            if work is not None:
                self._go_on(voice, work, work.__next__)

    def _look_at_all(self, now: float) -> None:
        """For what nobody rings: a word once a second, and what waits to be flushed. At most some ten times a second."""
        for voice in dict.fromkeys(self._voices.values()):
            if voice not in self._running:
                voice.keep_time(now)
                self._ready[voice] = None
        self._due = min((voice.due for voice in self._voices.values()), default=now)

    # what is done

    def _clean(self) -> None:
        """The next hops of every voice that has work: one each, or what its denoiser takes at once."""
        if not self._running:
            return
        running = list(self._running.items())
        asks = [ask for _, (_, ask) in running]
        for (voice, (work, ask)), answer in zip(running, cleaned(asks), strict=True):
            self._hops += ask.hops
            self._go_on(voice, work, partial(work.send, answer) if isinstance(answer, HopResult) else partial(work.throw, answer))

    def _go_on(self, voice: Voice, work: Work[list[Packet]], resume: Callable[[], HopRequest]) -> None:
        self._running.pop(voice, None)
        try:
            self._running[voice] = (work, resume())
        except StopIteration as end:
            voice.finish(end.value)
            self._due = min(self._due, voice.flushes_at)
            if voice.more:
                self._ready[voice] = None
        except WorkerFailed as failure:
            self._fail(voice, WorkerFailure(failure.reason, str(failure)))
        except Exception as error:  # noqa: BLE001  of a plugin: the others go on
            traceback.print_exc()
            self._fail(voice, WorkerFailure("crashed", repr(error)))

    def _fail(self, voice: Voice, why: WorkerFailure) -> None:
        voice.tell(why)
        self._remove(voice)

    def _remove(self, voice: Voice) -> None:
        for each in (voice.bell, voice.line):
            del self._voices[each.fileno()]
            self._poll.unregister(each)
        self._ready.pop(voice, None)
        self._one_less()  # before the server sees the end: who then asks for a voice finds the room
        voice.close()

    def _one_less(self) -> None:
        if self._forkserver is not None:
            try:
                self._forkserver.send(LEFT, socket.MSG_DONTWAIT)
            except OSError:  # it is gone, and so is this process soon
                pass

    def _usage(self) -> ProcessUsage:
        return ProcessUsage(time.process_time(), self._hops)


def serve(request: VoiceRequest, loaded: Mapping[str, Denoiser], fds: Sequence[int], forkserver: socket.socket | None = None) -> None:
    """The whole life of a forked worker, begun with one voice. fds: see `Voice`. forkserver: where more voices may come from."""
    warm(loaded[request.denoiser], _FORKED_CALLS)
    process = Process(loaded, forkserver)
    process.take_in(request, fds)
    process.run()


def warm(denoiser: Denoiser, calls: int = WARM_CALLS) -> None:
    """Run a voice of no consequence, so that the first packet is not the slow one, nor the first flush or packet of 10 ms."""
    state, blocks = denoiser.open(), blocks_at_once(denoiser)
    tone = np.sin(np.arange(blocks * BLOCK, dtype=np.float32) / 8)[None] * np.float32(0.1)  # silence takes short cuts
    for call in range(calls):
        denoiser.clean([state], tone if call % 2 == 0 else tone[:, :BLOCK])
