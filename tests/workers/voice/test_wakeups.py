"""No wake-up is lost between bells and rings: many voices in one worker process, whose server writes as irregularly as it can.

python -m tests.workers.voice.test_wakeups PACKETS SEED prints what became of them.
"""

import json
import os
import random
import select
import socket
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection

from tests.workers.speech import Slow, packets, voice
from workers.forkserver.pending import send
from workers.link.bell import Bell
from workers.link.ring import Flag, Packet, Ring
from workers.voice.process import Process
from workers.voice.voice import Voice, VoiceRequest

VOICES = 8
SLOTS = 12  # so few that the ring is often full
FLUSHED_S = 0.4  # after the last packet, which is flushed 0.1 s after it was taken
STRANDED_S = 5.0  # between a put and its ring: a millisecond, and what a busy machine takes from the writer
PACKETS = packets(voice(1.2))


class Watched(Process):
    """Before it sleeps, it looks for packets that nobody will wake it for."""

    stranded = sleeps = 0

    def _patience_ms(self) -> float | None:
        self.sleeps += 1
        for each in dict.fromkeys(self._voices.values()):
            if not each._noisy.empty and not _rung(each, 0):  # unless the writer is between its put and its ring
                self.stranded += not _rung(each, round(1000 * STRANDED_S))
        return super()._patience_ms()


def _rung(each: Voice, wait_ms: int) -> bool:
    bell = select.poll()
    bell.register(each.bell, select.POLLIN)
    return bool(bell.poll(wait_ms))


@dataclass
class Totals:
    """What became of the packets, of all voices."""

    put: int = 0  # into the noisy rings
    full: int = 0  # the ring had no room for
    skipped: int = 0  # by a late reader of either ring, which counts them
    back: int = 0  # out of the clean rings
    early: int = 0  # missing where the delay of the pipeline is not waited for
    missing: int = 0  # not back, and not skipped
    unrung: int = 0  # in a clean ring whose bell is silent
    left: int = 0  # voices that left in the middle
    stranded: int = 0  # times that the worker would have slept on packets
    sleeps: int = 0


@dataclass
class Ends:
    """The server's ends of one voice."""

    channel: socket.socket
    stack: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.noisy, self.clean = self.stack.enter_context(Ring.create(SLOTS)), self.stack.enter_context(Ring.create())
        self.noisy_bell, self.clean_bell = self.stack.enter_context(Bell.create()), self.stack.enter_context(Bell.create())
        self.line, far = socket.socketpair()
        self.stack.enter_context(self.line)
        self.line.setblocking(False)
        self.number = 0
        self.put, self.back = set[int](), set[int]()
        with far:
            fds = (self.noisy.fd, self.noisy_bell.handed, self.clean.fd, self.clean_bell.handed, far.fileno())
            assert send(self.channel, VoiceRequest("slow", 0), fds)

    def write(self, dice: random.Random) -> None:
        """A burst, which is rung for packet by packet, or at once, or some time later."""
        burst, late_s = dice.choice((1, 1, 1, 2, 5, SLOTS, 2 * SLOTS)), dice.choice((0.0, 0.0, 1e-5, 1e-4, 1e-3))
        each, unrung = dice.random() < 0.5, 0
        for _ in range(burst):
            if self.noisy.put(_packet(self.number)):
                self.put.add(self.number)
                unrung += 1
            self.number += 1
            if each and unrung:
                _wait(late_s)
                self.noisy_bell.ring(unrung)
                unrung = 0
        if unrung:
            _wait(late_s)
            self.noisy_bell.ring(unrung)

    def read(self) -> None:
        """As the server does when it is woken."""
        self.clean_bell.answer()
        while (packet := self.clean.take()) is not None:
            if not packet.flags & (Flag.CONCEALED | Flag.REPAIRED):
                self.back.add(packet.number)

    @property
    def awaited(self) -> int:
        """Packets that are neither back nor were refused by a full clean ring."""
        return len(self.put - self.back) - self.clean.dropped

    def close(self, totals: Totals, *, whole: bool) -> None:
        totals.put += len(self.put)
        totals.full += self.noisy.dropped
        totals.back += len(self.back)
        if whole:
            passed_over = self.noisy.skipped + self.clean.skipped
            totals.skipped += passed_over
            totals.missing += max(0, self.awaited - passed_over)  # less than none: what was passed over was concealed, not put
        self.stack.close()


def _packet(number: int) -> Packet:
    return PACKETS[number % len(PACKETS)]._replace(number=number, time=number * 960, arrival_ns=time.monotonic_ns())


def _wait(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def _serve(server: socket.socket, channel: socket.socket, told: Connection) -> None:
    server.close()
    process = Watched({"slow": Slow({})}, channel)
    process.run()
    told.send((process.stranded, process.sleeps))


def stress(count: int, seed: int) -> Totals:
    """Send about so many packets through one worker process."""
    dice, totals = random.Random(seed), Totals()
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    told, tells = get_context("fork").Pipe(duplex=False)
    worker = get_context("fork").Process(target=_serve, args=(near, far, tells), daemon=True)
    worker.start()
    far.close()
    tells.close()
    voices = [Ends(near) for _ in range(VOICES)]
    while sum(each.number for each in voices) + totals.put + totals.full < count:
        dice.choice(voices).write(dice)
        if dice.random() < 0.005:  # one leaves, another comes
            leaver = voices.pop(dice.randrange(VOICES))
            leaver.close(totals, whole=False)
            totals.left += 1
            voices.append(Ends(near))
        _wait(dice.choice((0.0, 1e-5, 1e-4, 1e-3, 3e-3, 1e-2)))
        for each in voices:
            each.read()
    _settle(voices, totals)
    for each in voices:
        each.close(totals, whole=True)
    near.close()
    totals.stranded, totals.sleeps = told.recv()
    worker.join()
    return totals


def _settle(voices: list[Ends], totals: Totals) -> None:
    """Wait for what is still to come."""
    end = time.monotonic() + 10
    while not all(each.noisy.empty for each in voices) and time.monotonic() < end:
        time.sleep(0.001)
    time.sleep(0.02)
    for each in voices:
        each.read()
    totals.early = sum(len(each.put - each.back) - each.noisy.skipped - each.clean.skipped for each in voices)
    began = time.monotonic()
    while (past := time.monotonic() - began) < FLUSHED_S or (past < 10 and any(_is_owed(each) for each in voices)):
        time.sleep(0.02)  # a reader that comes later than 200 ms skips packets
        for each in voices:
            each.read()
    for each in voices:
        totals.unrung += not each.clean.empty and each.clean_bell.answer() == 0


def _is_owed(voice: Ends) -> bool:
    return voice.awaited > voice.noisy.skipped + voice.clean.skipped


def test_no_wake_up_is_lost() -> None:
    totals = stress(4000, seed=1)
    assert (totals.stranded, totals.missing, totals.unrung) == (0, 0, 0), totals
    assert totals.sleeps > 50 and totals.full > 0 and totals.left > 0, totals


if __name__ == "__main__":
    print(json.dumps(vars(stress(int(sys.argv[1]), int(sys.argv[2])))), os.getloadavg()[0])
