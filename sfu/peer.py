"""One remote WebRTC end, from its offer to its close: ICE-lite, DTLS and SRTP under one roof."""

import asyncio
import enum
import logging
import secrets
from collections.abc import Callable, Sequence

from sfu import ice, rtcp, rtp, sdp
from sfu.answer import build_answer
from sfu.candidates import candidates
from sfu.dtls import SHORTEST_PACKET, Certificate, Dtls, Srtp, fingerprint_of
from sfu.errors import BadOffer
from sfu.ice import Address
from sfu.paths import Path, Way
from sfu.reach import Asked, Reach
from sfu.trickle import build_fragment, parse_fragment
from sfu.udp import MediaSockets

logger = logging.getLogger(__name__)

CHECK_S = 10.0  # from the answer to the first Binding request
HANDSHAKE_S = 10.0  # from there to keys
SILENT_S = 15.0  # without a genuine datagram (RFC 7675 says 30 at most)
MOST_EARLY = 16  # packets that may come before the keys

_SECOND_NS = 1_000_000_000


class State(enum.Enum):
    """waiting (for ICE) → shaking (hands) → up → gone (it left, or failed) → closed (by us, from anywhere)."""

    WAITING = "waiting"
    SHAKING = "shaking"
    UP = "up"
    GONE = "gone"
    CLOSED = "closed"


_NEXT = {
    State.WAITING: {State.SHAKING, State.GONE, State.CLOSED},
    State.SHAKING: {State.UP, State.GONE, State.CLOSED},
    State.UP: {State.GONE, State.CLOSED},
    State.GONE: {State.CLOSED},
    State.CLOSED: set[State](),
}


class Counters:
    """What one peer sent and got, and what was lost here. Grows only."""

    __slots__ = ("early", "forged_stun", "malformed", "octets_sent", "received", "sent", "unsent")

    def __init__(self) -> None:
        self.received = 0  # authenticated RTP packets
        self.sent = self.octets_sent = 0  # by send_rtp and send_rtcp
        self.early = 0  # SRTP before there were keys, or after the end
        self.malformed = 0  # authentic, but not RTP or RTCP
        self.forged_stun = 0
        self.unsent = 0  # the kernel or libsrtp refused


def _nothing(*_: object) -> None:
    pass


class Peer:
    """Made by `make_peer`; owned by whoever holds it, who has to `close` it, also after `on_gone`.

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
        candidates: Sequence[tuple[str, int]],
        ssrc: int | None,
        over: Sequence[sdp.Protocol] = ("udp",),
        owner: str = "",
        packet_ms: int | None = None,
    ) -> None:
        self.id = secrets.token_urlsafe(18)
        self.owner = owner
        self.kind = kind
        self.audio = offer.audio
        self.counters = Counters()
        self.on_rtp: Callable[[rtp.RtpPacket, int], None] = _nothing
        self.on_rtcp: Callable[[list[rtcp.Rtcp]], None] = _nothing
        self.on_up: Callable[[], None] = _nothing
        self.on_moved: Callable[[], None] = _nothing
        self.on_gone: Callable[[str], None] = _nothing
        self.on_closing: Callable[[], None] = _nothing
        self._state = State.WAITING
        self._sockets = sockets
        self._offer = offer
        self._candidates = candidates
        self._ssrc = ssrc
        self._over = over
        self._packet_ms = packet_ms
        self._session = secrets.randbits(62)
        self._fingerprint = sdp.Fingerprint(*fingerprint_of(certificate))
        self._reach = Reach(sockets, self, offer.ufrag)
        self._reachable = asyncio.Event()
        self._srtp: Srtp | None = None
        self._dtls = Dtls(certificate, offer.fingerprints, active=offer.setup == "active", send=self._reach.send)
        self._began_ns = self.last_heard_ns = sockets.clock_ns()
        self.answer = build_answer(offer, kind, self._local())
        self._early: list[tuple[bytes, int]] = []
        self._closing: asyncio.Task[None] | None = None
        self._life = asyncio.get_running_loop().create_task(self._live(), name=f"peer {self.label}")

    # what the owner sees

    @property
    def label(self) -> str:
        """What logs call it: too little of `id` to be of use to anyone."""
        return self.id[:6]

    @property
    def etag(self) -> str:
        """Of the newest ICE credentials."""
        return self._reach.etag

    @property
    def up(self) -> bool:
        """Keys are there, and nothing has ended it."""
        return self._state is State.UP

    @property
    def closed(self) -> bool:
        """It has left, or was made to."""
        return self._state in (State.GONE, State.CLOSED)

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
        return self._srtp.tx if self._srtp else None

    @property
    def replayed(self) -> int:
        """SRTP packets that had been here before, or are too old to tell."""
        return self._srtp.replayed if self._srtp else 0

    @property
    def strange(self) -> int:
        """SRTP packets of one SSRC too many."""
        return self._srtp.strange if self._srtp else 0

    @property
    def forged(self) -> int:
        """SRTP packets that failed their check."""
        return self._srtp.forged if self._srtp else 0

    def send_rtp(self, packet: bytes) -> None:
        """Encrypt and send now; lost, and counted, when that is not possible."""
        self._send_protected(self._srtp.protect(packet) if self.up and self._srtp else None)

    def send_rtcp(self, packet: bytes) -> None:
        """As `send_rtp`, for a compound RTCP packet."""
        self._send_protected(self._srtp.protect_rtcp(packet) if self.up and self._srtp else None)

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
        return build_fragment(self._offer, self._local())

    async def close(self) -> None:
        """Idempotent; returns when all is given back. close_notify is sent if there is anyone to hear it."""
        if self._closing is None:
            self._state = State.CLOSED
            self.on_closing()
            self._closing = asyncio.get_running_loop().create_task(self._give_back(), name=f"closing {self.label}")
        await asyncio.shield(self._closing)

    # its life

    async def _live(self) -> None:
        """ICE, then the handshake, then wait for close_notify. Cancelled when it is gone for another reason."""
        await self._reachable.wait()
        self._move(State.SHAKING)
        srtp = await self._dtls.handshake()
        if srtp is None or self._state is not State.SHAKING:
            self._go("failed")
            return
        self._srtp = srtp
        self._move(State.UP)
        logger.info("peer %s up: %s", self.label, self.kind)
        self.on_up()
        early, self._early = self._early, []
        for datagram, arrival_ns in early:
            self.receive_srtp(datagram, arrival_ns)
        await self._dtls.closed()
        self._go("closed")

    def _stop_living(self) -> None:
        if self._srtp is None:
            self._dtls.abandon()
        if asyncio.current_task() is not self._life:
            self._life.cancel()

    async def _give_back(self) -> None:
        self._stop_living()
        await asyncio.wait({self._life})
        self._sockets.dismiss(self)
        self._reach.stop_answering()  # but for DTLS, which says goodbye
        await self._dtls.close()
        self._reach.close()
        got = self.counters
        logger.info(
            "peer %s closed: %d packets in, %d out, %d replayed, %d forged, %d strange, %d malformed, %d unsent",
            *(self.label, got.received, got.sent, self.replayed, self.forged, self.strange, got.malformed, got.unsent),
        )
        if self._srtp is not None:
            self._srtp.close()
            self._srtp = None

    def _move(self, state: State) -> None:
        if state not in _NEXT[self._state]:
            raise RuntimeError(f"a peer does not go from {self._state.value} to {state.value}")
        self._state = state

    def _go(self, reason: str) -> None:
        """It is gone; told once, and nothing after it but on_closing."""
        if State.GONE in _NEXT[self._state]:
            self._move(State.GONE)
            self._stop_living()
            self.on_gone(reason)

    # what the sockets call

    @property
    def pending(self) -> bool:
        return self._state in (State.WAITING, State.SHAKING)

    def sweep(self, now_ns: int) -> None:
        """A second has passed: is it too late for something?"""
        if self._state is State.UP:
            if now_ns - self.last_heard_ns > SILENT_S * _SECOND_NS:
                self._go("silent")
        elif self.pending:
            limit_s = CHECK_S if self._state is State.WAITING else HANDSHAKE_S
            if now_ns - self._began_ns > limit_s * _SECOND_NS:
                self._go("failed")

    def give_up(self) -> None:
        self._go("failed")

    def receive_stun(self, request: ice.Request, path: Path, arrival_ns: int) -> None:
        """A Binding request that names us. Only a genuine one is answered, or changes anything."""
        if self._state in (State.GONE, State.CLOSED):
            return
        asked = self._reach.asked(request, path)
        if asked is Asked.FORGED:
            self.counters.forged_stun += 1
        elif asked is not Asked.REFUSED:
            self.last_heard_ns = arrival_ns
            if asked is Asked.FIRST:
                self._began_ns = arrival_ns
                self._reachable.set()
            elif asked is Asked.MOVED:
                self.on_moved()

    def receive_consent(self, datagram: bytes, way: Way, address: Address, arrival_ns: int) -> bool:
        """A Binding request on the path in use, like the last one there. False, and nothing has happened: it has to be read."""
        if self._state in (State.GONE, State.CLOSED) or not self._reach.repeated(datagram, way, address):
            return False
        self.last_heard_ns = arrival_ns
        return True

    def receive_dtls(self, datagram: bytes) -> None:
        self._dtls.receive(datagram)

    def receive_srtp(self, datagram: bytes, arrival_ns: int) -> None:
        """One datagram, decrypted, parsed and handed on before this returns. Per packet: keep it lean."""
        srtp = self._srtp
        if srtp is None or self._state is not State.UP:
            self._keep(datagram, arrival_ns)
            return
        if len(datagram) < SHORTEST_PACKET:
            self.counters.malformed += 1
            return
        if 192 <= datagram[1] <= 223:
            self._receive_rtcp(srtp, datagram, arrival_ns)
            return
        plain = srtp.unprotect(datagram)
        if plain is None:
            return
        self.last_heard_ns = arrival_ns
        try:
            packet = rtp.parse(plain, self.audio.level_id)
        except ValueError:
            self.counters.malformed += 1
            return
        self.counters.received += 1
        self.on_rtp(packet, arrival_ns)

    def _keep(self, datagram: bytes, arrival_ns: int) -> None:
        """Media that overtook the end of the handshake waits for its keys; with nowhere to wait it is lost."""
        if self._state is State.SHAKING and len(self._early) < MOST_EARLY:
            self._early.append((datagram, arrival_ns))
        else:
            self.counters.early += 1

    def _receive_rtcp(self, srtp: Srtp, datagram: bytes, arrival_ns: int) -> None:
        plain = srtp.unprotect_rtcp(datagram)
        if plain is None:
            return
        self.last_heard_ns = arrival_ns
        try:
            packets = rtcp.parse(plain)
        except ValueError:
            self.counters.malformed += 1
            return
        if packets:
            self.on_rtcp(packets)

    # below

    def _local(self) -> sdp.Local:
        ufrag, password = self._reach.credentials
        return sdp.Local(
            self._session, ufrag, password, self._fingerprint, self._candidates, self._ssrc, over=self._over, packet_ms=self._packet_ms
        )

    def _send_protected(self, datagram: bytes | None) -> None:
        if datagram is not None and self._reach.send(datagram):
            self.counters.sent += 1
            self.counters.octets_sent += len(datagram)
        else:
            self.counters.unsent += 1


def make_peer(
    sockets: MediaSockets,
    certificate: Certificate,
    offer: sdp.Offer,
    kind: sdp.Kind,
    *,
    announce: Sequence[str] = (),
    extra: str | None = None,
    ssrc: int | None = None,
    over: Sequence[sdp.Protocol] | None = None,
    owner: str = "",
    packet_ms: int | None = None,
) -> Peer:
    """Answer an offer; ICE and DTLS go on by themselves. Sync and fast; needs a running loop.

    announce: further addresses of ours, as text; extra: the one that the client used, offered first; ssrc: what a listener
    will be sent; over: which candidates to offer, by default all that there are; owner: whose share of the pending peers it is in;
    packet_ms: how much sound a broadcaster is asked to put into a packet.
    Names and addresses of a family that no socket has are left out.
    """
    peer = Peer(
        sockets,
        certificate,
        offer,
        kind,
        candidates(sockets.addresses, sockets.port, announce, extra),
        ssrc if kind == "subscribe" else None,
        sockets.protocols if over is None else over,
        owner,
        packet_ms if kind == "publish" else None,
    )
    sockets.admit(peer)
    return peer
