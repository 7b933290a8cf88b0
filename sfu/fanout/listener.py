"""One listener as the fan-out sees it: a peer, what it wants to hear, and what it says of what it got."""

from enum import Enum

from sfu.fanout.recipients import Recipient, Tally
from sfu.peer.peer import Peer
from sfu.wire.rtcp import Report

RESENDS_A_SECOND = 128  # packets sent again to one listener; what it asks for beyond is dropped and counted
REPORT_KEEPS_NS = 6_000_000_000  # a report older than this says nothing of now
LOSS_OVER_NS = 2_000_000_000  # browsers report with every NACK, of a handful of packets each: only the mean says something
HEAVY_LOSS = 0.05  # above it two earlier packets go along (RED), below half of it one again
CLEAN_NS = 60_000_000_000  # without any loss for so long, none goes along
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
        self.slot: Recipient | None = None  # from join to leave
        self.loss = 0.0  # share lost on the way to it, in [0, 1], by its reports of the last seconds
        self.jitter_ms = 0.0
        self.redundancy = 1 if self.repaired else 0  # earlier packets that go along with each, 0-2
        self.resent = 0
        self.unasked = 0  # resends refused: too many, too old, or never sent to it
        self._tally = Tally()
        self._reported_ns: int | None = None
        self._lossless_since_ns: int | None = None
        self._resends_left = RESENDS_A_SECOND
        self._refilled_ns = 0

    @property
    def person(self) -> bool:
        """Is it one, rather than whoever has a listen link?"""
        return ":" not in self.name

    @property
    def repaired(self) -> bool:
        """Does it take RED? Then in-band FEC, which comes with the same packet as RED's copy, is of no use to it."""
        return self.peer.audio.red_pt is not None

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
        told = report.fraction_lost / 256
        covered_ns = now_ns - self._reported_ns if self._reported_ns is not None else LOSS_OVER_NS
        self.loss += (told - self.loss) * min(covered_ns / LOSS_OVER_NS, 1.0)
        self.jitter_ms = report.jitter / 48
        self._reported_ns = now_ns
        if self._lossless_since_ns is None or told > 0:
            self._lossless_since_ns = now_ns
        if self.repaired:
            self.redundancy = self._redundancy_for(self.loss, now_ns - self._lossless_since_ns)

    def _redundancy_for(self, loss: float, lossless_ns: int) -> int:
        if loss > HEAVY_LOSS or (self.redundancy == 2 and loss > HEAVY_LOSS / 2):
            return 2
        return 1 if lossless_ns == 0 or (self.redundancy and lossless_ns < CLEAN_NS) else 0

    def loss_at(self, now_ns: int) -> float:
        """What it lost lately; 0.0 when it has not reported for a while."""
        return self.loss if self._reported_ns is not None and now_ns - self._reported_ns < REPORT_KEEPS_NS else 0.0

    def may_resend(self, now_ns: int) -> bool:
        """Take one resend off this second's allowance."""
        if now_ns - self._refilled_ns >= _SECOND_NS:
            self._refilled_ns, self._resends_left = now_ns, RESENDS_A_SECOND
        self._resends_left -= 1
        return self._resends_left >= 0
