"""The worker process: one thread that polls the bells and control lines of its voices and moves their packets from ring to ring.

Each time it wakes, it denoises the pending hops of all voices, in one call for each denoiser and length, and never waits for more
hops to come. A voice that fails, ends or floods does not disturb the others: each voice gets one packet done per round.
The process ends with its last voice, or, where the forkserver can hand over more voices, when the forkserver closes its end.

No wake-up is lost. The server puts a packet before it rings; a bell stays readable until it is answered, and it is answered before
its ring is looked at. So a packet is either seen by that look, or its bell is still to be answered. A voice whose packet is done is
looked at again until its ring is empty, whatever its bell says. A packet can be missing for three reasons only, all of them counted:
the ring was full (`Ring.dropped`), its reader came later than `max_delay_ms` (`Ring.skipped`), or it waits for the next packet or
the flush (`Pipeline.waiting`).
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
LEFT = b"-"  # sent to the forkserver for each voice that has ended
LOADED = b"+"  # sent by a worker that was not forked, once it can be handed voices
WARM_CALLS = 6  # enough to pass the start-up of a model that looks ahead, and to have memory and caches settled
_FORKED_CALLS = 2  # one of each length: a fork inherits warm caches and only needs its own pages

Running = tuple[Work[list[Packet]], HopRequest]


class Process:
    """All voices of this process. Owns them, and the socket over which the forkserver hands over more."""

    def __init__(self, loaded: Mapping[str, Denoiser], forkserver: socket.socket | None = None) -> None:
        self._loaded = loaded
        self._forkserver = forkserver
        self._voices: dict[int, Voice] = {}  # each voice twice: by the descriptor of its bell and of its control line
        self._running: dict[Voice, Running] = {}
        self._ready: dict[Voice, None] = {}  # voices to look at: their bell was rung, or their ring was not empty after the last packet
        self._due = 0.0  # when all voices have to be looked at, rung or not (time.monotonic); may be too early, never too late
        self._hops = 0
        self._poll = select.poll()
        if forkserver is not None:
            self._poll.register(forkserver, select.POLLIN)

    def take_in(self, request: VoiceRequest, fds: Sequence[int]) -> None:
        """Add a voice; its descriptors are owned from here on. A failure is reported on its control line."""
        try:
            voice = Voice(request, self._loaded, fds, self._usage)
        except Exception as error:  # noqa: BLE001  a failure of this voice alone
            self._one_less()
            refuse(fds[-1], getattr(error, "reason", "crashed"), str(error))
            return
        for each in (voice.bell, voice.line):
            self._voices[each.fileno()] = voice
            self._poll.register(each, select.POLLIN)
        self._ready[voice] = None
        self._due = min(self._due, voice.due)

    def run(self) -> None:
        """Serve until no voice is left and none can come."""
        while self._voices or self._forkserver is not None:
            self._attend()
            self._begin()
            self._clean()

    # input

    def _attend(self) -> None:
        """Poll, without waiting where there is work, and handle what is readable."""
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
        """The forkserver hands over a voice, or closes its end."""
        assert self._forkserver is not None
        try:
            message, fds, _, _ = socket.recv_fds(self._forkserver, MAX_MESSAGE, DESCRIPTORS)
        except ConnectionError:  # it has closed its end with a message of this process unread
            message, fds = b"", []
        if message and len(fds) < DESCRIPTORS:  # this process has no descriptor left; the server sees the control line end
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
        """Begin the next packet of every ready voice that has none in work. One that has is looked at again when that is done."""
        now = time.monotonic()
        if now >= self._due:
            self._look_at_all(now)
        ready, self._ready = self._ready, {}
        for voice in ready:
            work = voice.next_work(now) if voice not in self._running else None
            if work is not None:
                self._go_on(voice, work, work.__next__)

    def _look_at_all(self, now: float) -> None:
        """For what no bell announces: statistics once a second, and flushes. Runs at most about ten times a second."""
        for voice in dict.fromkeys(self._voices.values()):
            if voice not in self._running:
                voice.keep_time(now)
                self._ready[voice] = None
        self._due = min((voice.due for voice in self._voices.values()), default=now)

    # work

    def _clean(self) -> None:
        """Denoise the next hops of every voice that has work: one each, or as many as its denoiser takes at once."""
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
        except Exception as error:  # noqa: BLE001  of a plug-in: the other voices go on
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
        self._one_less()  # before the server sees the end, so that a request for a new voice finds the place free
        voice.close()

    def _one_less(self) -> None:
        if self._forkserver is not None:
            try:
                self._forkserver.send(LEFT, socket.MSG_DONTWAIT)
            except OSError:  # the forkserver has ended, and this process will be killed
                pass

    def _usage(self) -> ProcessUsage:
        return ProcessUsage(time.process_time(), self._hops)


def serve(request: VoiceRequest, loaded: Mapping[str, Denoiser], fds: Sequence[int], forkserver: socket.socket | None = None) -> None:
    """Run a forked worker, which begins with one voice, to its end. fds: see `Voice`. forkserver: hands over more voices."""
    warm(loaded[request.denoiser], _FORKED_CALLS)
    process = Process(loaded, forkserver)
    process.take_in(request, fds)
    process.run()


def warm(denoiser: Denoiser, calls: int = WARM_CALLS) -> None:
    """Run a dummy voice, so that the first packet, the first flush and the first packet of 10 ms are not slow."""
    state, blocks = denoiser.open(), blocks_at_once(denoiser)
    tone = np.sin(np.arange(blocks * BLOCK, dtype=np.float32) / 8)[None] * np.float32(0.1)  # silence would take short cuts
    for call in range(calls):
        denoiser.clean([state], tone if call % 2 == 0 else tone[:, :BLOCK])
