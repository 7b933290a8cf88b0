"""The delay line: originals wait here for their denoised counterparts, and each number is released once, in ascending order.

No I/O and no clock of its own. Packets pace it: an original is released with its denoised counterpart or, where none is
expected, by the original that lies one hold later. A deadline serves only where packets stop (silence, loss, a worker that hangs).
"""

from collections import deque
from typing import NamedTuple

from workers.link.control import quiet_s
from workers.link.ring import Flag, Packet

MAX_HELD = 128  # originals: 2.5 s at 20 ms; beyond, the oldest is released
WORKER_LATE_NS = 25_000_000  # what a worker may take once it has all the input for a packet
QUIET_LATE_NS = 75_000_000  # what it may take to flush its last hops, after `quiet_s` without input; no later packet waits
NO_WORKER_LATE_NS = 5_000_000  # without a worker: so late may the packet be that releases the oldest, before the deadline does it
_NS_PER_SAMPLE = 1_000_000_000 / 48_000


class Release(NamedTuple):
    """One number that is released: its original, its denoised packet, or both."""

    original: Packet | None
    denoised: Packet | None

    @property
    def number(self) -> int:
        packet = self.original or self.denoised
        assert packet is not None
        return packet.number

    @property
    def jumped(self) -> bool:
        """Whether the time line jumped before it."""
        return any(packet is not None and packet.flags & Flag.JUMP for packet in (self.original, self.denoised))


class Hold:
    """At most `MAX_HELD` originals. Every method that returns releases does so in ascending numbers, and no number twice.

    A full hold releases its oldest original undenoised. A denoised packet whose number was released already is dropped and counted.
    """

    def __init__(self) -> None:
        self.samples = 0  # how far the held lines trail the broadcaster; may only grow once packets flow
        self.last_number = -1  # released last
        self.denoised_late = 0  # denoised packets dropped: their number was released already, or was never put in
        self._held: deque[Packet] = deque()
        self._answerable_ns: dict[int, int] = {}  # by number of a held packet: when the worker had all the input for it
        self._newest: Packet | None = None
        self._newest_ns = 0  # when it came here: later than its arrival if it waited for a lost one
        self._expected = False
        self._expected_from = 0  # packets before this number went to no worker

    @property
    def begun(self) -> bool:
        return self._newest is not None

    def expect(self, expected: bool, now_ns: int) -> list[Release]:
        """expected: whether originals wait for denoised packets, from the next original on."""
        if expected and not self._expected:
            self._expected_from = self._newest.number + 1 if self._newest is not None else 0
        self._expected = expected
        return self._release_pushed_out() + self.tick(now_ns)

    def original(self, packet: Packet, now_ns: int = 0) -> list[Release]:
        """Put in the next original; numbers and times rise from call to call. now_ns: when it was in order (0: when it arrived)."""
        if self._newest is not None and packet.number <= self._newest.number:
            return []
        self._newest, self._newest_ns = packet, max(packet.arrival_ns, now_ns)
        self._held.append(packet)
        for each in self._held:
            if each.number not in self._answerable_ns and self._followed_by_a_hold(each):
                self._answerable_ns[each.number] = self._newest_ns
        return self._release_pushed_out()

    def denoised(self, packet: Packet) -> list[Release]:
        """A denoised packet came: release it with its original, and every earlier original without a denoised one."""
        number = packet.number
        if number <= self.last_number:
            self.denoised_late += 1
            return []
        if self._newest is None or number > self._newest.number:
            self.denoised_late += 1  # never put in; to release it would drop every original up to that number
            return []
        out: list[Release] = []
        while self._held and self._held[0].number < number:
            out.append(self._release_oldest())
        original = self._remove_oldest() if self._held and self._held[0].number == number else None
        self.last_number = number
        out.append(Release(original, packet))
        return out

    def tick(self, now_ns: int) -> list[Release]:
        """Release the originals whose deadline has passed."""
        out: list[Release] = []
        while self._held and self._deadline_ns_of(self._held[0]) <= now_ns:
            out.append(self._release_oldest())
        return out

    def flush(self) -> list[Release]:
        """Release all originals: no more will come."""
        out: list[Release] = []
        while self._held:
            out.append(self._release_oldest())
        return out

    @property
    def deadline_ns(self) -> int | None:
        """When `tick` will release the oldest original (time.monotonic_ns); None if nothing is held."""
        return self._deadline_ns_of(self._held[0]) if self._held else None

    def _release_oldest(self) -> Release:
        packet = self._remove_oldest()
        self.last_number = packet.number
        return Release(packet, None)

    def _remove_oldest(self) -> Packet:
        packet = self._held.popleft()
        self._answerable_ns.pop(packet.number, None)
        return packet

    def _awaits_denoised(self, packet: Packet) -> bool:
        return self._expected and packet.number >= self._expected_from

    def _release_pushed_out(self) -> list[Release]:
        """Release the originals that wait for no worker and lie one hold before the newest, and those beyond `MAX_HELD`."""
        out: list[Release] = []
        while self._held and (self._pushed_out(self._held[0]) or len(self._held) > MAX_HELD):
            out.append(self._release_oldest())
        return out

    def _pushed_out(self, packet: Packet) -> bool:
        return not self._awaits_denoised(packet) and self._followed_by_a_hold(packet)

    def _followed_by_a_hold(self, packet: Packet) -> bool:
        return self._newest is not None and self._newest.time >= packet.time + self.samples

    def _deadline_ns_of(self, packet: Packet) -> int:
        """A worker answers once it has the packet one hold later, or after `quiet_s` without input."""
        hold_ns = int(self.samples * _NS_PER_SAMPLE)
        if not self._awaits_denoised(packet):
            return packet.arrival_ns + hold_ns + NO_WORKER_LATE_NS
        answerable_ns = self._answerable_ns.get(packet.number)
        if answerable_ns is not None:
            return max(packet.arrival_ns + hold_ns, answerable_ns) + WORKER_LATE_NS
        assert self._newest is not None
        return max(packet.arrival_ns + hold_ns, self._newest_ns + int(quiet_s(self._newest.samples) * 1e9)) + QUIET_LATE_NS
