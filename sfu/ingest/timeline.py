"""The broadcast's one time line: every publisher's RTP clock is laid on it by arrival, and then trusted."""

from sfu.wire.rtp import unwrap_timestamp

RATE_HZ = 48_000
GRID = 960  # mappings start on whole 20 ms, so that a listener's and a model's frames stay where they were
SNAP = 120  # samples that a time stamp may be off the end of the packet before: senders that round, not silence
COVER = RATE_HZ  # samples: nothing contradicts a claim that came a second ago, or a clock that stands still would be silence
PATIENCE = 480_000  # samples (10 s) that an RTP clock may be away from the wall clock before arrival wins
DRIFT = 2000  # one sample in so many is the most that honest clocks drift apart; what is more was made up
_NS_PER_S = 1_000_000_000


class Timeline:
    """Turns RTP time stamps, in order of sending, into samples since the broadcast's first packet.

    Within one mapping the RTP clock is right, but for a rounding of 2.5 ms. A new mapping is made by `remap` (new SSRC,
    new peer, other payload type), by a clock that runs away from arrival by more than ten seconds, and by one that steps
    back: the packet is put where its arrival says, rounded to 960, never before the end of what was there. A packet that
    claims to be longer than the one before it, and is contradicted by what follows, was rubbish: its claim is filled, for it
    has gone on, and what falls into it is `covered`, so that nothing after it is shifted for good.
    """

    def __init__(self) -> None:
        self._mapped = False
        self._begun = False
        self._near = 0  # the RTP time of the packet last placed, unwrapped
        self._shift = 0  # broadcast time = RTP time + shift
        self._base_time = 0  # what time arrival said when this mapping began
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
        """Before the first packet: the time line has come to `time` now, and goes on as one whose source is away."""
        self._begun = True
        self._last_time = self._base_time = self.end = time
        self._last_ns = self._base_ns = now_ns

    def remap(self) -> None:
        """The next packet comes from another clock."""
        self._mapped = False

    def covered(self, timestamp: int, arrival_ns: int) -> bool:
        """Whether the next packet belongs into the claim of the last, which was not true then; it has no place."""
        if not (self._mapped and self._longer) or samples_between(self._last_ns, arrival_ns) > COVER:
            return False
        time = unwrap_timestamp(timestamp, self._near) + self._shift
        return self._last_time + SNAP < time < self.end - SNAP

    def place(self, timestamp: int, samples: int, arrival_ns: int) -> tuple[int, bool]:
        """The time of the next packet, and whether the time line jumped before it (never at the very first)."""
        jumped, before = self._begun, self.samples
        if self._mapped:
            self._near = unwrap_timestamp(timestamp, self._near)
            time = self._near + self._shift
            if abs(time - self.end) <= SNAP:
                time = self.end
            if time >= self.end and abs(time - self._base_time - samples_between(self._base_ns, arrival_ns)) <= PATIENCE:
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
            time = max(round(elapsed / GRID) * GRID, -(-self.end // GRID) * GRID)
            base = min(time, self._base_time + since_base + since_base // DRIFT)  # nobody gets ahead ten seconds at a time
        self._mapped = self._begun = True
        self._near, self._shift = timestamp, time - timestamp
        self._base_time, self._base_ns = base, arrival_ns
        return time


def samples_between(earlier_ns: int, later_ns: int) -> int:
    """Samples at 48 kHz from one moment of time.monotonic_ns() to another."""
    return (later_ns - earlier_ns) * RATE_HZ // _NS_PER_S
