"""The denoise process's own round: whom it looks at when it wakes."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.workers.speech import packets, voice
from workers.link.bell import Bell
from workers.link.ring import Packet, Ring
from workers.plugins.passthrough import Passthrough
from workers.voice.process import Process
from workers.voice.voice import Voice, VoiceRequest

VOICES = 8


class ServerSide:
    """The server's ends of one voice."""

    def __init__(self, process: Process, stack: ExitStack) -> None:
        self.noisy, self.clean = stack.enter_context(Ring.create()), stack.enter_context(Ring.create())
        self.noisy_bell, self.clean_bell = stack.enter_context(Bell.create()), stack.enter_context(Bell.create())
        self.line, far = socket.socketpair()
        stack.enter_context(self.line)
        ends = (self.noisy.fd, self.noisy_bell.handed, self.clean.fd, self.clean_bell.handed)
        process.take_in(VoiceRequest("passthrough", 0), [*map(os.dup, ends), far.detach()])

    def put(self, *sent: Packet) -> None:
        for packet in sent:
            self.noisy.put(packet)
        self.noisy_bell.ring(len(sent))


@pytest.fixture
def house() -> Iterator[tuple[Process, list[ServerSide]]]:
    """A process with voices, all of which have been looked at."""
    with ExitStack() as stack:
        process = Process({"passthrough": Passthrough({})})
        voices = [ServerSide(process, stack) for _ in range(VOICES)]
        rounds(process)
        yield process, voices
        for each in voices:
            each.line.close()
        process.run()  # which ends, for nobody is there any more


def rounds(process: Process) -> None:
    """Until there is nothing to do, as `run` does."""
    while True:
        process._attend()
        process._begin()
        process._clean()
        if not process._running and not process._ready:
            return


def test_only_who_rings_is_looked_at(house: tuple[Process, list[ServerSide]], monkeypatch: pytest.MonkeyPatch) -> None:
    """A packet of one voice has no other ring looked at, and several that came at once are all taken, one after the other."""
    process, voices = house
    looked: list[Voice] = []
    whole = Voice.next_work
    monkeypatch.setattr(Voice, "next_work", lambda voice, now: looked.append(voice) or whole(voice, now))
    process._due = time.monotonic() + 600  # nothing of what is done once a second
    sent = packets(voice(0.2))
    voices[3].put(*sent[:3])
    rounds(process)
    assert len(set(looked)) == 1 and voices[3].noisy.empty and len(looked) == 3


def test_who_is_handed_over_late_is_looked_at_unrung(house: tuple[Process, list[ServerSide]]) -> None:
    """Once a second, and when something is to be flushed, all are looked at: a packet whose bell was lost is not."""
    process, voices = house
    voices[1].noisy.put(packets(voice(0.2))[0])
    process._due = 0.0
    process._begin()
    process._clean()
    assert voices[1].noisy.empty


def test_a_forkserver_that_ends_unheard() -> None:
    """It closes its end while messages of the worker lie there unread: the worker serves on, and ends with its last voice."""
    forkserver, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ExitStack() as stack:
        process = Process({"passthrough": Passthrough({})}, far)
        first, second = ServerSide(process, stack), ServerSide(process, stack)
        first.line.close()
        rounds(process)
        forkserver.close()
        second.put(*packets(voice(0.2))[:1])
        rounds(process)
        assert second.noisy.empty
        second.line.close()
        process.run()
