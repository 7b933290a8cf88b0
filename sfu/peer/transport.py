"""The transport of one peer: every datagram in and out goes through its ICE, DTLS and SRTP."""

from collections.abc import Callable

from sfu.net.media_port import MediaSockets
from sfu.net.pairs import CandidatePair, LocalSocket
from sfu.peer.dtls import Certificate, Dtls
from sfu.peer.ice_transport import BindingOutcome, IceTransport
from sfu.peer.srtp import SHORTEST_PACKET, Srtp
from sfu.wire import ice, rtcp, rtp, sdp
from sfu.wire.ice import Address

MAX_EARLY = 16  # SRTP packets that are kept until there are keys
REASONS = (  # why datagrams of a peer are dropped
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
    """What was received from one peer, sent to it, and dropped. Grows only."""

    __slots__ = ("early", "forged_stun", "malformed", "octets_sent", "received", "sent", "unasked", "unsent")

    def __init__(self) -> None:
        self.received = 0  # authenticated RTP packets
        self.sent = self.octets_sent = 0  # by send_rtp and send_rtcp
        self.early = 0  # SRTP that came before the keys, beyond MAX_EARLY, or after `stop`
        self.malformed = 0  # authentic, but not RTP or RTCP
        self.unasked = 0  # RTP that has no use here, such as a listener's
        self.forged_stun = 0
        self.unsent = 0  # refused by the kernel or libsrtp


def nothing(*_: object) -> None:
    """The callback where none is set."""


class Transport:
    """Owned by the peer, which calls `handshake`, `begin`, `stop`, `close`, in this order. Owns the ICE end, DTLS and SRTP.

    The sockets pass it every datagram of its peer. The callbacks are called on the loop and must not raise: `on_rtp` and
    `on_rtcp` with authentic packets, `on_reached` at the first genuine Binding request, `on_moved` when another pair is selected.
    """

    __slots__ = (
        "_audio",
        "_dtls",
        "_early",
        "_flowing",
        "_follows",
        "_sockets",
        "_srtp",
        "_ssrc",
        "_stopped",
        "counters",
        "ice",
        "last_heard_ns",
        "on_moved",
        "on_reached",
        "on_rtcp",
        "on_rtp",
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
        """follows: select the pair that media comes over, for a broadcaster; a listener sends none."""
        self.counters = Counters()
        self.last_heard_ns = sockets.clock_ns()  # when the last genuine datagram came
        self.on_rtp: Callable[[rtp.RtpPacket, int], None] = self._unasked
        self.on_rtcp: Callable[[list[rtcp.Rtcp]], None] = nothing
        self.on_reached = on_reached
        self.on_moved = on_moved
        self.ice = IceTransport(sockets, self, offer.ufrag)
        self.tx: object | None = None  # libsrtp's `srtp_t` for sending, a raw pointer; from the handshake until `close`
        self._audio = offer.audio
        self._follows = follows
        self._sockets = sockets
        self._ssrc: int | None = None  # the SSRC that is registered, by which its media is recognised from new addresses
        self._dtls = Dtls(certificate, offer.fingerprints, active=offer.setup == "active", send=self.ice.send)
        self._srtp: Srtp | None = None
        self._flowing: Srtp | None = None  # `_srtp` while media may flow: until `stop`
        self._stopped = False
        self._early: list[tuple[bytes, LocalSocket, Address, int]] = []

    # its life

    async def handshake(self) -> bool:
        """Agree on the keys; False where that failed or was stopped. Then media may be sent."""
        srtp = await self._dtls.handshake()
        if srtp is None or self._stopped:
            return False
        self._srtp = self._flowing = srtp
        self.tx = srtp.tx
        return True

    def begin(self) -> None:
        """Process the media that came before the end of the handshake; right after it, before anything else comes."""
        early, self._early = self._early, []
        for each in early:
            self.receive_srtp(*each)

    async def ended(self) -> None:
        """Wait for the other end's close_notify; after a successful `handshake`."""
        await self._dtls.closed()

    def stop(self) -> None:
        """Receive and send no media any more, and end a handshake under way; `tx` stays. Idempotent."""
        self._stopped, self._flowing = True, None
        self._register_ssrc(None)
        if self._srtp is None:
            self._dtls.abandon()

    async def close(self) -> None:
        """Send close_notify after a handshake, and free everything. After `stop`; once."""
        self.ice.stop_answering()  # DTLS still sends close_notify
        await self._dtls.close()
        self.ice.close()
        self.tx = None
        if self._srtp is not None:
            self._srtp.close()

    # what was dropped

    @property
    def replayed(self) -> int:
        """SRTP packets that came before, or are too old to tell."""
        return self._srtp.replayed if self._srtp else 0

    @property
    def strange(self) -> int:
        """SRTP packets of an SSRC beyond the limit."""
        return self._srtp.strange if self._srtp else 0

    @property
    def forged(self) -> int:
        """SRTP packets whose authentication failed."""
        return self._srtp.forged if self._srtp else 0

    def dropped(self) -> dict[str, int]:
        """Datagrams that were dropped, for each of REASONS. Grows only."""
        counters, dtls = self.counters, self._dtls.dropped
        srtp = counters.early, self.forged, self.replayed, self.strange
        return dict(zip(REASONS, (counters.forged_stun, dtls, *srtp, counters.malformed, counters.unasked), strict=True))

    def _unasked(self, packet: rtp.RtpPacket, arrival_ns: int) -> None:
        self.counters.unasked += 1

    # out

    def send_rtp(self, packet: bytes) -> None:
        """Encrypt and send now; dropped and counted where that is not possible."""
        self._send(self._flowing.protect(packet) if self._flowing else None)

    def send_rtcp(self, packet: bytes) -> None:
        """As `send_rtp`, for a compound RTCP packet."""
        self._send(self._flowing.protect_rtcp(packet) if self._flowing else None)

    def _send(self, datagram: bytes | None) -> None:
        if datagram is not None and self.ice.send(datagram):
            self.counters.sent += 1
            self.counters.octets_sent += len(datagram)
        else:
            self.counters.unsent += 1

    # in: called by the sockets

    def receive_stun(self, request: ice.Request, pair: CandidatePair, arrival_ns: int) -> None:
        """A Binding request with one of our ufrags; has no effect unless it is genuine."""
        if self._stopped:
            return
        outcome = self.ice.answer(request, pair, arrival_ns)
        if outcome is BindingOutcome.FORGED:
            self.counters.forged_stun += 1
        elif outcome is not BindingOutcome.REFUSED:
            self.last_heard_ns = arrival_ns
            if outcome is BindingOutcome.FIRST:
                self.on_reached()
            elif outcome is BindingOutcome.MOVED:
                self.on_moved()

    def receive_consent(self, datagram: bytes, local: LocalSocket, address: Address, arrival_ns: int) -> bool:
        """Answer a Binding request over the selected pair that is like the last one. False, and nothing is done: it has to be parsed."""
        if self._stopped or not self.ice.answer_repeated(datagram, local, address):
            return False
        self.last_heard_ns = self.ice.heard_ns = arrival_ns
        return True

    def lose_socket(self, local: LocalSocket) -> None:
        """A local socket is being closed: the fan-out stops using it now, and the next genuine request selects another pair."""
        if self.ice.lose_socket(local):
            self.on_moved()

    def receive_dtls(self, datagram: bytes) -> None:
        self._dtls.receive(datagram)

    def receive_srtp(self, datagram: bytes, local: LocalSocket, address: Address, arrival_ns: int) -> None:
        """One datagram: decrypted, parsed and passed on before this returns. Runs for each packet: keep it lean."""
        srtp = self._flowing
        if srtp is None:
            self._keep_early(datagram, local, address, arrival_ns)
            return
        if len(datagram) < SHORTEST_PACKET:
            self.counters.malformed += 1
            return
        if 192 <= datagram[1] <= 223:
            self._receive_rtcp(srtp, datagram, local, address, arrival_ns)
            return
        plain = srtp.unprotect(datagram)
        if plain is None:
            return
        self.last_heard_ns = arrival_ns
        pair = self.ice.selected
        if pair is not None and pair[0] is local and pair[1] == address:  # nearly always, so inline
            self.ice.heard_ns = arrival_ns
        else:
            self._heard(local, address, arrival_ns, self._follows)
        try:
            packet = rtp.parse(plain, self._audio.level_id)
        except ValueError:
            self.counters.malformed += 1
            return
        self.counters.received += 1
        if packet.ssrc != self._ssrc and self._follows:
            self._register_ssrc(packet.ssrc)
        self.on_rtp(packet, arrival_ns)

    def _heard(self, local: LocalSocket, address: Address, arrival_ns: int, at_once: bool) -> None:
        """An authentic packet that is no replay came. at_once: select its pair."""
        self.last_heard_ns = arrival_ns
        ice_transport = self.ice
        pair = ice_transport.selected
        if pair is not None and pair.local is local and pair.address == address:
            ice_transport.heard_ns = arrival_ns
        elif ice_transport.heard(CandidatePair(local, address), arrival_ns, at_once):
            self.on_moved()

    def reselect(self, now_ns: int) -> None:
        """Called every second: select another pair where the selected one is silent."""
        if not self._stopped and self.ice.reselect(now_ns):
            self.on_moved()

    def _register_ssrc(self, ssrc: int | None) -> None:
        """Have the sockets pass on media of that SSRC from addresses of no peer too, after a NAT has changed the address."""
        if self._ssrc is not None:
            self._sockets.unregister_ssrc(self._ssrc, self)
        self._ssrc = ssrc
        if ssrc is not None:
            self._sockets.register_ssrc(ssrc, self)

    def _keep_early(self, datagram: bytes, local: LocalSocket, address: Address, arrival_ns: int) -> None:
        """Keep media that came before the end of the handshake until there are keys; without room it is dropped."""
        if not self._stopped and len(self._early) < MAX_EARLY:
            self._early.append((datagram, local, address, arrival_ns))
        else:
            self.counters.early += 1

    def _receive_rtcp(self, srtp: Srtp, datagram: bytes, local: LocalSocket, address: Address, arrival_ns: int) -> None:
        plain = srtp.unprotect_rtcp(datagram)
        if plain is None:
            return
        self._heard(local, address, arrival_ns, False)
        try:
            packets = rtcp.parse(plain)
        except ValueError:
            self.counters.malformed += 1
            return
        if packets:
            self.on_rtcp(packets)
