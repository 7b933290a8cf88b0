"""One listener as the fan-out sees it: a peer, what it wants to hear, and what it says of what it got."""

from enum import Enum

from sfu.batch import Slot, Tally
from sfu.peer import Peer
from sfu.rtcp import Report

RESENDS_A_SECOND = 128  # packets sent again to one listener; what it asks for beyond is dropped and counted
REPORT_KEEPS_NS = 6_000_000_000  # a report older than this says nothing of now
_SECOND_NS = 1_000_000_000


class Line(Enum):
    """What is sent: the held three are numbered and timed alike, PROMPT runs ahead of them by the hold."""

    PROMPT = "prompt"  # originals as they come, for those who asked for `original` from the start
    AUTO = "auto"
    DENOISED = "denoised"
    ORIGINAL = "original"


class Listener:
    """Made by the broadcast, let in and out by the fan-out, which owns the slot. variant: auto, denoised or original."""

    def __init__(self, peer: Peer, variant: str, *, name: str = "") -> None:
        self.peer = peer
        self.name = name
        self.variant = variant
        self.line = Line.PROMPT if variant == "original" else Line(variant)
        self.half = 0  # 0 or 32768: the half of the sequence circle that its group is in; never changes once it has joined
        self.slot: Slot | None = None  # from join to leave
        self.since = 0  # the first number that its present group sent it
        self.loss = 0.0  # share lost on the way to it, in [0, 1], by its last report
        self.jitter_ms = 0.0
        self.resent = 0
        self.unasked = 0  # resends refused: too many, too old, or never sent to it
        self._tally = Tally()
        self._reported_ns: int | None = None
        self._resends_left = RESENDS_A_SECOND
        self._refilled_ns = 0

    @property
    def tally(self) -> Tally:
        """What was sent to it and what was dropped, also after it has left."""
        return self.slot.tally if self.slot is not None else self._tally

    @property
    def sent(self) -> int:
        return self.tally.sent

    @property
    def dropped(self) -> int:
        return self.tally.dropped

    def give_back(self) -> None:
        """Its slot is free again. Idempotent."""
        if self.slot is not None:
            self.slot.give_back()
            self._tally, self.slot = self.slot.tally, None

    def hear(self, report: Report, now_ns: int) -> None:
        """A receiver report about our stream."""
        self.loss = report.fraction_lost / 256
        self.jitter_ms = report.jitter / 48
        self._reported_ns = now_ns

    def loss_at(self, now_ns: int) -> float:
        """What it lost lately; 0.0 when it has not reported for a while."""
        return self.loss if self._reported_ns is not None and now_ns - self._reported_ns < REPORT_KEEPS_NS else 0.0

    def may_resend(self, now_ns: int) -> bool:
        """Take one resend off this second's allowance."""
        if now_ns - self._refilled_ns >= _SECOND_NS:
            self._refilled_ns, self._resends_left = now_ns, RESENDS_A_SECOND
        self._resends_left -= 1
        return self._resends_left >= 0
