"""The held packets and the pointer `auto`: each number goes on once, in order, as soon as it is known what it sounds like.

No I/O and no clock of its own. Paced by packets: an original waits for its denoised twin, or for the original that lies one
hold later; a deadline only serves where packets stop (silence, loss, a worker that hangs).
"""

from collections import deque
from typing import NamedTuple

from workers.link.control import quiet_s
from workers.link.ring import Flag, Packet

MOST_HELD = 128  # originals; beyond, the oldest goes on: 2.5 s at 20 ms
LATE_NS = 25_000_000  # what a worker may take beyond the packet that pushes the denoised one out
FLUSH_LATE_NS = 75_000_000  # beyond the quiet after which it gives back the last that was said, hop by hop; nobody waits behind
ALONE_LATE_NS = 5_000_000  # without a worker: the next packet may be a little late, no need for the clock to come first
_NS_PER_SAMPLE = 1_000_000_000 / 48_000


class Release(NamedTuple):
    """One number that goes on: at least one of the two is there."""

    original: Packet | None
    denoised: Packet | None

    @property
    def number(self) -> int:
        packet = self.original or self.denoised
        assert packet is not None
        return packet.number

    @property
    def jumped(self) -> bool:
        """Did the time line jump before it?"""
        return any(packet is not None and packet.flags & Flag.JUMP for packet in (self.original, self.denoised))


class Hold:
    """Originals that wait, at most `MOST_HELD`. Every method gives back what goes on now, in ascending numbers, never one twice."""

    def __init__(self) -> None:
        self.samples = 0  # the delay of the held line; once packets flow it may only grow
        self.last = -1  # the number that went on last
        self.late = 0  # denoised packets that came after their number had gone on as original
        self._held: deque[Packet] = deque()
        self._ripe_ns: dict[int, int] = {}  # of those held: since when the worker has all that it needs for their twin
        self._newest: Packet | None = None
        self._newest_ns = 0  # when it came here, which may be long after its arrival: it waited for one that was lost
        self._expected = False
        self._expected_from = 0  # what was sent in before the worker was there has no twin

    @property
    def begun(self) -> bool:
        return self._newest is not None

    def expect(self, expected: bool, now_ns: int) -> list[Release]:
        """Is a denoised packet worth waiting for, of what comes in from now on?"""
        if expected and not self._expected:
            self._expected_from = self._newest.number + 1 if self._newest is not None else 0
        self._expected = expected
        return self._push() + self.tick(now_ns)

    def original(self, packet: Packet, now_ns: int = 0) -> list[Release]:
        """An original came, by `now_ns` in order (0: as it arrived): numbers rise from call to call, time too."""
        if self._newest is not None and packet.number <= self._newest.number:
            return []
        self._newest, self._newest_ns = packet, max(packet.arrival_ns, now_ns)
        self._held.append(packet)
        for each in self._held:
            if each.number not in self._ripe_ns and self._came_a_hold_after(each):
                self._ripe_ns[each.number] = self._newest_ns
        return self._push()

    def denoised(self, packet: Packet) -> list[Release]:
        """A denoised packet came: it goes on with its twin, and the originals before it without theirs."""
        number = packet.number
        if number <= self.last:
            self.late += 1
            return []
        if self._newest is None or number > self._newest.number:
            self.late += 1  # of nothing that was ever sent in; believing it would silence what is still to come
            return []
        out: list[Release] = []
        while self._held and self._held[0].number < number:
            out.append(self._pop())
        twin = self._take() if self._held and self._held[0].number == number else None
        self.last = number
        out.append(Release(twin, packet))
        return out

    def tick(self, now_ns: int) -> list[Release]:
        """What has waited long enough."""
        out: list[Release] = []
        while self._held and self._due_ns(self._held[0]) <= now_ns:
            out.append(self._pop())
        return out

    def flush(self) -> list[Release]:
        """Everything, now: nothing more will come."""
        out: list[Release] = []
        while self._held:
            out.append(self._pop())
        return out

    @property
    def deadline_ns(self) -> int | None:
        """When `tick` has something to do next (time.monotonic_ns)."""
        return self._due_ns(self._held[0]) if self._held else None

    def _pop(self) -> Release:
        packet = self._take()
        self.last = packet.number
        return Release(packet, None)

    def _take(self) -> Packet:
        packet = self._held.popleft()
        self._ripe_ns.pop(packet.number, None)
        return packet

    def _waits(self, packet: Packet) -> bool:
        return self._expected and packet.number >= self._expected_from

    def _push(self) -> list[Release]:
        """Let go what the newest original pushes out."""
        out: list[Release] = []
        while self._held and (self._pushed_out(self._held[0]) or len(self._held) > MOST_HELD):
            out.append(self._pop())
        return out

    def _pushed_out(self, packet: Packet) -> bool:
        return not self._waits(packet) and self._came_a_hold_after(packet)

    def _came_a_hold_after(self, packet: Packet) -> bool:
        return self._newest is not None and self._newest.time >= packet.time + self.samples

    def _due_ns(self, packet: Packet) -> int:
        """The deadline of a held packet. A worker cannot answer before the packet one hold later is in, or until it runs dry."""
        hold_ns = int(self.samples * _NS_PER_SAMPLE)
        if not self._waits(packet):
            return packet.arrival_ns + hold_ns + ALONE_LATE_NS
        ripe_ns = self._ripe_ns.get(packet.number)
        if ripe_ns is not None:
            return max(packet.arrival_ns + hold_ns, ripe_ns) + LATE_NS
        assert self._newest is not None
        return max(packet.arrival_ns + hold_ns, self._newest_ns + int(quiet_s(self._newest.samples) * 1e9)) + FLUSH_LATE_NS
