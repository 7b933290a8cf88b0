"""The reorder buffer: puts packets into the order they were sent in. No I/O and no clock: the caller passes the time.

A packet in order passes at once. A missing one is asked for at once (`wanted`) and waited for, at most `wait_ns` from its
discovery; then it is given up as lost, and the packets behind it are released. Where few gaps were filled in time lately (the sender
is too far away, or does not retransmit), a gap is waited for REORDER_WAIT_NS only, since every wait delays all listeners. The buffer
is bounded: at most MAX_SPAN packets lie between a gap and the newest packet, and beyond that the oldest missing ones are given up.
After an outage only the last MAX_ASK_AGE_NS of it are asked for, since older packets would be heard that much too late.
"""

from typing import Generic, NamedTuple, TypeVar

from sfu.wire.rtp import unwrap_sequence

MAX_SPAN = 64  # packets, 1.3 s of 20 ms each
MAX_ASK_AGE_NS = 200_000_000  # of a packet that is missing after an outage
ASK_AT_LEAST = 5  # packets before the one that ends an outage: after DTX silence their age is unknown
MAX_SEQUENCE_STEP = 3000  # a larger step, either way, is another numbering and no loss (RFC 3550 A.1)
MAX_LATE_RUN = 50  # late packets in a row; one more means that the sender has restarted its numbering
MIN_ASK_INTERVAL_NS, INITIAL_ASK_INTERVAL_NS, MAX_ASK_INTERVAL_NS = 10_000_000, 20_000_000, 40_000_000
MAX_ASKS = 3
REORDER_WAIT_NS = 10_000_000  # long enough for packets that overtook each other
MIN_FILLED_SHARE = 0.25  # of gaps within the full wait, for the full wait to be used
MAX_REMEMBERED = 256  # lost numbers, by which a late packet is told from a duplicate
_SMOOTHING = 8  # the newest gap counts for one eighth of the smoothed values

Item = TypeVar("Item")


class Ordered(NamedTuple, Generic[Item]):
    """One packet that is released, and how many numbers right before it were given up."""

    lost: int
    item: Item


class _Gap(NamedTuple):
    """One missing number: when it was discovered, when to ask for it next, and how often it was asked for."""

    since_ns: int
    ask_ns: int
    asked: int


class ReorderBuffer(Generic[Item]):
    """One stream at a time; `restart` begins the next. Counts over all: `lost`, `late` (came after they were given up), `duplicates`."""

    def __init__(self, wait_ns: int) -> None:
        self.lost = 0
        self.late = 0
        self.duplicates = 0
        self._wait_ns = wait_ns
        self._next: int | None = None  # the number that is next in order, unwrapped; None before the first packet
        self._newest = 0  # the highest number that has come
        self._newest_ns = 0  # when it came
        self._held: dict[int, Item] = {}
        self._gaps: dict[int, _Gap] = {}  # in ascending order
        self._given_up: dict[int, int] = {}  # lost numbers, the oldest first, and when each was discovered to be missing
        self._filled_share = 1.0  # share of gaps that are filled within wait_ns, smoothed
        self._last_gap_ns = -1  # when the gap was discovered that was counted last
        self._fill_ns = INITIAL_ASK_INTERVAL_NS * 4 // 5  # from discovering a gap to filling it, smoothed
        self._late_run = 0
        self._lost_before = 0  # given up since the last packet that was released

    def restart(self) -> None:
        """The next packet begins another numbering. Packets that are still held are dropped: call `flush` before."""
        self._next = None
        self._held.clear()
        self._gaps.clear()
        self._given_up.clear()
        self._late_run = 0

    def is_renumbered(self, sequence: int) -> bool:
        """Whether this sequence (16 bits) belongs to another numbering; the caller then calls `flush` and `restart`."""
        if self._next is None:
            return False
        step = unwrap_sequence(sequence, self._next) - self._next
        return abs(step) > MAX_SEQUENCE_STEP or (step < 0 and self._late_run >= MAX_LATE_RUN)

    @property
    def newest(self) -> int | None:
        """The highest sequence of this numbering so far, 16 bits; None before the first."""
        return None if self._next is None else self._newest & 0xFFFF

    def missing(self, sequence: int) -> bool:
        """Whether this sequence (16 bits) would fill a gap or be new. For packets recovered from RED."""
        return self._next is not None and (number := unwrap_sequence(sequence, self._next)) >= self._next and number not in self._held

    def put(self, sequence: int, item: Item, now_ns: int) -> list[Ordered[Item]]:
        """Take one packet (16-bit sequence) in. Returns the packets that it releases, in order."""
        if self._next is None:
            self._next, self._newest = sequence, sequence - 1
        number = unwrap_sequence(sequence, self._next)
        if number == self._next and not self._held:
            self._newest, self._newest_ns = number, now_ns
            self._next += 1
            self._late_run = 0
            return [Ordered(0, item)]
        if number < self._next or number in self._held:
            self._count_unused(number, now_ns)
            return []
        self._late_run = 0
        self._held[number] = item
        span = MAX_SPAN - 1
        if number <= self._newest:
            gap = self._gaps.pop(number, None)
            if gap is not None:
                self._learn(gap.since_ns, now_ns)
        else:
            span = self._span_of(number, now_ns)
            for missing in range(max(self._newest + 1, number - span), number):
                self._gaps[missing] = _Gap(now_ns, now_ns, 0)
            self._newest, self._newest_ns = number, now_ns
        return self._release(number - span)

    def _span_of(self, number: int, now_ns: int) -> int:
        """How many numbers before the newest packet may be asked for; after an outage those of its last MAX_ASK_AGE_NS, at an even pace."""
        outage_ns = now_ns - self._newest_ns
        if outage_ns <= MAX_ASK_AGE_NS:
            return MAX_SPAN - 1
        return min(max((number - self._newest) * MAX_ASK_AGE_NS // outage_ns, ASK_AT_LEAST), MAX_SPAN - 1)

    def expire(self, now_ns: int) -> list[Ordered[Item]]:
        """Give up the gaps that have waited for `wait_ns`. Returns the packets that this releases."""
        wait_ns = self.wait_ns
        return self._release(next((number for number, gap in self._gaps.items() if gap.since_ns + wait_ns > now_ns), None))

    def flush(self) -> list[Ordered[Item]]:
        """Give up all gaps. Returns all packets that are held."""
        return self._release(None)

    @property
    def wait_ns(self) -> int:
        """How long a gap is waited for now."""
        return self._wait_ns if self._filled_share >= MIN_FILLED_SHARE else min(self._wait_ns, REORDER_WAIT_NS)

    def wanted(self, now_ns: int) -> list[int]:
        """The 16-bit sequences to ask the sender for now: each at most MAX_ASKS times, a little more than a retransmission's time apart."""
        pause_ns = min(max(self._fill_ns * 5 // 4, MIN_ASK_INTERVAL_NS), MAX_ASK_INTERVAL_NS)
        due = [(number, gap) for number, gap in self._gaps.items() if gap.ask_ns <= now_ns and gap.asked < MAX_ASKS]
        for number, gap in due:
            self._gaps[number] = _Gap(gap.since_ns, now_ns + pause_ns, gap.asked + 1)
        return [number & 0xFFFF for number, _ in due]

    def deadline_ns(self, asking: bool) -> int | None:
        """When `expire` or, if `asking`, `wanted` has to be called next; None without a gap."""
        if not self._gaps:
            return None
        deadlines = [next(iter(self._gaps.values())).since_ns + self.wait_ns]
        if asking:
            deadlines += [gap.ask_ns for gap in self._gaps.values() if gap.asked < MAX_ASKS]
        return min(deadlines)

    def _release(self, keep_from: int | None) -> list[Ordered[Item]]:
        """Take out what is in order, and give up the gaps before `keep_from` (None: all of them)."""
        out: list[Ordered[Item]] = []
        while self._held and self._next is not None:
            item = self._held.pop(self._next, None)
            if item is not None:
                out.append(Ordered(self._lost_before, item))
                self._lost_before = 0
                self._next += 1
                continue
            first = min(self._held)
            until = first if keep_from is None else min(first, keep_from)
            if until <= self._next:
                break
            self._give_up(self._next, until)
            self._next = until
        return out

    def _learn(self, since_ns: int, filled_ns: int | None) -> None:
        """A missing packet was filled, or given up (None). Of those discovered at one time only the first counts: a burst is one gap."""
        if filled_ns is not None:
            self._fill_ns += (filled_ns - since_ns - self._fill_ns) // _SMOOTHING
        if since_ns != self._last_gap_ns:
            self._last_gap_ns = since_ns
            self._filled_share += ((filled_ns is not None) - self._filled_share) / _SMOOTHING

    def _give_up(self, number: int, until: int) -> None:
        """Count `number` to `until - 1` as lost. The work is bounded, however far a sender jumps."""
        self.lost += until - number
        self._lost_before += until - number
        missed = {each: gap.since_ns for each, gap in self._gaps.items() if each < until}
        for each, since_ns in missed.items():
            del self._gaps[each]
            self._learn(since_ns, None)
        self._given_up |= {each: missed.get(each, 0) for each in range(max(number, until - MAX_REMEMBERED), until)}
        for each in list(self._given_up)[:-MAX_REMEMBERED]:
            del self._given_up[each]

    def _count_unused(self, number: int, now_ns: int) -> None:
        self._late_run += 1
        since_ns = self._given_up.pop(number, None)
        if since_ns is None:
            self.duplicates += 1
            return
        self.late += 1
        if now_ns - since_ns <= self._wait_ns:  # the full wait would have filled this gap: this outweighs its giving up
            self._filled_share += 2 * (1 - self._filled_share) / _SMOOTHING
