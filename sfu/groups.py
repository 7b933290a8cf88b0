"""Header groups: listeners that get the same plaintext packet, and the packets that they may ask for again."""

from typing import NamedTuple

from sfu import red, rtp
from sfu.batch import Batch, Crew
from sfu.listener import Line, Listener
from workers.ring import Packet

CACHED = 512  # packets: 10 s at 20 ms
LARGEST_RED = 1200  # bytes with RTP header: beyond, a packet would not fit every path; it goes without its forerunner


class Shape(NamedTuple):
    """What makes the plaintext of one group differ from another's. half: 0 or 32768; red_pt: None = plain Opus."""

    line: Line
    half: int
    opus_pt: int
    red_pt: int | None


class Group:
    """The listeners of one shape. Builds each packet once, and keeps the last `CACHED` exactly as they were sent.

    Exactly: to encrypt other bytes under a number that was used already would give the key stream away.
    """

    def __init__(self, shape: Shape, ssrc: int, base: int, batch: Batch) -> None:
        self.shape = shape
        self.crew = Crew(batch)
        self._ssrc = ssrc
        self._base = base
        self._cache: list[tuple[int, bytes] | None] = [None] * CACHED
        self._newest = -1
        self._before: Packet | None = None

    def __len__(self) -> int:
        return len(self.crew)

    def build(self, packet: Packet, marker: bool) -> bytes:
        """The RTP packet for that number; called once a number, in ascending order."""
        shape, before, number = self.shape, self._before, packet.number
        payload_type, payload = shape.opus_pt, packet.payload
        if shape.red_pt is not None:
            payload_type = shape.red_pt
            payload = red.build(shape.opus_pt, packet.payload)
            if before is not None:
                both = red.build(shape.opus_pt, packet.payload, [(packet.time - before.time, before.payload)])
                payload = both if rtp.HEADER_LENGTH + len(both) <= LARGEST_RED else payload
            self._before = packet
        plain = rtp.build(payload_type, number + shape.half, packet.time + self._base, self._ssrc, payload, marker=marker)
        self._cache[number % CACHED] = number, plain
        self._newest = number
        return plain

    def again(self, sequence: int, since: int) -> bytes | None:
        """What was sent under that sequence, if it is still here and not from before number `since`."""
        number = rtp.unwrap_sequence(sequence - self.shape.half & 0xFFFF, self._newest)
        kept = self._cache[number % CACHED]
        return kept[1] if kept is not None and kept[0] == number and number >= since else None


class Groups:
    """All groups of one fan-out that have anybody in them, and who is where."""

    def __init__(self, ssrc: int, base: int, batch: Batch) -> None:
        self._ssrc, self._base, self._batch = ssrc, base, batch
        self._groups: dict[Shape, Group] = {}
        self._of: dict[Listener, Group] = {}

    def __len__(self) -> int:
        return len(self._groups)

    def of(self, listener: Listener) -> Group | None:
        return self._of.get(listener)

    def of_line(self, line: Line) -> list[Group]:
        return [group for shape, group in self._groups.items() if shape.line is line]

    def add(self, listener: Listener, since: int) -> None:
        """Put a listener with a slot into the group of its line; it is sent numbers from `since` on."""
        assert listener.slot is not None
        audio = listener.peer.audio
        shape = Shape(listener.line, listener.half, audio.opus_pt, audio.red_pt)
        group = self._groups.get(shape)
        if group is None:
            group = self._groups[shape] = Group(shape, self._ssrc, self._base, self._batch)
        group.crew.add(listener.slot)
        self._of[listener] = group
        listener.since = since

    def remove(self, listener: Listener) -> None:
        """Idempotent. An empty group is forgotten, with its cache."""
        group = self._of.pop(listener, None)
        if group is None or listener.slot is None:
            return
        group.crew.remove(listener.slot)
        if not len(group):
            del self._groups[group.shape]
