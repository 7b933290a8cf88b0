"""Groups: the listeners that get the same plaintext packet, and the packets that they may ask for again."""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from sfu.fanout.listener import Line, Listener
from sfu.fanout.recipients import Recipients
from sfu.wire import red, rtp
from workers.link.ring import Packet

CACHED_PACKETS = 512  # more than a second of the shortest packets, 2.5 ms
RESEND_WITHIN_NS = 1_000_000_000  # of its arrival; a packet sent again later comes after its playout time
MEMBERSHIPS_KEPT = 3  # of one listener: it may ask for the packets of its last groups
LARGEST_RED = 1200  # bytes with RTP header, to fit every path's MTU; earlier packets that would exceed it are left out


class Shape(NamedTuple):
    """What the plaintext depends on; each shape is one group. sequence_offset: 0 or 32768; red_pt: None for plain Opus;
    redundancy: how many earlier packets each packet brings."""

    line: Line
    sequence_offset: int
    opus_pt: int
    red_pt: int | None
    redundancy: int


class Group:
    """The listeners of one shape. Builds each packet once, and keeps the last `CACHED_PACKETS` byte for byte.

    A packet is sent again only with the same bytes: two plaintexts encrypted under one sequence number reveal the key stream.
    """

    def __init__(self, shape: Shape, ssrc: int, base: int, earlier: Iterable[Packet] = ()) -> None:
        """base: time stamp of the broadcast's time 0; earlier: the line's last packets, oldest first, for the first packet's RED."""
        self.shape = shape
        self.recipients = Recipients()
        self._ssrc = ssrc
        self._base = base
        self._cache: list[tuple[Packet, bytes] | None] = [None] * CACHED_PACKETS
        self.newest = -1  # the number sent last
        self.earlier: deque[Packet] = deque(earlier, maxlen=shape.redundancy)

    def __len__(self) -> int:
        return len(self.recipients)

    def build(self, packet: Packet, marker: bool) -> bytes:
        """Returns the RTP packet for that number; called once a number, in ascending order."""
        shape, number = self.shape, packet.number
        payload_type, payload = shape.opus_pt, packet.payload
        if shape.red_pt is not None:
            payload_type, payload = shape.red_pt, self._with_earlier(packet)
            self.earlier.append(packet)
        plain = rtp.build(payload_type, number + shape.sequence_offset, packet.time + self._base, self._ssrc, payload, marker=marker)
        self._cache[number % CACHED_PACKETS] = packet, plain
        self.newest = number
        return plain

    def _with_earlier(self, packet: Packet) -> bytes:
        earlier = [(packet.time - each.time, each.payload) for each in self.earlier]
        while rtp.HEADER_LENGTH + len(payload := red.build(self.shape.opus_pt, packet.payload, earlier)) > LARGEST_RED and earlier:
            del earlier[0]
        return payload

    def find_sent(self, sequence: int, since: int, until: int | None, now_ns: int) -> bytes | None:
        """Returns what was sent with that sequence number if it is recent enough and its number is in [since, until)."""
        number = rtp.unwrap_sequence(sequence - self.shape.sequence_offset & 0xFFFF, self.newest)
        kept = self._cache[number % CACHED_PACKETS]
        if kept is None or number < since or (until is not None and number >= until):
            return None
        packet, plain = kept
        return plain if packet.number == number and now_ns - packet.arrival_ns <= RESEND_WITHIN_NS else None


class Membership(NamedTuple):
    """A listener's time in a group: it was sent the numbers in [since, until). until: None while it is a member."""

    group: Group
    since: int
    until: int | None

    def find_sent(self, sequence: int, now_ns: int) -> bytes | None:
        """Returns what it was sent in this group with that sequence number, if it is recent enough."""
        return self.group.find_sent(sequence, self.since, self.until, now_ns)


class Groups:
    """All groups of one fan-out that have members, and each listener's last `MEMBERSHIPS_KEPT` memberships."""

    def __init__(self, ssrc: int, base: int) -> None:
        self._ssrc, self._base = ssrc, base
        self._groups: dict[Shape, Group] = {}
        self._lines: dict[Line, list[Group]] = {line: [] for line in Line}  # the same groups
        self._memberships: dict[Listener, deque[Membership]] = {}

    def __len__(self) -> int:
        return len(self._groups)

    def __contains__(self, listener: Listener) -> bool:
        """Whether it is in a group now."""
        memberships = self._memberships.get(listener)
        return memberships is not None and memberships[-1].until is None

    def find_sent(self, listener: Listener, sequence: int, now_ns: int) -> bytes | None:
        """Returns the bytes that this listener was sent with that sequence number, in whichever group it was then.

        None if it never was, or too long ago.
        """
        found = (membership.find_sent(sequence, now_ns) for membership in reversed(self._memberships.get(listener, ())))
        return next((plain for plain in found if plain is not None), None)

    def of_line(self, line: Line) -> list[Group]:
        """The caller must neither change nor keep the list."""
        return self._lines[line]

    def add(self, listener: Listener, since: int) -> None:
        """Put a listener with a recipient into the group of its shape; it is sent the numbers from `since` on."""
        assert listener.recipient is not None
        audio = listener.peer.audio
        redundancy = listener.redundancy
        shape = Shape(listener.line, listener.sequence_offset, audio.opus_pt, audio.red_pt if redundancy else None, redundancy)
        memberships = self._memberships.setdefault(listener, deque(maxlen=MEMBERSHIPS_KEPT))
        group = self._groups.get(shape)
        if group is None:
            last = memberships[-1].group if memberships and memberships[-1].until == since else None
            earlier = last.earlier if last is not None and last.shape.line is listener.line else ()
            group = self._groups[shape] = Group(shape, self._ssrc, self._base, earlier)
            self._lines[shape.line].append(group)
        group.recipients.add(listener.recipient)
        memberships.append(Membership(group, since, None))

    def remove(self, listener: Listener) -> None:
        """End its membership; it may still ask for the packets of that time. An empty group builds no more packets. Idempotent."""
        if listener not in self or listener.recipient is None:
            return
        memberships = self._memberships[listener]
        group, since, _ = memberships[-1]
        memberships[-1] = Membership(group, since, group.newest + 1)
        group.recipients.remove(listener.recipient)
        if not len(group):
            del self._groups[group.shape]
            self._lines[group.shape.line].remove(group)

    def forget(self, listener: Listener) -> None:
        """The listener has left: remove it and its memberships. Idempotent."""
        self.remove(listener)
        self._memberships.pop(listener, None)
