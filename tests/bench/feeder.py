"""The server's side of many rings, at the pace of life: puts a packet of each voice every 20 ms and takes what comes back.

`python -m tests.bench.feeder PACKETS FD,FD,FD,FD …`, four descriptors a voice: noisy ring, noisy bell, clean ring, clean bell.
JSON lines: {"do": "window", "seconds", "held", "limit_ms"} → {"expected", "ms": [ring to ring, …], "late_ms", "fed_s"}
held: packets that stay inside. limit_ms: null, or where more than a hundredth is certain to take longer the window is given up.
"""

import json
import math
import select
import sys
import time
from pathlib import Path
from typing import Any

from workers.link.bell import Bell
from workers.link.ring import Packet, Ring

PACKET_NS, SAMPLES = 20_000_000, 960
WARM_PACKETS = 50
STRAGGLE_NS = 500_000_000


class Voice:
    """One broadcaster's rings. Each begins elsewhere in the sound."""

    def __init__(self, fds: list[int], packets: list[bytes], offset: int) -> None:
        self.noisy, self.noisy_bell = Ring.attach(fds[0]), Bell.attach(fds[1])
        self.clean, self.clean_bell = Ring.attach(fds[2]), Bell.attach(fds[3])
        self._packets, self._offset = packets, offset
        self._number = 0

    def put(self) -> None:
        payload = self._packets[(self._number + self._offset) % len(self._packets)]
        self.noisy.put(Packet(self._number, self._number * SAMPLES, SAMPLES, time.monotonic_ns(), payload))
        self.noisy_bell.ring()
        self._number += 1

    def take(self, first: int, last: int) -> list[float]:
        """Milliseconds from ring to ring of those that came, if their numbers are from `first` to before `last`."""
        self.clean_bell.answer()
        found = []
        while packet := self.clean.take():
            if first <= packet.number < last:
                found.append((time.monotonic_ns() - self.clean.waited_ns - packet.arrival_ns) / 1e6)
        return found


class Late:
    """Asked after every turn of all voices: whether so many packets are late, or still out, that the rest cannot make it good."""

    def __init__(self, limit_ms: float | None, expected: int, before: int, voices: int) -> None:
        """before: turns that bring nothing that counts."""
        self._limit_ms, self._before, self._voices = limit_ms, before, voices
        self._allowed = expected - 1 - math.ceil(0.99 * (expected - 1))  # late ones with which the quantile of 0.99 is a good one
        self._turns: list[int] = []  # when each was put, whole
        self._old = self._seen = self._good = 0

    def too_many(self, found: list[float]) -> bool:
        """found: milliseconds of all that came so far."""
        if self._limit_ms is None:
            return False
        self._turns.append(time.monotonic_ns())
        while self._turns[-1] - self._turns[self._old] > self._limit_ms * 1e6:
            self._old += 1
        self._good += sum(ms < self._limit_ms for ms in found[self._seen :])
        self._seen = len(found)
        return (self._old - self._before) * self._voices - self._good > self._allowed


class Feeder:
    """Its voices take turns evenly within each 20 ms, as strangers' clocks would."""

    def __init__(self, voices: list[Voice]) -> None:
        self._voices = voices
        self._by_fd = {voice.clean_bell.fd: voice for voice in voices}
        self._waiting = select.poll()
        for fd in self._by_fd:
            self._waiting.register(fd, select.POLLIN)

    def window(self, seconds: float, held: int, limit_ms: float | None) -> dict[str, Any]:
        count = WARM_PACKETS + round(seconds * 1e9 / PACKET_NS)
        first = self._voices[0]._number + WARM_PACKETS
        last = first + count - WARM_PACKETS - held
        expected = (last - first) * len(self._voices)
        step, begin = PACKET_NS / len(self._voices), time.monotonic_ns() + PACKET_NS
        late = Late(limit_ms, expected, WARM_PACKETS + held, len(self._voices))
        found: list[float] = []
        late_ns = 0
        for turn in range(count):
            for at, voice in enumerate(self._voices):
                due = begin + turn * PACKET_NS + round(at * step)
                self._take_until(due, first, last, found)
                late_ns = max(late_ns, time.monotonic_ns() - due)
                voice.put()
            if late.too_many(found):
                break
        end = time.monotonic_ns() + (STRAGGLE_NS if turn + 1 == count else 0)
        while len(found) < expected and time.monotonic_ns() < end:
            self._take_until(time.monotonic_ns() + 10_000_000, first, last, found)
        time.sleep(STRAGGLE_NS / 1e9)  # they let go of what is held
        self._take_until(0, 0, 0, [])
        fed_s = (turn + 1) * PACKET_NS / 1e9
        return {"expected": expected, "ms": [round(ms, 4) for ms in found], "late_ms": late_ns / 1e6, "fed_s": fed_s}

    def _take_until(self, due_ns: int, first: int, last: int, found: list[float]) -> None:
        while True:
            left_ms = (due_ns - time.monotonic_ns()) / 1e6
            # poll counts whole milliseconds; the rest is slept, so that packets go out when they should
            for fd, _ in self._waiting.poll(max(0, int(left_ms))):
                found += self._by_fd[fd].take(first, last)
            left_ms = (due_ns - time.monotonic_ns()) / 1e6
            if left_ms < 1:
                time.sleep(max(0.0, left_ms) / 1e3)
                return


def main() -> int:
    kept = Path(sys.argv[1]).read_text().split()
    packets = [bytes.fromhex(line) for line in kept]
    groups = [list(map(int, argument.split(","))) for argument in sys.argv[2:]]
    feeder = Feeder([Voice(fds, packets, 37 * at) for at, fds in enumerate(groups)])
    print("{}", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(feeder.window(asked["seconds"], asked["held"], asked["limit_ms"])), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
