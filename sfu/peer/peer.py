"""One remote WebRTC end, from its offer to its close: its state, its deadlines and the callbacks of its owner."""

import asyncio
import enum
import logging
import secrets
from collections.abc import Callable
from dataclasses import replace

from sfu.errors import BadOffer
from sfu.peer.endpoint import AnswerOptions, Endpoint
from sfu.peer.transport import Transport, nothing
from sfu.wire import rtcp, rtp, sdp
from sfu.wire.answer import build_answer
from sfu.wire.ice import Address
from sfu.wire.sdp_fragment import build_fragment, parse_fragment

logger = logging.getLogger(__name__)

CHECK_S = 10.0  # from the answer to the first Binding request
HANDSHAKE_S = 10.0  # from there to the keys
SILENT_S = 15.0  # without a genuine datagram (RFC 7675 says 30 at most)

DEFAULT_OPTIONS = AnswerOptions()
_SECOND_NS = 1_000_000_000


class PeerState(enum.Enum):
    """waiting (for ICE) → handshake (DTLS) → up → gone (left or failed); closed (by its owner) from any state."""

    WAITING = "waiting"
    HANDSHAKE = "handshake"
    UP = "up"
    GONE = "gone"
    CLOSED = "closed"


_NEXT = {
    PeerState.WAITING: {PeerState.HANDSHAKE, PeerState.GONE, PeerState.CLOSED},
    PeerState.HANDSHAKE: {PeerState.UP, PeerState.GONE, PeerState.CLOSED},
    PeerState.UP: {PeerState.GONE, PeerState.CLOSED},
    PeerState.GONE: {PeerState.CLOSED},
    PeerState.CLOSED: set[PeerState](),
}


class Peer:
    """Made by `make_peer`, whose caller owns it and has to `close` it, also after `on_gone`. Owns its transport.

    The callbacks are plain attributes, set by the owner; they are called on the loop and must not raise:
    `on_rtp(packet, arrival_ns)` and `on_rtcp(packets)` with authentic packets, `on_up()` when media may flow,
    `on_moved()` when `address` or `fd` has changed, `on_gone(reason)` once, with "closed" (close_notify), "silent" or
    "failed", `on_closing()` once, at the beginning of `close`: after it returns `tx` is freed.
    """

    def __init__(self, endpoint: Endpoint, offer: sdp.Offer, kind: sdp.Kind, options: AnswerOptions) -> None:
        self.id = secrets.token_urlsafe(18)
        self.owner = options.owner
        self.kind = kind
        self.audio = offer.audio
        self.on_up: Callable[[], None] = nothing
        self.on_moved: Callable[[], None] = nothing
        self.on_gone: Callable[[str], None] = nothing
        self.on_closing: Callable[[], None] = nothing
        self._state = PeerState.WAITING
        self._endpoint, self._options = endpoint, options
        self._offer = offer
        self._local = endpoint.description(kind, options)
        sockets, certificate = endpoint.sockets, endpoint.certificate
        self.transport = Transport(sockets, certificate, offer, self._on_reached, lambda: self.on_moved(), follows=kind == "publish")
        self.counters = self.transport.counters
        endpoint.drop_counters.add(self.transport.dropped)
        self._ice = self.transport.ice
        self._reachable = asyncio.Event()
        self._began_ns = self.transport.last_heard_ns
        self.answer = build_answer(offer, kind, self._local, self._ice.credentials)
        self._closing: asyncio.Task[None] | None = None
        self._running = asyncio.get_running_loop().create_task(self._run(), name=f"peer {self.label}")

    # what the owner sees

    @property
    def label(self) -> str:
        """Its name in logs: too short a part of `id`, which is a secret, to be of use."""
        return self.id[:6]

    @property
    def up(self) -> bool:
        """Whether media may flow: the handshake is done, and nothing has ended the peer."""
        return self._state is PeerState.UP

    @property
    def closed(self) -> bool:
        """Whether it has left, failed, or was closed."""
        return self._state in (PeerState.GONE, PeerState.CLOSED)

    @property
    def address(self) -> Address | None:
        """The remote address of the selected pair; None before the first genuine Binding request."""
        pair = self._ice.selected
        return pair.address if pair else None

    @property
    def fd(self) -> int:
        """The descriptor of the selected pair's UDP socket; -1 for a TCP connection, and before there is a pair."""
        pair = self._ice.selected
        return pair.local.fd if pair else -1

    @property
    def carrier(self) -> Callable[[bytes, Address], bool] | None:
        """Sends over the selected pair's TCP connection, which frames datagrams; None where `fd` is used."""
        pair = self._ice.selected
        return pair.local.send if pair and pair.local.fd < 0 else None

    @property
    def tx(self) -> object | None:
        """libsrtp's `srtp_t` for sending, a raw pointer, from on_up until on_closing; else None."""
        return self.transport.tx

    @property
    def last_heard_ns(self) -> int:
        """When the last genuine datagram came, by the sockets' clock."""
        return self.transport.last_heard_ns

    # media, which passes between transport and owner without a call of the peer

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
        """Encrypt and send now; dropped and counted where that is not possible."""
        self.transport.send_rtp(packet)

    def send_rtcp(self, packet: bytes) -> None:
        """As `send_rtp`, for a compound RTCP packet."""
        self.transport.send_rtcp(packet)

    # ICE restarts

    @property
    def etag(self) -> str:
        """Of the newest ICE credentials."""
        return self._ice.etag

    def is_restart(self, fragment: str) -> bool:
        """Whether the fragment has new ICE credentials. Raises BadOffer where it is malformed."""
        parsed = parse_fragment(fragment)
        return parsed.ufrag is not None and parsed.password is not None and not self._ice.is_current(parsed.ufrag)

    def trickle(self, fragment: str) -> None:
        """Check the form of a fragment; its candidates are ignored, as an ICE-lite end needs none. Raises BadOffer."""
        parse_fragment(fragment)

    def restart(self, fragment: str) -> str:
        """Restart ICE: new credentials and `etag`. Returns the answer's fragment; media continues. Raises BadOffer without credentials."""
        parsed = parse_fragment(fragment)
        if parsed.ufrag is None or parsed.password is None:
            raise BadOffer("a restart needs ice-ufrag and ice-pwd")
        self._ice.restart(parsed.ufrag)
        ours, by_web = self._endpoint.candidates(self._options)  # the machine's addresses may have changed meanwhile
        self._local = replace(self._local, candidates=ours, by_web=by_web)
        return build_fragment(self._offer, self._local, self._ice.credentials)

    # its life

    async def close(self) -> None:
        """End the peer, with close_notify after a handshake; returns when everything is freed. Idempotent."""
        if self._closing is None:
            self._state = PeerState.CLOSED
            self.transport.stop()
            self.on_closing()
            self._closing = asyncio.get_running_loop().create_task(self._free(), name=f"closing {self.label}")
        await asyncio.shield(self._closing)

    async def _run(self) -> None:
        """Wait for ICE, shake hands, then wait for close_notify. Cancelled where the peer ends for another reason."""
        await self._reachable.wait()
        self._move(PeerState.HANDSHAKE)
        if not await self.transport.handshake():
            self._become_gone("failed")
            return
        self._move(PeerState.UP)
        logger.info("peer %s up: %s", self.label, self.kind)
        self.on_up()
        self.transport.begin()
        await self.transport.ended()
        self._become_gone("closed")

    def _on_reached(self) -> None:
        self._began_ns = self.transport.last_heard_ns
        self._reachable.set()

    def _stop(self) -> None:
        self.transport.stop()
        if asyncio.current_task() is not self._running:
            self._running.cancel()

    async def _free(self) -> None:
        self._stop()
        await asyncio.wait({self._running})
        self._endpoint.sockets.dismiss(self)
        await self.transport.close()
        self._endpoint.drop_counters.retire(self.transport.dropped)
        got, transport = self.counters, self.transport
        logger.info(
            "peer %s closed: %d packets in, %d out, %d replayed, %d forged, %d strange, %d malformed, %d unsent",
            *(self.label, got.received, got.sent, transport.replayed, transport.forged, transport.strange, got.malformed, got.unsent),
        )

    def _move(self, state: PeerState) -> None:
        if state not in _NEXT[self._state]:
            raise RuntimeError(f"a peer does not go from {self._state.value} to {state.value}")
        self._state = state

    def _become_gone(self, reason: str) -> None:
        """Become gone, and say so once; after this only on_closing is called."""
        if PeerState.GONE in _NEXT[self._state]:
            self._move(PeerState.GONE)
            self._stop()
            self.on_gone(reason)

    # called by the sockets

    @property
    def pending(self) -> bool:
        return self._state in (PeerState.WAITING, PeerState.HANDSHAKE)

    def sweep(self, now_ns: int) -> None:
        """Called every second: end what has passed its deadline."""
        standstill_end_ns = self._endpoint.sockets.standstill.ended_ns  # the sockets have just checked
        if self._state is PeerState.UP:
            if now_ns - max(self.transport.last_heard_ns, standstill_end_ns) > SILENT_S * _SECOND_NS:
                self._become_gone("silent")
            elif self._ice.other is not None:
                self.transport.reselect(now_ns)
        elif self.pending:
            limit_s = CHECK_S if self._state is PeerState.WAITING else HANDSHAKE_S
            if now_ns - max(self._began_ns, standstill_end_ns) > limit_s * _SECOND_NS:
                self._become_gone("failed")

    def give_up(self) -> None:
        self._become_gone("failed")


def make_peer(endpoint: Endpoint, offer: sdp.Offer, kind: sdp.Kind, options: AnswerOptions = DEFAULT_OPTIONS) -> Peer:
    """Answer an offer; ICE and DTLS go on by themselves. Never waits; needs a running loop."""
    peer = Peer(endpoint, offer, kind, options)
    endpoint.sockets.admit(peer)
    return peer
