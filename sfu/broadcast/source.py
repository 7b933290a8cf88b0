"""Who speaks in a broadcast: one peer, and those whose offers wait beside it."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import NamedTuple

from sfu.broadcast.services import PublishOptions
from sfu.ingest.ingest import Ingest
from sfu.peer.peer import Peer
from sfu.wire.rtp import RtpPacket

logger = logging.getLogger(__name__)

CANDIDATES = 4  # offers of one broadcaster that wait for their first packet; the oldest makes room
SUPERSEDED = 8  # of the peers that were taken over so many are remembered
UNHEARD_S = 6.0  # the last valid datagram of who speaks is older: they have left
NO_MEDIA_S = 10.0  # an offer, or a reservation, without media is freed


class Candidate(NamedTuple):
    """An offer that was answered and has not been heard yet."""

    peer: Peer
    wish: PublishOptions
    since_s: float  # monotonic


class Source:
    """Owns the broadcaster's peers, from `offer` to their end. One of them speaks: the ingest gets what it sends.

    A candidate takes over with its first authenticated packet of Opus as agreed, and harms nobody before. `over` is set when
    nobody has spoken and nobody is left who might; once it is set, nobody begins to.
    """

    def __init__(
        self,
        label: str,
        ingest: Ingest,
        over: asyncio.Event,
        forget: Callable[[str], None],
        later: Callable[[Coroutine[None, None, None]], None],
        spoken: Callable[[PublishOptions], None],
        media: Callable[[RtpPacket, int], None],
        left: Callable[[], None],
    ) -> None:
        """forget: called with the id of a peer that is gone for good; later: has something done that takes time; spoken: another
        speaks from now on, its first packet follows; media: gets each packet after that one; left: who speaks does no more."""
        self.peer: Peer | None = None  # who speaks, or did last
        self._label = label
        self._ingest = ingest
        self._over = over
        self._forget = forget
        self._later = later
        self._spoken = spoken
        self._media = media
        self._left = left
        self._candidates: dict[str, Candidate] = {}
        self._superseded: deque[str] = deque()  # peers that were taken over, whose DELETE is still welcome
        self._since_s = time.monotonic()
        self._begun = False  # somebody has spoken, perhaps to the last run of the server
        self._before = ""  # the peer that did then

    def restore(self, peer_id: str) -> None:
        """Who spoke to the last run of the server is away, but its DELETE is still welcome."""
        self._begun, self._before = True, peer_id

    @property
    def speaker(self) -> str:
        """The id of the peer that speaks, or did last, to this run of the server or the one before; "" where there was none."""
        return self._before if self.peer is None else self.peer.id

    async def close(self) -> None:
        """All at once."""
        peers = [each.peer for each in self._candidates.values()]
        if self.peer is not None:
            peers.append(self.peer)
        self._candidates.clear()
        self._before, self.peer = self.speaker, None
        await asyncio.gather(*(peer.close() for peer in peers))

    def offer(self, peer: Peer, wish: PublishOptions) -> None:
        """A peer that may become the one that speaks."""
        while len(self._candidates) >= CANDIDATES:
            self._discard(next(iter(self._candidates)))
        self._candidates[peer.id] = Candidate(peer, wish, time.monotonic())
        peer.on_rtp = partial(self._first_packet, peer)
        peer.on_gone = partial(self._gone, peer)

    def withdraw(self, peer_id: str) -> bool:
        """Take back an offer. True: it is of who speaks, or nobody has spoken and nobody is left who might."""
        if peer_id and peer_id == self.speaker:
            return True
        self._discard(peer_id)
        return self._deserted

    def look(self, now_s: float, awake_s: float = 0.0) -> None:
        """Part with those who say nothing. To be called a few times a second. awake_s: the end of the last standstill."""
        if self.peer is not None and now_s - max(self.peer.last_heard_ns / 1e9, awake_s) > UNHEARD_S:
            self._left()
        for candidate in list(self._candidates.values()):
            if now_s - max(candidate.since_s, awake_s) > NO_MEDIA_S:
                self._gone(candidate.peer, "without media")
        if self._deserted and now_s - max(self._since_s, awake_s) > NO_MEDIA_S:
            self._over.set()

    @property
    def _deserted(self) -> bool:
        return not (self._begun or self._candidates)

    def _discard(self, peer_id: str) -> None:
        candidate = self._candidates.pop(peer_id, None)
        if candidate is not None:
            self._forget(peer_id)
            self._later(candidate.peer.close())

    def _first_packet(self, peer: Peer, packet: RtpPacket, arrival_ns: int) -> None:
        if self._over.is_set() or peer.id not in self._candidates:
            return  # it is being closed, with all others or to make room
        if not peer.audio.agreed(packet.payload_type):  # no voice: some send the video that we refused
            self._ingest.not_agreed += 1
            return
        candidate = self._candidates.pop(peer.id)
        self._supersede(peer)
        self._spoken(candidate.wish)
        self._ingest.receive(packet, arrival_ns)

    def _supersede(self, peer: Peer) -> None:
        """The ingest hears this one from now on; who spoke before is let go."""
        old, superseded = self.peer, self.speaker
        self.peer, self._begun = peer, True
        self._ingest.attach(peer.audio, peer.send_rtcp)
        peer.on_rtp = self._media
        peer.on_rtcp = self._ingest.rtcp
        if not superseded:
            return
        logger.info("%s: taken over", self._label)
        if old is not None:
            self._later(old.close())
        self._superseded.append(superseded)
        if len(self._superseded) > SUPERSEDED:
            self._forget(self._superseded.popleft())

    def _gone(self, peer: Peer, reason: str) -> None:
        logger.info("%s: broadcaster's peer %s", self._label, reason)
        if peer is self.peer:
            self._left()
            self._later(peer.close())
        self._discard(peer.id)
        if self._deserted:
            self._over.set()
