"""Packets into the order they were sent in. No I/O, no clock of its own: the caller brings the time.

In order is straight on. A gap is asked for at once (`wanted`) and waited for at most `wait_ns` from its discovery; then it
is lost and what follows goes on. Where waiting has brought next to nothing lately (the sender is too far away, or does not send
again), a gap waits for `BRIEF_NS` only: everybody would hear the pause, and nobody the packet. Bounded: a packet more than
`SPAN` ahead of the gap ends the waiting for its beginning, and after an outage only its last `FRESH_NS` are asked for: sent
again, the rest would be heard that much too late by all.
"""

from typing import Generic, NamedTuple, TypeVar

from sfu.wire.rtp import unwrap_sequence

SPAN = 64  # packets between the gap and the newest: 1.3 s at 20 ms; who loses: the oldest of the gap
FRESH_NS = 200_000_000  # what was sent longer before the packet that ends an outage is given up at once
FRESH = 5  # packets that are not: after a speaker's silence (DTX) nobody can tell that they are old
WILD = 3000  # a step further than this, either way, is no loss but another numbering (RFC 3550 A.1)
LATE_RUN = 50  # so many in a row from the past: the sender has started its numbers anew
SOONEST_ASK_NS, FIRST_ASK_NS, LATEST_ASK_NS = 10_000_000, 20_000_000, 40_000_000  # between asking and asking again
MOST_ASKS = 3
BRIEF_NS = 10_000_000  # for packets that overtook each other
WORTH = 0.25  # share of gaps that have to be filled in time for waiting to be worth it
_FOLLOW = 8  # the newest gap counts for one eighth
REMEMBERED = 256  # lost numbers that a late packet is still told from a duplicate by

Item = TypeVar("Item")


class Ordered(NamedTuple, Generic[Item]):
    """What goes on, after `lost` numbers that were given up."""

    lost: int
    item: Item


class _Gap(NamedTuple):
    """One missing number: when it was discovered, when to ask (again), and how often it was asked for."""

    since_ns: int
    ask_ns: int
    asked: int


class ReorderBuffer(Generic[Item]):
    """The reorder buffer of one stream. Counts `lost`, `late` (given up before they came), `duplicates` over all its streams."""

    def __init__(self, wait_ns: int) -> None:
        self.lost = 0
        self.late = 0
        self.duplicates = 0
        self._wait_ns = wait_ns
        self._next: int | None = None  # the number that is next in order, unwrapped; None before the first packet
        self._newest = 0  # the highest number that has come
        self._newest_ns = 0  # when
        self._held: dict[int, Item] = {}
        self._gaps: dict[int, _Gap] = {}  # in ascending order
        self._given_up: dict[int, int] = {}  # lost numbers, the oldest first, and when they were discovered
        self._worth = 1.0  # the share of gaps, smoothed, that are filled within wait_ns of their discovery
        self._judged_ns = -1  # the newest discovery that counted
        self._answer_ns = FIRST_ASK_NS * 4 // 5  # how long that takes, smoothed
        self._late_run = 0
        self._skipped = 0  # given up since the last one that went on

    def restart(self) -> None:
        """The next packet begins another numbering. What is held must have been taken out by `flush`."""
        self._next = None
        self._held.clear()
        self._gaps.clear()
        self._given_up.clear()
        self._late_run = 0

    def wild(self, sequence: int) -> bool:
        """Is this no packet of the numbering in force? Then the caller flushes and restarts."""
        if self._next is None:
            return False
        step = unwrap_sequence(sequence, self._next) - self._next
        return abs(step) > WILD or (step < 0 and self._late_run >= LATE_RUN)

    @property
    def newest(self) -> int | None:
        """The highest sequence of this numbering so far, 16 bits; None before the first."""
        return None if self._next is None else self._newest & 0xFFFF

    def missing(self, sequence: int) -> bool:
        """Would this one (16 bits) fill a gap, or be new? For what is recovered out of another packet."""
        return self._next is not None and (number := unwrap_sequence(sequence, self._next)) >= self._next and number not in self._held

    def put(self, sequence: int, item: Item, now_ns: int) -> list[Ordered[Item]]:
        """Take one packet (16-bit sequence) in; what may go on now, in order."""
        if self._next is None:
            self._next, self._newest = sequence, sequence - 1
        number = unwrap_sequence(sequence, self._next)
        if number == self._next and not self._held:
            self._newest, self._newest_ns = number, now_ns
            self._next += 1
            self._late_run = 0
            return [Ordered(0, item)]
        if number < self._next or number in self._held:
            self._count_useless(number, now_ns)
            return []
        self._late_run = 0
        self._held[number] = item
        reach = SPAN - 1
        if number <= self._newest:
            gap = self._gaps.pop(number, None)
            if gap is not None:
                self._judge(gap.since_ns, now_ns)
        else:
            reach = self._reach(number, now_ns)
            for missing in range(max(self._newest + 1, number - reach), number):
                self._gaps[missing] = _Gap(now_ns, now_ns, 0)
            self._newest, self._newest_ns = number, now_ns
        return self._run(number - reach)

    def _reach(self, number: int, now_ns: int) -> int:
        """How far before the newest packet a gap is worth asking: after an outage its share of FRESH_NS, sent at an even pace."""
        outage_ns = now_ns - self._newest_ns
        if outage_ns <= FRESH_NS:
            return SPAN - 1
        return min(max((number - self._newest) * FRESH_NS // outage_ns, FRESH), SPAN - 1)

    def expire(self, now_ns: int) -> list[Ordered[Item]]:
        """Give up what has been waited for long enough; what may go on then."""
        wait_ns = self.wait_ns
        return self._run(next((number for number, gap in self._gaps.items() if gap.since_ns + wait_ns > now_ns), None))

    def flush(self) -> list[Ordered[Item]]:
        """Wait for nothing any more."""
        return self._run(None)

    @property
    def wait_ns(self) -> int:
        """How long a gap is waited for at present."""
        return self._wait_ns if self._worth >= WORTH else min(self._wait_ns, BRIEF_NS)

    def wanted(self, now_ns: int) -> list[int]:
        """The 16-bit sequences to ask the sender for now. Each is handed out a few times at most, an answer's time apart."""
        pause_ns = min(max(self._answer_ns * 5 // 4, SOONEST_ASK_NS), LATEST_ASK_NS)
        due = [(number, gap) for number, gap in self._gaps.items() if gap.ask_ns <= now_ns and gap.asked < MOST_ASKS]
        for number, gap in due:
            self._gaps[number] = _Gap(gap.since_ns, now_ns + pause_ns, gap.asked + 1)
        return [number & 0xFFFF for number, _ in due]

    def deadline_ns(self, asking: bool) -> int | None:
        """When `expire` or, if `asking`, `wanted` has something to do next."""
        if not self._gaps:
            return None
        deadlines = [next(iter(self._gaps.values())).since_ns + self.wait_ns]
        if asking:
            deadlines += [gap.ask_ns for gap in self._gaps.values() if gap.asked < MOST_ASKS]
        return min(deadlines)

    def _run(self, keep_from: int | None) -> list[Ordered[Item]]:
        """Let go what is in order, and give up gaps before `keep_from` (None: all of them)."""
        out: list[Ordered[Item]] = []
        while self._held and self._next is not None:
            item = self._held.pop(self._next, None)
            if item is not None:
                out.append(Ordered(self._skipped, item))
                self._skipped = 0
                self._next += 1
                continue
            first = min(self._held)
            until = first if keep_from is None else min(first, keep_from)
            if until <= self._next:
                break
            self._give_up(self._next, until)
            self._next = until
        return out

    def _judge(self, since_ns: int, filled_ns: int | None) -> None:
        """What became of the packets that were missed at `since_ns`; the first of them speaks for all, a burst is one case."""
        if filled_ns is not None:
            self._answer_ns += (filled_ns - since_ns - self._answer_ns) // _FOLLOW
        if since_ns != self._judged_ns:
            self._judged_ns = since_ns
            self._worth += ((filled_ns is not None) - self._worth) / _FOLLOW

    def _give_up(self, number: int, until: int) -> None:
        """They are lost, from `number` up to, not including, `until`. However far a sender jumps, it is little work."""
        self.lost += until - number
        self._skipped += until - number
        missed = {each: gap.since_ns for each, gap in self._gaps.items() if each < until}
        for each, since_ns in missed.items():
            del self._gaps[each]
            self._judge(since_ns, None)
        self._given_up |= {each: missed.get(each, 0) for each in range(max(number, until - REMEMBERED), until)}
        for each in list(self._given_up)[:-REMEMBERED]:
            del self._given_up[each]

    def _count_useless(self, number: int, now_ns: int) -> None:
        self._late_run += 1
        since_ns = self._given_up.pop(number, None)
        if since_ns is None:
            self.duplicates += 1
            return
        self.late += 1
        if now_ns - since_ns <= self._wait_ns:  # it would have been worth it to wait: outweighs the giving up
            self._worth += 2 * (1 - self._worth) / _FOLLOW
