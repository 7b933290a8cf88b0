"""RTCP sender reports to the listeners: which wall-clock time an RTP time stamp stands for (RFC 3550 §6.4.1)."""

import heapq
import time
from collections.abc import Callable
from itertools import count

from sfu.fanout.listener import Listener
from sfu.wire import rtcp
from workers.link.ring import Flag, Packet

INTERVAL_NS = 5_000_000_000  # as browsers do for audio (RFC 3550 §6.2: five seconds at least)
FIRST_NS = 40_000_000  # after joining, two packets later
MOST_AFTER_ONE_PACKET = 8  # reports: listeners that joined together must not delay the audio
CNAME = "hushcast"  # as in our answers
_DRIFT_DIVISOR = 64  # the map moves by 1/64 of a packet's lateness, which is faster than any clock drifts
_NS_PER_S, _RATE_HZ = 1_000_000_000, 48_000


class SenderReports:
    """Which listener is due for a report, and the map from time stamps to this machine's clock. No timer: packets drive it."""

    def __init__(self, ssrc: int, base: int, wall_ns: Callable[[], int] = time.time_ns) -> None:
        self._ssrc = ssrc
        self._base = base
        self._cname = rtcp.build_cname(ssrc, CNAME)
        self._wall_ns = wall_ns
        self._due: list[tuple[int, int, Listener]] = []  # a heap
        self._ids = count()
        self._zero_ns: int | None = None  # when time 0 would have arrived, judged by the packets with the least delay

    def map_clock(self, packet: Packet) -> None:
        """Correct the map by an original's arrival. A packet that came earlier than the map says sets it at once: it had less
        delay. A later one moves it slowly."""
        zero_ns = packet.arrival_ns - packet.time * _NS_PER_S // _RATE_HZ
        known = self._zero_ns
        if known is None or zero_ns < known or packet.flags & Flag.JUMP:
            self._zero_ns = zero_ns
        else:
            self._zero_ns = known + (zero_ns - known) // _DRIFT_DIVISOR

    def add(self, listener: Listener, now_ns: int) -> None:
        """Report to it every five seconds, for the first time after `FIRST_NS`."""
        heapq.heappush(self._due, (now_ns + FIRST_NS, next(self._ids), listener))

    def remove(self, listener: Listener) -> None:
        """Idempotent."""
        self._due = [entry for entry in self._due if entry[2] is not listener]
        heapq.heapify(self._due)

    def send_due(self, now_ns: int) -> None:
        """Send the reports that are due, at most MOST_AFTER_ONE_PACKET."""
        due = self._due
        for _ in range(MOST_AFTER_ONE_PACKET):
            if not due or due[0][0] > now_ns:
                return
            _, identity, listener = heapq.heappop(due)
            self._report(listener, now_ns)
            heapq.heappush(due, (now_ns + INTERVAL_NS, identity, listener))

    def _report(self, listener: Listener, now_ns: int) -> None:
        counters = listener.counters
        if not counters.sent or self._zero_ns is None:
            return
        timestamp = (now_ns - self._zero_ns) * _RATE_HZ // _NS_PER_S + self._base
        report = rtcp.build_sender_report(self._ssrc, rtcp.ntp_of(self._wall_ns()), timestamp, counters.sent, counters.octets)
        listener.peer.send_rtcp(report + self._cname)
