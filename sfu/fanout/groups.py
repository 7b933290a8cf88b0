"""Header groups: listeners that get the same plaintext packet, and the packets that they may ask for again."""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from sfu.fanout.listener import Line, Listener
from sfu.fanout.recipients import AllRecipients, Recipients
from sfu.wire import red, rtp
from workers.link.ring import Packet

CACHED = 512  # packets: more than a second of the shortest, which last 2.5 ms
RESENT_NS = 1_000_000_000  # what came in longer ago is of no use to anybody any more
REMEMBERED = 3  # groups of one listener that it may still ask for packets of
LARGEST_RED = 1200  # bytes with RTP header: beyond, a packet would not fit every path, and earlier ones stay out


class Shape(NamedTuple):
    """What makes the plaintext of one group differ from another's. half: 0 or 32768; red_pt: None = plain Opus;
    redundancy: how many earlier packets go along."""

    line: Line
    half: int
    opus_pt: int
    red_pt: int | None
    redundancy: int


class Group:
    """The listeners of one shape. Builds each packet once, and keeps the last `CACHED` exactly as they were sent.

    Exactly: to encrypt other bytes under a number that was used already would give the key stream away.
    """

    def __init__(self, shape: Shape, ssrc: int, base: int, batch: AllRecipients, before: Iterable[Packet] = ()) -> None:
        """before: what its line was sent last, the newest last; so that the first packet has it along."""
        self.shape = shape
        self.crew = Recipients(batch)
        self._ssrc = ssrc
        self._base = base
        self._cache: list[tuple[Packet, bytes] | None] = [None] * CACHED
        self.newest = -1  # the number sent last
        self.before: deque[Packet] = deque(before, maxlen=shape.redundancy)

    def __len__(self) -> int:
        return len(self.crew)

    def build(self, packet: Packet, marker: bool) -> bytes:
        """The RTP packet for that number; called once a number, in ascending order."""
        shape, number = self.shape, packet.number
        payload_type, payload = shape.opus_pt, packet.payload
        if shape.red_pt is not None:
            payload_type, payload = shape.red_pt, self._with_earlier(packet)
            self.before.append(packet)
        plain = rtp.build(payload_type, number + shape.half, packet.time + self._base, self._ssrc, payload, marker=marker)
        self._cache[number % CACHED] = packet, plain
        self.newest = number
        return plain

    def _with_earlier(self, packet: Packet) -> bytes:
        earlier = [(packet.time - before.time, before.payload) for before in self.before]
        while rtp.HEADER_LENGTH + len(payload := red.build(self.shape.opus_pt, packet.payload, earlier)) > LARGEST_RED and earlier:
            del earlier[0]
        return payload

    def again(self, sequence: int, since: int, until: int | None, now_ns: int) -> bytes | None:
        """What was sent under that sequence, if it is young enough and its number from `since` on and before `until`."""
        number = rtp.unwrap_sequence(sequence - self.shape.half & 0xFFFF, self.newest)
        kept = self._cache[number % CACHED]
        if kept is None or number < since or (until is not None and number >= until):
            return None
        packet, plain = kept
        return plain if packet.number == number and now_ns - packet.arrival_ns <= RESENT_NS else None


class Stay(NamedTuple):
    """A listener's time in a group: it was sent the numbers from `since` up to, not including, `until` (None: it is there)."""

    group: Group
    since: int
    until: int | None

    def again(self, sequence: int, now_ns: int) -> bytes | None:
        """What it was sent there under that sequence, if that is young enough."""
        return self.group.again(sequence, self.since, self.until, now_ns)


class Groups:
    """All groups of one fan-out that have anybody in them, and who is where, and was before: up to `REMEMBERED` stays."""

    def __init__(self, ssrc: int, base: int, batch: AllRecipients) -> None:
        self._ssrc, self._base, self._batch = ssrc, base, batch
        self._groups: dict[Shape, Group] = {}
        self._lines: dict[Line, list[Group]] = {line: [] for line in Line}  # the same groups
        self._stays: dict[Listener, deque[Stay]] = {}

    def __len__(self) -> int:
        return len(self._groups)

    def __contains__(self, listener: Listener) -> bool:
        """Is it in a group now?"""
        stays = self._stays.get(listener)
        return stays is not None and stays[-1].until is None

    def again(self, listener: Listener, sequence: int, now_ns: int) -> bytes | None:
        """Exactly what that listener was sent under that sequence, in whichever group it was then; None: never, or too long ago."""
        found = (stay.again(sequence, now_ns) for stay in reversed(self._stays.get(listener, ())))
        return next((plain for plain in found if plain is not None), None)

    def of_line(self, line: Line) -> list[Group]:
        """Not to be changed, nor kept."""
        return self._lines[line]

    def add(self, listener: Listener, since: int) -> None:
        """Put a listener with a slot into the group of its line; it is sent numbers from `since` on."""
        assert listener.slot is not None
        audio = listener.peer.audio
        redundancy = listener.redundancy
        shape = Shape(listener.line, listener.half, audio.opus_pt, audio.red_pt if redundancy else None, redundancy)
        stays = self._stays.setdefault(listener, deque(maxlen=REMEMBERED))
        group = self._groups.get(shape)
        if group is None:
            last = stays[-1].group if stays and stays[-1].until == since else None
            before = last.before if last is not None and last.shape.line is listener.line else ()
            group = self._groups[shape] = Group(shape, self._ssrc, self._base, self._batch, before)
            self._lines[shape.line].append(group)
        group.crew.add(listener.slot)
        stays.append(Stay(group, since, None))

    def remove(self, listener: Listener) -> None:
        """Idempotent. An empty group is built for no longer; what it sent is kept for those who may ask for it again."""
        if listener not in self or listener.slot is None:
            return
        stays = self._stays[listener]
        group, since, _ = stays[-1]
        stays[-1] = Stay(group, since, group.newest + 1)
        group.crew.remove(listener.slot)
        if not len(group):
            del self._groups[group.shape]
            self._lines[group.shape.line].remove(group)

    def forget(self, listener: Listener) -> None:
        """It is gone for good. Idempotent."""
        self.remove(listener)
        self._stays.pop(listener, None)
