"""What the encoders of a broadcast are asked for as conditions change: how much loss to expect, and how long a packet lasts.

Pure policy: the caller passes the time. Packet time (SDP `ptime`): the SDP answer asks for short packets or for nothing, depending
on the load at that time. From then on, usual packets are asked for as soon as the machine is crowded, and short ones only after
the machine could have carried short packets of all broadcasters for a long time.
"""

from collections.abc import Callable

from sfu.denoise.capacity import Capacity
from sfu.denoise.handover import Tuning
from sfu.fanout.fanout import Fanout
from sfu.ingest.ingest import Ingest
from sfu.wire.answer import BRIEF_MS

LOSS_STEPS = ((0.15, 20), (0.07, 10), (0.015, 5))  # (least share lost, percent to expect)
CALM_NS = 10_000_000_000  # after so long below half of a step's share, one step down
USUAL_MS = 20
PATIENCE_S = 60.0  # of free capacity before short packets are asked for; doubled each time they had to be given up
MAX_PATIENCE_S = 3600.0
REPEAT_S, MAX_REQUESTS = 10.0, 3  # a request that is not followed is repeated; some senders cannot follow it
_SAMPLES_PER_MS = 48
_LEAST_SHARE = {percent: share for share, percent in LOSS_STEPS} | {0: 0.0}


class Adaptation:
    """Adapts one broadcast. The broadcaster's encoder learns of loss from our receiver reports, the worker's from its settings."""

    def __init__(self, ingest: Ingest, fanout: Fanout, tuning: Tuning, capacity: Capacity, on_packet_time: Callable[[int], None]) -> None:
        """on_packet_time: called with the packet time in ms that the broadcaster shall use from now on."""
        self._ingest = ingest
        self._fanout = fanout
        self._tuning = tuning
        self._on_packet_time = on_packet_time
        self._expected_loss = ExpectedLoss()
        self._packet_time = PacketTime(capacity)

    def begin(self) -> None:
        """A new source speaks, with an SDP answer of its own."""
        self._packet_time.begin()

    def look_at_losses(self, now_ns: int) -> None:
        """Pass on the listeners' worst loss, which they report about once a second."""
        self._ingest.listener_loss = self._fanout.worst_loss(denoised=False)
        if self._expected_loss.hear(self._fanout.worst_loss(denoised=True), now_ns):
            self._tuning.expect_loss(self._expected_loss.percent)

    def look_at_load(self, now_ns: int) -> None:
        """Adapt the packet time to the machine's load. Called only while the broadcaster sends."""
        packet_ms = self._packet_time.look(now_ns / 1e9, self._ingest.samples)
        if packet_ms is not None:
            self._on_packet_time(packet_ms)


class ExpectedLoss:
    """The loss an encoder is told to expect: the listeners' worst, raised at once, lowered slowly. `percent` is 0, 5, 10 or 20.

    Each change makes an encoder switch its coding mode, so the value follows trends, not single reports.
    """

    def __init__(self) -> None:
        self.percent = 0
        self._calm_since_ns: int | None = None

    def hear(self, loss: float, now_ns: int) -> bool:
        """Take the worst share lost lately, in [0, 1]; called a few times a second. Returns True if `percent` has changed."""
        before = self.percent
        wanted = next((percent for share, percent in LOSS_STEPS if loss >= share), 0)
        if wanted > self.percent:
            self.percent = wanted
        if self.percent == 0 or loss >= _LEAST_SHARE[self.percent] / 2:
            self._calm_since_ns = None
        elif self._calm_since_ns is None:
            self._calm_since_ns = now_ns
        elif now_ns - self._calm_since_ns >= CALM_NS:
            self.percent, self._calm_since_ns = wanted, None
        return self.percent != before


class PacketTime:
    """Decides for one broadcast when its broadcaster is asked for another packet time."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._patience_s = PATIENCE_S
        self._spacious_since_s: float | None = None
        self._requested_ms: int | None = None  # of the present source
        self._requested_s = 0.0
        self._requests = 0

    def begin(self) -> None:
        """A new source speaks, with an SDP answer of its own."""
        self._requested_ms = None

    def look(self, now_s: float, samples: int) -> int | None:
        """Return the packet time in ms to ask for now, or None. samples: length of the newest packet at 48 kHz, 0 before the first."""
        wanted_ms = self._wanted_ms(now_s, samples)
        if wanted_ms is None and self._requested_ms == USUAL_MS and not self._capacity.crowded:
            self._requests = 0  # the next time it is crowded counts anew
        repeated = wanted_ms == self._requested_ms
        if wanted_ms is None or (repeated and (self._requests == MAX_REQUESTS or now_s - self._requested_s < REPEAT_S)):
            return None
        if not repeated:
            self._requests = 0
            if wanted_ms == USUAL_MS and self._requested_ms == BRIEF_MS:
                self._patience_s = min(2 * self._patience_s, MAX_PATIENCE_S)
        self._requested_ms, self._requested_s = wanted_ms, now_s
        self._requests += 1
        return wanted_ms

    def _wanted_ms(self, now_s: float, samples: int) -> int | None:
        """None: the packet time need not change."""
        usual = USUAL_MS * _SAMPLES_PER_MS
        if not self._capacity.spacious:
            self._spacious_since_s = None
            return USUAL_MS if 0 < samples < usual and self._capacity.crowded else None
        if self._spacious_since_s is None:
            self._spacious_since_s = now_s
        return BRIEF_MS if samples == usual and now_s - self._spacious_since_s >= self._patience_s else None
