"""The source of a broadcast: the peer that sends, and the waiting peers, whose offers were answered."""

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

WAITING_PEERS = 4  # of one broadcaster, whose first packet has not come yet; beyond that the oldest is discarded
SUPERSEDED = 8  # replaced peers whose DELETE is still accepted
UNHEARD_S = 6.0  # after so long without a valid datagram the source has left
NO_MEDIA_S = 10.0  # after so long an offer or a reservation without media is freed


class WaitingPeer(NamedTuple):
    """A peer whose offer was answered and whose first packet has not come yet."""

    peer: Peer
    options: PublishOptions
    since_s: float  # monotonic


class SourceCalls(NamedTuple):
    """What a source calls."""

    forget: Callable[[str], None]  # with the id of a peer that is gone for good
    later: Callable[[Coroutine[None, None, None]], None]  # to run what takes time
    spoken: Callable[[PublishOptions], None]  # another peer is the source from now on, its first packet follows
    media: Callable[[RtpPacket, int], None]  # with each packet after that one
    left: Callable[[], None]  # the source sends no more


class Source:
    """Owns the broadcaster's peers, from `offer` to their end. One of them is the source: ingest gets its packets.

    A waiting peer takes over with its first authenticated packet of negotiated Opus, and changes nothing before. `over` is set when
    there was no source and no waiting peer is left; once it is set, no waiting peer takes over.
    """

    def __init__(
        self,
        label: str,
        ingest: Ingest,
        over: asyncio.Event,
        calls: SourceCalls,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.peer: Peer | None = None  # the source, or the last one
        self._label = label
        self._ingest = ingest
        self._over = over
        self._calls = calls
        self._clock_ns = clock_ns
        self._waiting: dict[str, WaitingPeer] = {}
        self._superseded: deque[str] = deque()  # replaced peers whose DELETE is still accepted
        self._since_s = self._clock_ns() / 1e9
        self._begun = False  # there was a source, perhaps in the last run of the server
        self._before = ""  # the id of that one

    def restore(self, peer_id: str) -> None:
        """The source of the last run of the server is gone, but its DELETE is still accepted."""
        self._begun, self._before = True, peer_id

    @property
    def speaker(self) -> str:
        """The id of the present or last source, in this run of the server or the one before; "" for none."""
        return self._before if self.peer is None else self.peer.id

    async def close(self) -> None:
        """Close all peers."""
        peers = [each.peer for each in self._waiting.values()]
        if self.peer is not None:
            peers.append(self.peer)
        self._waiting.clear()
        self._before, self.peer = self.speaker, None
        await asyncio.gather(*(peer.close() for peer in peers))

    def offer(self, peer: Peer, options: PublishOptions) -> None:
        """Add a waiting peer."""
        while len(self._waiting) >= WAITING_PEERS:
            self._discard(next(iter(self._waiting)))
        self._waiting[peer.id] = WaitingPeer(peer, options, self._clock_ns() / 1e9)
        peer.on_rtp = partial(self._first_packet, peer)
        peer.on_gone = partial(self._gone, peer)

    def withdraw(self, peer_id: str) -> bool:
        """Withdraw an offer. Returns True if it was the source's, or if there was no source and no waiting peer is left."""
        if peer_id and peer_id == self.speaker:
            return True
        self._discard(peer_id)
        return self._deserted

    def look(self, now_s: float, standstill_end_s: float = 0.0) -> None:
        """Remove silent peers. Called a few times a second. standstill_end_s: the end of the last standstill of this process."""
        if self.peer is not None and now_s - max(self.peer.last_heard_ns / 1e9, standstill_end_s) > UNHEARD_S:
            self._calls.left()
        for waiting in list(self._waiting.values()):
            if now_s - max(waiting.since_s, standstill_end_s) > NO_MEDIA_S:
                self._gone(waiting.peer, "without media")
        if self._deserted and now_s - max(self._since_s, standstill_end_s) > NO_MEDIA_S:
            self._over.set()

    @property
    def _deserted(self) -> bool:
        return not (self._begun or self._waiting)

    def _discard(self, peer_id: str) -> None:
        waiting = self._waiting.pop(peer_id, None)
        if waiting is not None:
            self._calls.forget(peer_id)
            self._calls.later(waiting.peer.close())

    def _first_packet(self, peer: Peer, packet: RtpPacket, arrival_ns: int) -> None:
        if self._over.is_set() or peer.id not in self._waiting:
            return  # it is being closed
        if not peer.audio.agreed(packet.payload_type):  # some clients send the video that the answer refused
            self._ingest.not_agreed += 1
            return
        waiting = self._waiting.pop(peer.id)
        self._supersede(peer)
        self._calls.spoken(waiting.options)
        self._ingest.receive(packet, arrival_ns)

    def _supersede(self, peer: Peer) -> None:
        """Make this peer the source and close the previous one."""
        old, superseded = self.peer, self.speaker
        self.peer, self._begun = peer, True
        self._ingest.attach(peer.audio, peer.send_rtcp)
        peer.on_rtp = self._calls.media
        peer.on_rtcp = self._ingest.rtcp
        if not superseded:
            return
        logger.info("%s: taken over", self._label)
        if old is not None:
            self._calls.later(old.close())
        self._superseded.append(superseded)
        if len(self._superseded) > SUPERSEDED:
            self._calls.forget(self._superseded.popleft())

    def _gone(self, peer: Peer, reason: str) -> None:
        logger.info("%s: broadcaster's peer %s", self._label, reason)
        if peer is self.peer:
            self._calls.left()
            self._calls.later(peer.close())
        self._discard(peer.id)
        if self._deserted:
            self._over.set()
