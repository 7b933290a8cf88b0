"""What one peer's datagrams go through, in and out: its paths (ICE), its keys (DTLS) and what they lock (SRTP)."""

from collections.abc import Callable

from sfu import ice, rtcp, rtp, sdp
from sfu.dtls import SHORTEST_PACKET, Certificate, Dtls, Srtp
from sfu.ice import Address
from sfu.paths import Path, Way
from sfu.reach import Asked, Reach
from sfu.udp import MediaSockets

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
    ) -> None:
        self.counters = Counters()
        self.last_heard_ns = sockets.clock_ns()  # the last genuine datagram
        self.on_rtp: Callable[[rtp.RtpPacket, int], None] = self._unasked
        self.on_rtcp: Callable[[list[rtcp.Rtcp]], None] = nothing
        self.on_reached = on_reached
        self.on_moved = on_moved
        self.reach = Reach(sockets, self, offer.ufrag)
        self.tx: object | None = None  # libsrtp's `srtp_t` for sending, a raw pointer, from the handshake until `close`
        self._audio = offer.audio
        self._dtls = Dtls(certificate, offer.fingerprints, active=offer.setup == "active", send=self.reach.send)
        self._srtp: Srtp | None = None
        self._flowing: Srtp | None = None  # the same while media may flow: not after `stop`
        self._stopped = False
        self._early: list[tuple[bytes, int]] = []

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
        for datagram, arrival_ns in early:
            self.receive_srtp(datagram, arrival_ns)

    async def ended(self) -> None:
        """Wait for the other end's close_notify; after a successful `handshake`."""
        await self._dtls.closed()

    def stop(self) -> None:
        """Nothing is let in or sent any more, and a handshake under way fails; `tx` stays. Idempotent."""
        self._stopped, self._flowing = True, None
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

    def receive_stun(self, request: ice.Request, path: Path, arrival_ns: int) -> None:
        """A Binding request that names us. Only a genuine one is answered, or changes anything."""
        if self._stopped:
            return
        asked = self.reach.asked(request, path)
        if asked is Asked.FORGED:
            self.counters.forged_stun += 1
        elif asked is not Asked.REFUSED:
            self.last_heard_ns = arrival_ns
            if asked is Asked.FIRST:
                self.on_reached()
            elif asked is Asked.MOVED:
                self.on_moved()

    def receive_consent(self, datagram: bytes, way: Way, address: Address, arrival_ns: int) -> bool:
        """A Binding request on the path in use, like the last one there. False, and nothing has happened: it has to be read."""
        if self._stopped or not self.reach.repeated(datagram, way, address):
            return False
        self.last_heard_ns = arrival_ns
        return True

    def lose_way(self, way: Way) -> None:
        """A socket of ours is being closed: the fan-out lets go of it now, and the next genuine request tells where to go on."""
        if self.reach.lose(way):
            self.on_moved()

    def receive_dtls(self, datagram: bytes) -> None:
        self._dtls.receive(datagram)

    def receive_srtp(self, datagram: bytes, arrival_ns: int) -> None:
        """One datagram, decrypted, parsed and handed on before this returns. Per packet: keep it lean."""
        srtp = self._flowing
        if srtp is None:
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
            packet = rtp.parse(plain, self._audio.level_id)
        except ValueError:
            self.counters.malformed += 1
            return
        self.counters.received += 1
        self.on_rtp(packet, arrival_ns)

    def _keep(self, datagram: bytes, arrival_ns: int) -> None:
        """Media that overtook the end of the handshake waits for its keys; with nowhere to wait it is lost."""
        if not self._stopped and len(self._early) < MOST_EARLY:
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
