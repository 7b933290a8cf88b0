"""Sender reports to the listeners: what the clock on the wall said when a time stamp was spoken."""

import heapq
import time
from collections.abc import Callable
from itertools import count

from sfu.fanout.listener import Listener
from sfu.wire import rtcp
from workers.link.ring import Flag, Packet

EVERY_NS = 5_000_000_000  # as browsers do for sound (RFC 3550 §6.2: five seconds at least)
FIRST_NS = 40_000_000  # after joining: two packets later
AT_ONCE = 8  # reports after one packet: a crowd that joined together does not hold the sound up
CNAME = "hushcast"  # as in our answers
_FOLLOW = 64  # share of a later arrival that the clock map follows: 1/64 a packet, which outruns any drift
_NS_PER_S, _RATE_HZ = 1_000_000_000, 48_000


class SenderReports:
    """Who is due for a report, and the map between broadcast time and arrival. No timer: reports go with packets."""

    def __init__(self, ssrc: int, base: int, wall_ns: Callable[[], int] = time.time_ns) -> None:
        self._ssrc = ssrc
        self._base = base
        self._cname = rtcp.build_cname(ssrc, CNAME)
        self._wall_ns = wall_ns
        self._due: list[tuple[int, int, Listener]] = []  # a heap
        self._ids = count()
        self._zero_ns: int | None = None  # when time 0 would have arrived, by the packets that came soonest

    def map(self, packet: Packet) -> None:
        """An original came in: with the soonest the map is right, later ones were only late."""
        zero_ns = packet.arrival_ns - packet.time * _NS_PER_S // _RATE_HZ
        known = self._zero_ns
        if known is None or zero_ns < known or packet.flags & Flag.JUMP:
            self._zero_ns = zero_ns
        else:
            self._zero_ns = known + (zero_ns - known) // _FOLLOW

    def add(self, listener: Listener, now_ns: int) -> None:
        """From soon on, every five seconds."""
        heapq.heappush(self._due, (now_ns + FIRST_NS, next(self._ids), listener))

    def remove(self, listener: Listener) -> None:
        """Idempotent."""
        self._due = [entry for entry in self._due if entry[2] is not listener]
        heapq.heapify(self._due)

    def send_due(self, now_ns: int) -> None:
        """Report to those whose turn it is, at most AT_ONCE."""
        due = self._due
        for _ in range(AT_ONCE):
            if not due or due[0][0] > now_ns:
                return
            _, identity, listener = heapq.heappop(due)
            self._report(listener, now_ns)
            heapq.heappush(due, (now_ns + EVERY_NS, identity, listener))

    def _report(self, listener: Listener, now_ns: int) -> None:
        tally = listener.tally
        if not tally.sent or self._zero_ns is None:
            return
        timestamp = (now_ns - self._zero_ns) * _RATE_HZ // _NS_PER_S + self._base
        report = rtcp.build_sender_report(self._ssrc, rtcp.ntp_of(self._wall_ns()), timestamp, tally.sent, tally.octets)
        listener.peer.send_rtcp(report + self._cname)
