"""What one peer's datagrams go through, in and out: its paths (ICE), its keys (DTLS) and what they lock (SRTP)."""

from collections.abc import Callable

from sfu.net.media_port import MediaSockets
from sfu.net.paths import CandidatePair, LocalSocket
from sfu.peer.dtls import Certificate, Dtls
from sfu.peer.ice_transport import Asked, IceTransport
from sfu.peer.srtp import SHORTEST_PACKET, Srtp
from sfu.wire import ice, rtcp, rtp, sdp
from sfu.wire.ice import Address

MOST_EARLY = 16  # packets that may come before the keys
REASONS = (  # why a datagram of a peer goes nowhere
    "stun_forged",
    "dtls_too_many",
    "srtp_early",
    "srtp_forged",
    "srtp_replayed",
    "srtp_sources",
    "rtp_malformed",
    "rtp_unasked",
)


class Counters:
    """What one peer sent and got, and what was lost here. Grows only."""

    __slots__ = ("early", "forged_stun", "malformed", "octets_sent", "received", "sent", "unasked", "unsent")

    def __init__(self) -> None:
        self.received = 0  # authenticated RTP packets
        self.sent = self.octets_sent = 0  # by send_rtp and send_rtcp
        self.early = 0  # SRTP before there were keys, or after the end
        self.malformed = 0  # authentic, but not RTP or RTCP
        self.unasked = 0  # RTP that nobody here wants, a listener's say
        self.forged_stun = 0
        self.unsent = 0  # the kernel or libsrtp refused


def nothing(*_: object) -> None:
    """What is called back where nobody wants to know."""


class Transport:
    """Made by the peer, who decides on its life: `handshake`, `begin`, `stop`, `close`, in this order. Owns reach and DTLS.

    The sockets hand it every datagram of its peer. The callbacks are called on the loop and must not raise: `on_rtp` and
    `on_rtcp` with what is authentic, `on_reached` at the first genuine Binding request, `on_moved` when `reach.path` is new.
    """

    __slots__ = (
        "_audio",
        "_dtls",
        "_early",
        "_flowing",
        "_follows",
        "_sockets",
        "_source",
        "_srtp",
        "_stopped",
        "counters",
        "last_heard_ns",
        "on_moved",
        "on_reached",
        "on_rtcp",
        "on_rtp",
        "reach",
        "tx",
    )

    def __init__(
        self,
        sockets: MediaSockets,
        certificate: Certificate,
        offer: sdp.Offer,
        on_reached: Callable[[], None],
        on_moved: Callable[[], None],
        *,
        follows: bool,
    ) -> None:
        """follows: what is sent goes to where its media comes from, a broadcaster's; a listener has none that would say it."""
        self.counters = Counters()
        self.last_heard_ns = sockets.clock_ns()  # the last genuine datagram
        self.on_rtp: Callable[[rtp.RtpPacket, int], None] = self._unasked
        self.on_rtcp: Callable[[list[rtcp.Rtcp]], None] = nothing
        self.on_reached = on_reached
        self.on_moved = on_moved
        self.reach = IceTransport(sockets, self, offer.ufrag)
        self.tx: object | None = None  # libsrtp's `srtp_t` for sending, a raw pointer, from the handshake until `close`
        self._audio = offer.audio
        self._follows = follows
        self._sockets = sockets
        self._source: int | None = None  # its SSRC, by which its media is known from whatever address
        self._dtls = Dtls(certificate, offer.fingerprints, active=offer.setup == "active", send=self.reach.send)
        self._srtp: Srtp | None = None
        self._flowing: Srtp | None = None  # the same while media may flow: not after `stop`
        self._stopped = False
        self._early: list[tuple[bytes, LocalSocket, Address, int]] = []

    # its life

    async def handshake(self) -> bool:
        """Get the keys; False when that failed or was stopped. With them media may be sent."""
        srtp = await self._dtls.handshake()
        if srtp is None or self._stopped:
            return False
        self._srtp = self._flowing = srtp
        self.tx = srtp.tx
        return True

    def begin(self) -> None:
        """Hand on what has overtaken the end of the handshake; at once after it, before anything else comes."""
        early, self._early = self._early, []
        for each in early:
            self.receive_srtp(*each)

    async def ended(self) -> None:
        """Wait for the other end's close_notify; after a successful `handshake`."""
        await self._dtls.closed()

    def stop(self) -> None:
        """Nothing is let in or sent any more, and a handshake under way fails; `tx` stays. Idempotent."""
        self._stopped, self._flowing = True, None
        self._known_by(None)
        if self._srtp is None:
            self._dtls.abandon()

    async def close(self) -> None:
        """Say close_notify, if there is anyone to hear it, and give all back. After `stop`; once."""
        self.reach.stop_answering()  # but for DTLS, which says goodbye
        await self._dtls.close()
        self.reach.close()
        self.tx = None
        if self._srtp is not None:
            self._srtp.close()

    # what was not let in

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

    def dropped(self) -> dict[str, int]:
        """What came and went nowhere, for each of REASONS. Grows only."""
        counters, dtls = self.counters, self._dtls.dropped
        srtp = counters.early, self.forged, self.replayed, self.strange
        return dict(zip(REASONS, (counters.forged_stun, dtls, *srtp, counters.malformed, counters.unasked), strict=True))

    def _unasked(self, packet: rtp.RtpPacket, arrival_ns: int) -> None:
        self.counters.unasked += 1

    # out

    def send_rtp(self, packet: bytes) -> None:
        """Encrypt and send now; lost, and counted, when that is not possible."""
        self._send(self._flowing.protect(packet) if self._flowing else None)

    def send_rtcp(self, packet: bytes) -> None:
        """As `send_rtp`, for a compound RTCP packet."""
        self._send(self._flowing.protect_rtcp(packet) if self._flowing else None)

    def _send(self, datagram: bytes | None) -> None:
        if datagram is not None and self.reach.send(datagram):
            self.counters.sent += 1
            self.counters.octets_sent += len(datagram)
        else:
            self.counters.unsent += 1

    # in: what the sockets call

    def receive_stun(self, request: ice.Request, path: CandidatePair, arrival_ns: int) -> None:
        """A Binding request that names us. Only a genuine one is answered, or changes anything."""
        if self._stopped:
            return
        asked = self.reach.asked(request, path, arrival_ns)
        if asked is Asked.FORGED:
            self.counters.forged_stun += 1
        elif asked is not Asked.REFUSED:
            self.last_heard_ns = arrival_ns
            if asked is Asked.FIRST:
                self.on_reached()
            elif asked is Asked.MOVED:
                self.on_moved()

    def receive_consent(self, datagram: bytes, way: LocalSocket, address: Address, arrival_ns: int) -> bool:
        """A Binding request on the path in use, like the last one there. False, and nothing has happened: it has to be read."""
        if self._stopped or not self.reach.repeated(datagram, way, address):
            return False
        self.last_heard_ns = self.reach.heard_ns = arrival_ns
        return True

    def lose_way(self, way: LocalSocket) -> None:
        """A socket of ours is being closed: the fan-out lets go of it now, and the next genuine request tells where to go on."""
        if self.reach.lose(way):
            self.on_moved()

    def receive_dtls(self, datagram: bytes) -> None:
        self._dtls.receive(datagram)

    def receive_srtp(self, datagram: bytes, way: LocalSocket, address: Address, arrival_ns: int) -> None:
        """One datagram, decrypted, parsed and handed on before this returns. Per packet: keep it lean."""
        srtp = self._flowing
        if srtp is None:
            self._keep(datagram, way, address, arrival_ns)
            return
        if len(datagram) < SHORTEST_PACKET:
            self.counters.malformed += 1
            return
        if 192 <= datagram[1] <= 223:
            self._receive_rtcp(srtp, datagram, way, address, arrival_ns)
            return
        plain = srtp.unprotect(datagram)
        if plain is None:
            return
        self.last_heard_ns = arrival_ns
        path = self.reach.path
        if path is not None and path[0] is way and path[1] == address:  # nearly always: so it is not asked by a call
            self.reach.heard_ns = arrival_ns
        else:
            self._heard(way, address, arrival_ns, self._follows)
        try:
            packet = rtp.parse(plain, self._audio.level_id)
        except ValueError:
            self.counters.malformed += 1
            return
        self.counters.received += 1
        if packet.ssrc != self._source and self._follows:
            self._known_by(packet.ssrc)
        self.on_rtp(packet, arrival_ns)

    def _heard(self, way: LocalSocket, address: Address, arrival_ns: int, at_once: bool) -> None:
        """Something authentic that nobody has sent before. at_once: it is from where the peer is to be sent to."""
        self.last_heard_ns = arrival_ns
        reach = self.reach
        path = reach.path
        if path is not None and path.port is way and path.address == address:
            reach.heard_ns = arrival_ns
        elif reach.heard(CandidatePair(way, address), arrival_ns, at_once):
            self.on_moved()

    def look(self, now_ns: int) -> None:
        """Called every second: is it to be sent elsewhere by now?"""
        if not self._stopped and self.reach.look(now_ns):
            self.on_moved()

    def _known_by(self, source: int | None) -> None:
        """The sockets hand us media of that SSRC from addresses that are nobody's yet: a NAT has moved it."""
        if self._source is not None:
            self._sockets.forget_source(self._source, self)
        self._source = source
        if source is not None:
            self._sockets.know_source(source, self)

    def _keep(self, datagram: bytes, way: LocalSocket, address: Address, arrival_ns: int) -> None:
        """Media that overtook the end of the handshake waits for its keys; with nowhere to wait it is lost."""
        if not self._stopped and len(self._early) < MOST_EARLY:
            self._early.append((datagram, way, address, arrival_ns))
        else:
            self.counters.early += 1

    def _receive_rtcp(self, srtp: Srtp, datagram: bytes, way: LocalSocket, address: Address, arrival_ns: int) -> None:
        plain = srtp.unprotect_rtcp(datagram)
        if plain is None:
            return
        self._heard(way, address, arrival_ns, False)
        try:
            packets = rtcp.parse(plain)
        except ValueError:
            self.counters.malformed += 1
            return
        if packets:
            self.on_rtcp(packets)
