"""Which packets waited in the socket while this process stood still. No loop and no clock: the caller brings the times."""

from sfu.ingest.timeline import samples_between
from sfu.wire.rtp import timestamp_step

STALE_SAMPLES = 9600  # 200 ms: a packet that waited longer would delay every listener by as much, for good


class Backlog:
    """Judges packets that arrive right after a standstill, by the pace that the sender's clock and ours had before it."""

    __slots__ = ("_reference",)

    def __init__(self) -> None:
        self._reference: tuple[int, int, int] | None = None  # the standstill's end; time stamp and arrival of the last packet before it

    def restart(self) -> None:
        """The next packet comes from another clock."""
        self._reference = None

    def is_stale(self, timestamp: int, arrival_ns: int, last: tuple[int, int] | None, standstill_ns: int) -> bool:
        """Whether a packet waited for more than STALE_SAMPLES. standstill_ns: when the last standstill ended.

        last: time stamp and arrival of the packet before; None where it is the first, of which nothing can be said.
        """
        if self._reference is None or self._reference[0] != standstill_ns:
            self._reference = None if last is None else (standstill_ns, *last)
        if self._reference is None:
            return False
        _, before, before_ns = self._reference
        return samples_between(before_ns, arrival_ns) - timestamp_step(timestamp, before) > STALE_SAMPLES
