"""One remote WebRTC end, from its offer to its close: what state it is in, when it is too late for it, and who is told."""

import asyncio
import enum
import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import get_args

from sfu.drop_counters import DropCounters
from sfu.errors import BadOffer
from sfu.net.media_port import MediaSockets
from sfu.peer.dtls import Certificate, fingerprint_of
from sfu.peer.transport import Transport, nothing
from sfu.wire import rtcp, rtp, sdp
from sfu.wire.answer import build_answer
from sfu.wire.candidates import UNUSED, Used, candidates, web_candidates
from sfu.wire.ice import Address
from sfu.wire.sdp_fragment import build_fragment, parse_fragment

logger = logging.getLogger(__name__)

CHECK_S = 10.0  # from the answer to the first Binding request
HANDSHAKE_S = 10.0  # from there to keys
SILENT_S = 15.0  # without a genuine datagram (RFC 7675 says 30 at most)

Places = Sequence[tuple[str, int]]  # (address, port), the best first
Candidates = Callable[[], tuple[Places, Places]]  # where we are to be reached now: at the media port, and at the web server's

_SECOND_NS = 1_000_000_000


class PeerState(enum.Enum):
    """waiting (for ICE) → shaking (hands) → up → gone (it left, or failed) → closed (by us, from anywhere)."""

    WAITING = "waiting"
    SHAKING = "shaking"
    UP = "up"
    GONE = "gone"
    CLOSED = "closed"


_NEXT = {
    PeerState.WAITING: {PeerState.SHAKING, PeerState.GONE, PeerState.CLOSED},
    PeerState.SHAKING: {PeerState.UP, PeerState.GONE, PeerState.CLOSED},
    PeerState.UP: {PeerState.GONE, PeerState.CLOSED},
    PeerState.GONE: {PeerState.CLOSED},
    PeerState.CLOSED: set[PeerState](),
}


class Peer:
    """Made by `make_peer`; owned by whoever holds it, who has to `close` it, also after `on_gone`. Owns its transport.

    The callbacks are plain attributes, set by the owner; they are called on the loop and must not raise:
    `on_rtp(packet, arrival_ns)` and `on_rtcp(packets)` with what is authentic, `on_up()` when media may flow,
    `on_moved()` when `address`, `fd` or both are new, `on_gone(reason)` once, with "closed" (close_notify), "silent" or
    "failed", `on_closing()` once, first thing in `close`: after it returns `tx` is freed.
    """

    def __init__(
        self,
        sockets: MediaSockets,
        certificate: Certificate,
        offer: sdp.Offer,
        kind: sdp.Kind,
        local: sdp.Local,
        owner: str = "",
        ledger: DropCounters | None = None,
        reached_at: Candidates | None = None,
    ) -> None:
        """reached_at: asked at each restart, for addresses change meanwhile; without it the answer's candidates stay."""
        self.id = secrets.token_urlsafe(18)
        self.owner = owner
        self.kind = kind
        self.audio = offer.audio
        self.on_up: Callable[[], None] = nothing
        self.on_moved: Callable[[], None] = nothing
        self.on_gone: Callable[[str], None] = nothing
        self.on_closing: Callable[[], None] = nothing
        self._state = PeerState.WAITING
        self._sockets = sockets
        self._offer = offer
        self._local = local
        self._reached_at = reached_at or (lambda: (local.candidates, local.by_web))
        self.transport = Transport(sockets, certificate, offer, self._reached, lambda: self.on_moved(), follows=kind == "publish")
        self.counters = self.transport.counters
        self._ledger = ledger or DropCounters()
        self._ledger.open(self.transport.dropped)
        self._reach = self.transport.reach
        self._reachable = asyncio.Event()
        self._began_ns = self.transport.last_heard_ns
        self.answer = build_answer(offer, kind, local, self._reach.credentials)
        self._closing: asyncio.Task[None] | None = None
        self._life = asyncio.get_running_loop().create_task(self._live(), name=f"peer {self.label}")

    # what the owner sees

    @property
    def label(self) -> str:
        """What logs call it: too little of `id` to be of use to anyone."""
        return self.id[:6]

    @property
    def up(self) -> bool:
        """Keys are there, and nothing has ended it."""
        return self._state is PeerState.UP

    @property
    def closed(self) -> bool:
        """It has left, or was made to."""
        return self._state in (PeerState.GONE, PeerState.CLOSED)

    @property
    def address(self) -> Address | None:
        """Where it is sent to; None before its first genuine Binding request."""
        path = self._reach.path
        return path.address if path else None

    @property
    def fd(self) -> int:
        """The socket that it is reached by; -1 before there is an address, and for a TCP connection."""
        path = self._reach.path
        return path.port.fd if path else -1

    @property
    def carrier(self) -> Callable[[bytes, Address], bool] | None:
        """How to send to it where that is not by `fd`: over its connection, which wants whole frames."""
        path = self._reach.path
        return path.port.send if path and path.port.fd < 0 else None

    @property
    def tx(self) -> object | None:
        """libsrtp's `srtp_t` for sending, a raw pointer, from on_up until on_closing; else None."""
        return self.transport.tx

    @property
    def last_heard_ns(self) -> int:
        """When a genuine datagram of it came last, by the sockets' clock."""
        return self.transport.last_heard_ns

    # media: it goes by the transport's own way, past the peer

    @property
    def on_rtp(self) -> Callable[[rtp.RtpPacket, int], None]:
        return self.transport.on_rtp

    @on_rtp.setter
    def on_rtp(self, hear: Callable[[rtp.RtpPacket, int], None]) -> None:
        self.transport.on_rtp = hear

    @property
    def on_rtcp(self) -> Callable[[list[rtcp.Rtcp]], None]:
        return self.transport.on_rtcp

    @on_rtcp.setter
    def on_rtcp(self, hear: Callable[[list[rtcp.Rtcp]], None]) -> None:
        self.transport.on_rtcp = hear

    def send_rtp(self, packet: bytes) -> None:
        """Encrypt and send now; lost, and counted, when that is not possible."""
        self.transport.send_rtp(packet)

    def send_rtcp(self, packet: bytes) -> None:
        """As `send_rtp`, for a compound RTCP packet."""
        self.transport.send_rtcp(packet)

    # ICE restarts

    @property
    def etag(self) -> str:
        """Of the newest ICE credentials."""
        return self._reach.etag

    def is_restart(self, fragment: str) -> bool:
        """Does the fragment bring new ICE credentials? Raises BadOffer when it is none."""
        parsed = parse_fragment(fragment)
        return parsed.ufrag is not None and parsed.password is not None and not self._reach.is_current(parsed.ufrag)

    def trickle(self, fragment: str) -> None:
        """Candidates are of no use to an ICE-lite end: this only checks the form. Raises BadOffer."""
        parse_fragment(fragment)

    def restart(self, fragment: str) -> str:
        """New credentials, new `etag`, the answer's fragment; media goes on meanwhile. Raises BadOffer without new credentials."""
        parsed = parse_fragment(fragment)
        if parsed.ufrag is None or parsed.password is None:
            raise BadOffer("a restart needs ice-ufrag and ice-pwd")
        self._reach.restart(parsed.ufrag)
        places, by_web = self._reached_at()
        self._local = replace(self._local, candidates=places, by_web=by_web)
        return build_fragment(self._offer, self._local, self._reach.credentials)

    # its life

    async def close(self) -> None:
        """Idempotent; returns when all is given back. close_notify is sent if there is anyone to hear it."""
        if self._closing is None:
            self._state = PeerState.CLOSED
            self.transport.stop()
            self.on_closing()
            self._closing = asyncio.get_running_loop().create_task(self._give_back(), name=f"closing {self.label}")
        await asyncio.shield(self._closing)

    async def _live(self) -> None:
        """ICE, then the handshake, then wait for close_notify. Cancelled when it is gone for another reason."""
        await self._reachable.wait()
        self._move(PeerState.SHAKING)
        if not await self.transport.handshake():
            self._go("failed")
            return
        self._move(PeerState.UP)
        logger.info("peer %s up: %s", self.label, self.kind)
        self.on_up()
        self.transport.begin()
        await self.transport.ended()
        self._go("closed")

    def _reached(self) -> None:
        self._began_ns = self.transport.last_heard_ns
        self._reachable.set()

    def _stop_living(self) -> None:
        self.transport.stop()
        if asyncio.current_task() is not self._life:
            self._life.cancel()

    async def _give_back(self) -> None:
        self._stop_living()
        await asyncio.wait({self._life})
        self._sockets.dismiss(self)
        await self.transport.close()
        self._ledger.settle(self.transport.dropped)
        got, way = self.counters, self.transport
        logger.info(
            "peer %s closed: %d packets in, %d out, %d replayed, %d forged, %d strange, %d malformed, %d unsent",
            *(self.label, got.received, got.sent, way.replayed, way.forged, way.strange, got.malformed, got.unsent),
        )

    def _move(self, state: PeerState) -> None:
        if state not in _NEXT[self._state]:
            raise RuntimeError(f"a peer does not go from {self._state.value} to {state.value}")
        self._state = state

    def _go(self, reason: str) -> None:
        """It is gone; told once, and nothing after it but on_closing."""
        if PeerState.GONE in _NEXT[self._state]:
            self._move(PeerState.GONE)
            self._stop_living()
            self.on_gone(reason)

    # what the sockets call

    @property
    def pending(self) -> bool:
        return self._state in (PeerState.WAITING, PeerState.SHAKING)

    def sweep(self, now_ns: int) -> None:
        """A second has passed: is it too late for something?"""
        awake_ns = self._sockets.awake.since_ns  # as the sockets have looked for all
        if self._state is PeerState.UP:
            if now_ns - max(self.transport.last_heard_ns, awake_ns) > SILENT_S * _SECOND_NS:
                self._go("silent")
            elif self._reach.elsewhere is not None:
                self.transport.look(now_ns)
        elif self.pending:
            limit_s = CHECK_S if self._state is PeerState.WAITING else HANDSHAKE_S
            if now_ns - max(self._began_ns, awake_ns) > limit_s * _SECOND_NS:
                self._go("failed")

    def give_up(self) -> None:
        self._go("failed")


def make_peer(
    sockets: MediaSockets,
    certificate: Certificate,
    offer: sdp.Offer,
    kind: sdp.Kind,
    *,
    announce: Callable[[], Sequence[str]] = tuple,
    used: Used = UNUSED,
    ssrc: int | None = None,
    over: Sequence[sdp.Over] = get_args(sdp.Over),
    owner: str = "",
    packet_ms: int | None = None,
    ledger: DropCounters | None = None,
) -> Peer:
    """Answer an offer; ICE and DTLS go on by themselves. Sync and fast; needs a running loop.

    announce: tells further addresses of ours, as text; used: how the client has reached the web server: those
    addresses are offered first; ssrc: what a listener will be sent; over: which candidates to offer, of those that there
    are; owner: whose share of the pending peers it is in;
    packet_ms: how much sound a broadcaster is asked to put into a packet; ledger: where it is counted what this peer drops.
    Names and addresses of a family that no socket has are left out.
    """

    def reached_at() -> tuple[Places, Places]:
        places = candidates(sockets.addresses, sockets.port, announce(), used.addresses)
        return places, web_candidates(places, sockets.addresses, sockets.web if "web" in over else (), used.port)

    places, by_web = reached_at()
    local = sdp.Local(
        session=secrets.randbits(62),
        fingerprint=sdp.Fingerprint(*fingerprint_of(certificate)),
        candidates=places,
        by_web=by_web,
        ssrc=ssrc if kind == "subscribe" else None,
        over=[each for each in sockets.protocols if each in over],
        packet_ms=packet_ms if kind == "publish" else None,
    )
    peer = Peer(sockets, certificate, offer, kind, local, owner, ledger, reached_at)
    sockets.admit(peer)
    return peer
