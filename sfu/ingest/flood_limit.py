"""How much sound a broadcaster may send: a token bucket (no loop, no clock), so that a flood costs its sender the excess packets only.

Without it every listener, the recording and the event loop would pay for a sender that claims more sound than time has passed.
"""

from sfu.ingest.timeline import RATE_HZ

SOUND_RATE = 2  # seconds of sound per second: twice as fast as real time
BURST_NS = 10_000_000_000  # of sound that may come at once, after a stall say


class FloodLimit:
    """The bucket holds nanoseconds of sound: full at the start, filled at SOUND_RATE, never above BURST_NS."""

    __slots__ = ("_credit_ns", "_credited_ns")

    def __init__(self) -> None:
        self._credit_ns = BURST_NS
        self._credited_ns = 0  # when `_credit_ns` was computed

    def admits(self, samples: int, now_ns: int) -> bool:
        """Take `samples` (48 kHz) out of the bucket; False, and nothing is taken, where it holds less."""
        lasts_ns = samples * 1_000_000_000 // RATE_HZ
        credit_ns = min(self._credit_ns + SOUND_RATE * (now_ns - self._credited_ns), BURST_NS)
        self._credited_ns = now_ns
        admits = credit_ns >= lasts_ns
        self._credit_ns = credit_ns - lasts_ns if admits else credit_ns
        return admits
