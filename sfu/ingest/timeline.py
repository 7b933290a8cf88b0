"""The broadcast's one time line: a broadcaster's RTP clock is mapped to it by arrival time, and trusted from then on. No I/O, no clock."""

from sfu.wire.rtp import unwrap_timestamp

RATE_HZ = 48_000
MAPPING_GRID = 960  # 20 ms: so that the frames of listeners and models stay aligned
MAX_ROUNDING = 120  # samples (2.5 ms) between a time stamp and the end of the packet before that are rounding, not silence
CLAIM_LASTS = RATE_HZ  # samples (1 s) after which a packet's claimed duration hides nothing, or a clock that stands still would be silence
MAX_CLOCK_OFFSET = 480_000  # samples (10 s) between the RTP clock and arrival; beyond, the clock is mapped again
SAMPLES_PER_DRIFT = 2000  # honest clocks drift apart by at most one sample in so many
_NS_PER_S = 1_000_000_000


class Timeline:
    """Turns RTP time stamps, in the order of sending, into samples since the broadcast's first packet.

    Within one mapping the RTP clock decides, but for rounding of up to 2.5 ms. The clock is mapped anew after `remap` (another SSRC or
    peer), where it is more than ten seconds away from arrival, and where it steps back: that packet is placed by its arrival, rounded
    to 960, and never before the end of the packet before. A packet that claims to be longer than the one before it is malformed if the
    next one begins inside it. It has been delivered by then, so its claimed duration stays, and the packets inside it are `covered` and
    dropped: otherwise all that follows would be late by that duration.
    """

    def __init__(self) -> None:
        self._mapped = False
        self._begun = False
        self._near = 0  # the RTP time of the packet last placed, unwrapped
        self._shift = 0  # broadcast time = RTP time + shift
        self._base_time = 0  # the time by arrival when this mapping began
        self._base_ns = 0
        self._last_time = 0
        self._last_ns = 0
        self._longer = False  # the packet last placed claims to be longer than the one before it
        self.end = 0  # of the packet last placed

    @property
    def samples(self) -> int:
        """In the packet last placed; 0 before the first."""
        return self.end - self._last_time

    def resume(self, time: int, now_ns: int) -> None:
        """Before the first packet: the time line stands at `time` now, and continues with time passing, as without a source."""
        self._begun = True
        self._last_time = self._base_time = self.end = time
        self._last_ns = self._base_ns = now_ns

    def remap(self) -> None:
        """The next packet comes from another clock."""
        self._mapped = False

    def covered(self, timestamp: int, arrival_ns: int) -> bool:
        """Whether the next packet begins inside the claimed duration of the last one, and so has to be dropped."""
        if not (self._mapped and self._longer) or samples_between(self._last_ns, arrival_ns) > CLAIM_LASTS:
            return False
        time = unwrap_timestamp(timestamp, self._near) + self._shift
        return self._last_time + MAX_ROUNDING < time < self.end - MAX_ROUNDING

    def place(self, timestamp: int, samples: int, arrival_ns: int) -> tuple[int, bool]:
        """The time of the next packet, and whether the time line jumped before it (never at the very first)."""
        jumped, before = self._begun, self.samples
        if self._mapped:
            self._near = unwrap_timestamp(timestamp, self._near)
            time = self._near + self._shift
            if abs(time - self.end) <= MAX_ROUNDING:
                time = self.end
            if time >= self.end and abs(time - self._base_time - samples_between(self._base_ns, arrival_ns)) <= MAX_CLOCK_OFFSET:
                jumped = False
            else:
                self._mapped = False
        if not self._mapped:
            time = self._map(timestamp, arrival_ns)
        self._longer = not jumped and samples > before > 0
        self._last_time, self._last_ns, self.end = time, arrival_ns, time + samples
        return time, jumped

    def _map(self, timestamp: int, arrival_ns: int) -> int:
        time = base = 0
        if self._begun:
            since_base = samples_between(self._base_ns, arrival_ns)
            elapsed = self._last_time + samples_between(self._last_ns, arrival_ns)
            time = max(round(elapsed / MAPPING_GRID) * MAPPING_GRID, -(-self.end // MAPPING_GRID) * MAPPING_GRID)
            base = min(time, self._base_time + since_base + since_base // SAMPLES_PER_DRIFT)  # else each mapping could gain ten seconds
        self._mapped = self._begun = True
        self._near, self._shift = timestamp, time - timestamp
        self._base_time, self._base_ns = base, arrival_ns
        return time


def samples_between(earlier_ns: int, later_ns: int) -> int:
    """Samples at 48 kHz from one moment of time.monotonic_ns() to another."""
    return (later_ns - earlier_ns) * RATE_HZ // _NS_PER_S
