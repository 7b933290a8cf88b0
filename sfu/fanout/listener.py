"""One listener as the fan-out sees it: its peer, the variant that it hears, and what its receiver reports say."""

from enum import Enum

from sfu.fanout.recipients import Recipient, SendCounters
from sfu.peer.peer import Peer
from sfu.wire.rtcp import Report

RESENDS_A_SECOND = 128  # packets sent again to one listener; what it asks for beyond is refused and counted
REPORT_VALID_NS = 6_000_000_000  # an older report says nothing about the present
LOSS_WINDOW_NS = 2_000_000_000  # browsers report with every NACK, on a handful of packets each: only a mean is meaningful
HEAVY_LOSS = 0.05  # above it each packet brings HEAVY_REDUNDANCY earlier ones (RED); below half of it, one again
HEAVY_REDUNDANCY = 2
LOSSLESS_NS = 60_000_000_000  # after so long without loss packets bring no earlier ones
_SECOND_NS = 1_000_000_000


class Line(Enum):
    """A stream of packets. The three held lines have the same numbers and times; PROMPT runs ahead of them by the hold."""

    PROMPT = "prompt"  # originals without delay, for those who asked for `original` when they joined
    AUTO = "auto"
    DENOISED = "denoised"
    ORIGINAL = "original"


class Listener:
    """Made by the broadcast. The fan-out owns its `recipient`, from join to leave. variant: auto, denoised or original."""

    def __init__(self, peer: Peer, variant: str, *, name: str = "") -> None:
        self.peer = peer
        self.name = name
        self.variant = variant
        self.line = Line.PROMPT if variant == "original" else Line(variant)
        self.sequence_offset = 0  # 0 or 32768, added to a packet's number; fixed when it joins
        self.recipient: Recipient | None = None
        self.loss = 0.0  # share of packets lost on the way to it, in [0, 1], from the reports of the last seconds
        self.jitter_ms = 0.0
        self.redundancy = 1 if self.uses_red else 0  # how many earlier packets each packet brings, from 0 to HEAVY_REDUNDANCY
        self._counters = SendCounters()
        self._reported_ns: int | None = None
        self._lossless_since_ns: int | None = None
        self._resends_left = RESENDS_A_SECOND
        self._refilled_ns = 0

    @property
    def person(self) -> bool:
        """Whether it is a user; False for the user of a listen link."""
        return ":" not in self.name

    @property
    def uses_red(self) -> bool:
        """Whether it negotiated RED. In-band FEC then gives it nothing: it comes in the same packet as RED's copy."""
        return self.peer.audio.red_pt is not None

    @property
    def counters(self) -> SendCounters:
        """What was sent to it and what was dropped, also after it has left."""
        return self.recipient.counters if self.recipient is not None else self._counters

    @property
    def sent(self) -> int:
        return self.counters.sent

    @property
    def dropped(self) -> int:
        return self.counters.dropped

    def detach(self) -> None:
        """Close its recipient and keep the counters. Idempotent."""
        if self.recipient is not None:
            self.recipient.close()
            self._counters, self.recipient = self.recipient.counters, None

    def take_report(self, report: Report, now_ns: int) -> None:
        """A receiver report about our stream: update loss, jitter and redundancy."""
        reported = report.fraction_lost / 256
        covered_ns = now_ns - self._reported_ns if self._reported_ns is not None else LOSS_WINDOW_NS
        self.loss += (reported - self.loss) * min(covered_ns / LOSS_WINDOW_NS, 1.0)
        self.jitter_ms = report.jitter / 48
        self._reported_ns = now_ns
        if self._lossless_since_ns is None or reported > 0:
            self._lossless_since_ns = now_ns
        if self.uses_red:
            self.redundancy = self._redundancy_for(self.loss, now_ns - self._lossless_since_ns)

    def _redundancy_for(self, loss: float, lossless_ns: int) -> int:
        if loss > HEAVY_LOSS or (self.redundancy == HEAVY_REDUNDANCY and loss > HEAVY_LOSS / 2):
            return HEAVY_REDUNDANCY
        return 1 if lossless_ns == 0 or (self.redundancy and lossless_ns < LOSSLESS_NS) else 0

    def loss_at(self, now_ns: int) -> float:
        """`loss`, or 0.0 if it has not reported for a while."""
        return self.loss if self._reported_ns is not None and now_ns - self._reported_ns < REPORT_VALID_NS else 0.0

    def may_resend(self, now_ns: int) -> bool:
        """Take one packet off this second's allowance; False if none is left."""
        if now_ns - self._refilled_ns >= _SECOND_NS:
            self._refilled_ns, self._resends_left = now_ns, RESENDS_A_SECOND
        self._resends_left -= 1
        return self._resends_left >= 0
