"""A peer from offer to close, against aiortc and a softphone on loopback."""

import asyncio
import contextlib
import datetime
import math
import os
import random
import re
import time
from collections.abc import AsyncIterator, Callable
from fractions import Fraction
from functools import partial

import av
import pytest
from aioice import stun
from aiortc import RTCCertificate, RTCDtlsFingerprint, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamTrack
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from sfu.drop_counters import DropCounters
from sfu.errors import BadOffer
from sfu.net import media_port
from sfu.net.media_port import MediaSockets
from sfu.net.pairs import CandidatePair
from sfu.peer import dtls
from sfu.peer.endpoint import AnswerOptions, Endpoint
from sfu.peer.ice_transport import SUCCEEDED_NS
from sfu.peer.peer import SILENT_S, Peer, make_peer
from sfu.peer.srtp import MAX_SSRCS
from sfu.peer.transport import REASONS
from sfu.wire import rtcp, rtp, sdp
from sfu.wire.offer import parse_offer
from tests.support import softphone
from tests.support.softphone import Softphone
from workers.link.opus_toc import opus_samples

CERTIFICATE = dtls.new_certificate()
SSRC = 4242


class Clock:
    """time.monotonic_ns, and what a test adds to it."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> int:
        return time.monotonic_ns() + int(self.ahead_s * 1e9)


@pytest.fixture
async def clock() -> Clock:
    return Clock()


@pytest.fixture
async def sockets(clock: Clock) -> AsyncIterator[MediaSockets]:
    async with MediaSockets(["127.0.0.1"], 0, clock_ns=clock) as opened:
        yield opened


class Phone(Softphone):
    """A softphone that is given its answer by hand."""

    def __init__(self) -> None:
        super().__init__(None, "")  # type: ignore[arg-type]
        self.certificate = RTCCertificate.generateCertificate()

    def offer(self, kind: sdp.Kind, setup: str = "actpass") -> str:
        direction = "sendonly" if kind == "publish" else "recvonly"
        text = softphone.offer(self.certificate, direction, self.ssrc, ufrag=self._ufrag, password=self._password)
        return text.replace("a=setup:actpass", f"a=setup:{setup}")

    async def move(self) -> None:
        """Another local port, as after a change of network; the old one is gone."""
        assert self._socket is not None
        remote = self._socket.get_extra_info("peername")
        self._socket.close()
        self._socket, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, ("127.0.0.1", 0), remote)

    async def stop_asking(self) -> None:
        """No checks but those that `ask` sends."""
        assert self._consent is not None
        self._consent.cancel()
        await asyncio.wait({self._consent})

    def raw(self, datagram: bytes) -> None:
        self._out(datagram)

    def ask(self) -> None:
        self._ask()

    def protected(self, packet: bytes) -> bytes:
        return self._dtls._tx_srtp.protect(packet)

    def protected_rtcp(self, packet: bytes) -> bytes:
        return self._dtls._tx_srtp.protect_rtcp(packet)

    def take(self, fragment: str, ufrag: str) -> None:
        """The answer to a restart."""
        said = dict(re.findall(r"a=(ice-ufrag|ice-pwd):(\S+)", fragment))
        self._remote, self._ufrag = (said["ice-ufrag"], said["ice-pwd"]), ufrag

    def give_up(self) -> None:
        """End a `connect` that is under way."""

        async def broken() -> bytes:
            raise ConnectionError

        self._recv = broken  # type: ignore[method-assign]
        self._incoming.put_nowait(b"\x16")

    @property
    def username(self) -> str:
        return f"{self._remote[0]}:{self._ufrag}"

    @property
    def local(self) -> object:
        assert self._socket is not None
        return self._socket.get_extra_info("sockname")

    @property
    def state(self) -> str:
        return self._dtls.state


def answer(
    sockets: MediaSockets, phone: Phone, kind: sdp.Kind, setup: str = "actpass", owner: str = "", counted: DropCounters | None = None
) -> Peer:
    endpoint = Endpoint(sockets, CERTIFICATE, drop_counters=counted or DropCounters())
    peer = make_peer(endpoint, parse_offer(phone.offer(kind, setup), kind), kind, AnswerOptions(ssrc=SSRC, owner=owner))
    phone.answer = peer.answer
    return peer


@contextlib.asynccontextmanager
async def call(
    sockets: MediaSockets, kind: sdp.Kind, setup: str = "actpass", counted: DropCounters | None = None
) -> AsyncIterator[tuple[Peer, Phone]]:
    """A peer that is up and the softphone at its other end."""
    async with Phone() as phone:
        peer = answer(sockets, phone, kind, setup, counted=counted)
        ups: list[bool] = []
        peer.on_up = lambda: ups.append(peer.up)
        try:
            await phone.connect(phone.certificate)
            await until(lambda: peer.up)
            assert ups == [True]
            yield peer, phone  # type: ignore[misc]
        finally:
            await peer.close()


async def until(true: Callable[[], object], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.005)


class Tone(MediaStreamTrack):
    """A minute of a low tone, 20 ms at a time, as fast as it is asked for every 20 ms."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._at = 0

    async def recv(self) -> av.AudioFrame:
        await asyncio.sleep(0.02)
        frame = av.AudioFrame(format="s16", layout="mono", samples=960)
        frame.planes[0].update(b"".join(int(9000 * math.sin(i / 20)).to_bytes(2, "little", signed=True) for i in range(960)))
        frame.sample_rate, frame.pts, frame.time_base = 48000, self._at, Fraction(1, 48000)
        self._at += 960
        return frame


async def test_aiortc_publishes(sockets: MediaSockets) -> None:
    """A broadcaster on aiortc connects, and its Opus packets and sender reports come in authenticated and parsed."""
    caller = RTCPeerConnection()
    caller.addTrack(Tone())
    await caller.setLocalDescription(await caller.createOffer())
    offer = parse_offer(caller.localDescription.sdp, "publish")
    peer = make_peer(Endpoint(sockets, CERTIFICATE), offer, "publish")
    packets: list[rtp.RtpPacket] = []
    reports: list[rtcp.Rtcp] = []
    gone: list[str] = []
    peer.on_rtp = lambda packet, arrival_ns: packets.append(packet)
    peer.on_rtcp = reports.extend
    peer.on_gone = gone.append
    try:
        await caller.setRemoteDescription(RTCSessionDescription(peer.answer, "answer"))
        await until(lambda: len(packets) > 10 and any(isinstance(each, rtcp.SenderReport) for each in reports))
        assert {opus_samples(packet.payload) for packet in packets} == {960}
        assert [packet.sequence for packet in packets[1:]] == [packet.sequence + 1 & 0xFFFF for packet in packets[:-1]]
        assert {packet.payload_type for packet in packets} == {peer.audio.opus_pt}
        assert peer.counters.malformed == peer.transport.forged == peer.transport.replayed == 0
        await caller.close()
        await until(lambda: gone)
        assert gone == ["closed"]
    finally:
        await caller.close()
        await peer.close()


async def test_aiortc_listens(sockets: MediaSockets) -> None:
    """A listener on aiortc connects and decodes what is sent to it."""
    caller = RTCPeerConnection()
    caller.addTransceiver("audio", direction="recvonly")
    tracks: list[MediaStreamTrack] = []
    caller.on("track", tracks.append)
    await caller.setLocalDescription(await caller.createOffer())
    offer = parse_offer(caller.localDescription.sdp, "subscribe")
    peer = make_peer(Endpoint(sockets, CERTIFICATE), offer, "subscribe", AnswerOptions(ssrc=SSRC))
    try:
        await caller.setRemoteDescription(RTCSessionDescription(peer.answer, "answer"))
        await until(lambda: peer.up)
        encoder = av.CodecContext.create("libopus", "w")
        encoder.sample_rate, encoder.layout, encoder.format = 48000, "mono", "s16"
        payloads: list[bytes] = []
        source = Tone()
        for number in range(30):
            payloads += [bytes(packet) for packet in encoder.encode(await source.recv())]
            for payload in payloads:
                peer.send_rtp(rtp.build(peer.audio.opus_pt, number, number * 960, SSRC, payload))
            payloads.clear()
        source.stop()
        async with asyncio.timeout(20):
            frame = await tracks[0].recv()
        assert frame.samples == 960 and peer.counters.sent >= 28  # type: ignore[union-attr]
    finally:
        await caller.close()
        await peer.close()


async def test_a_softphone_is_up_and_its_levels_are_read(sockets: MediaSockets) -> None:
    """The RFC 6464 level, the arrival on the monotonic clock, and packets in both directions."""
    async with call(sockets, "publish") as (peer, phone):
        heard: list[tuple[rtp.RtpPacket, int]] = []
        peer.on_rtp = lambda packet, arrival_ns: heard.append((packet, arrival_ns))
        before_ns = time.monotonic_ns()
        phone.send(7, 960, b"voice", level_dbov=33)
        await until(lambda: heard)
        [(packet, arrival_ns)] = heard
        assert packet == rtp.RtpPacket(softphone.OPUS, False, 7, 960, phone.ssrc, b"voice", -33.0)
        assert before_ns <= arrival_ns <= time.monotonic_ns()
        peer.send_rtcp(rtcp.build_receiver_report(1) + rtcp.build_cname(1, "x"))
        peer.send_rtp(rtp.build(softphone.OPUS, 1, 2, 3, b"back"))
        await until(lambda: phone.received and phone.rtcp)
        assert phone.received[0][1].payload == b"back" and phone.rtcp == [rtcp.ReceiverReport(1)]
        assert peer.address == phone.local and peer.fd == sockets.ports[0].fd and peer.tx is not None


async def test_a_passive_client_is_called_by_us(sockets: MediaSockets) -> None:
    """With setup:passive in the offer the server begins the handshake."""
    async with call(sockets, "subscribe", "passive") as (peer, phone):
        assert "a=setup:active" in peer.answer
        peer.send_rtp(rtp.build(softphone.OPUS, 1, 2, 3, b"hello"))
        await until(lambda: phone.received)


async def test_media_that_overtakes_the_keys_is_heard(sockets: MediaSockets) -> None:
    """A client may send media right after its last flight; up to 16 packets of it wait for our keys."""
    async with Phone() as phone:
        peer = answer(sockets, phone, "publish", "passive")
        heard: list[int] = []
        peer.on_rtp = lambda packet, arrival_ns: heard.append(packet.sequence)
        await phone.connect(phone.certificate)
        for sequence in range(40):
            phone.send(sequence, sequence, b"early")
        sockets.ports[0].single_reads = media_port.MAX_SINGLE_READS  # however slowly this came about, it is a crowd
        sockets._read(sockets.ports[0])  # the handshake's last flight and the media behind it, in one go
        assert not peer.up
        await until(lambda: peer.up)
        assert heard == list(range(len(heard))) and len(heard) == 16 and peer.counters.early == 24
        await peer.close()


async def test_a_passive_client_may_have_an_rsa_certificate(sockets: MediaSockets) -> None:
    """When we are the DTLS client, ciphers for RSA certificates are offered too, which aiortc leaves out."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "rsa")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=2))
    theirs = dtls.new_certificate()
    theirs._key, theirs._cert = key, builder.sign(key, hashes.SHA256())
    async with Phone() as phone:
        phone.certificate = theirs
        peer = answer(sockets, phone, "subscribe", "passive")
        await phone.connect(theirs)
        await until(lambda: peer.up)
        await peer.close()


async def test_close_notify_is_noticed(sockets: MediaSockets) -> None:
    """A client's close_notify ends its peer at once, and on_gone is called once."""
    async with call(sockets, "publish") as (peer, phone):
        gone: list[str] = []
        peer.on_gone = gone.append
        await phone.hang_up()
        await until(lambda: gone)
        assert gone == ["closed"] and not peer.up
        peer.send_rtp(rtp.build(softphone.OPUS, 1, 2, 3))
        assert peer.counters.unsent == 1


async def test_a_silent_peer_is_reaped(sockets: MediaSockets, clock: Clock) -> None:
    """15 s without a genuine datagram; media alone keeps a peer, forged packets do not."""
    async with call(sockets, "publish") as (peer, phone):
        gone: list[str] = []
        peer.on_gone = gone.append
        phone.lossy = lambda datagram: datagram[0] < 4  # no consent, but media
        clock.ahead_s += 14.0
        phone.send(1, 1, b"voice")
        await until(lambda: peer.counters.received == 1)
        clock.ahead_s += 14.0
        sockets.sweep()
        assert not gone
        phone.raw(b"\x80\x6f" + os.urandom(50))
        await until(lambda: peer.transport.forged == 1)
        clock.ahead_s += 2.0
        sockets.sweep()
        sockets.sweep()
        assert gone == ["silent"] and not peer.up


async def test_a_standstill_is_no_silence(sockets: MediaSockets, clock: Clock) -> None:
    """A standstill ends neither a peer that is up nor a pending one: deadlines, and the selected pair's silence, count from its end."""
    async with call(sockets, "subscribe") as (peer, phone), Phone() as newcomer:
        waiting = answer(sockets, newcomer, "subscribe")
        gone: list[str] = []
        peer.on_gone = waiting.on_gone = gone.append
        await phone.stop_asking()
        old = peer.address
        phone.nominates = False
        clock.ahead_s += 100
        sockets.standstill.ended_ns = clock()
        await phone.move()
        phone.ask()
        await until(lambda: len(sockets.ports[0].peers) == 2)
        sockets.sweep()
        assert peer.up and waiting.pending and peer.address == old and not gone
        clock.ahead_s += SUCCEEDED_NS / 1e9
        sockets.sweep()
        assert peer.address == phone.local
        clock.ahead_s += SILENT_S
        sockets.sweep()
        assert sorted(gone) == ["failed", "silent"]
        await waiting.close()


async def test_a_peer_that_never_comes_has_failed(sockets: MediaSockets, clock: Clock) -> None:
    """10 s without a Binding request, or 10 s more without keys."""
    async with Phone() as absent, Phone() as mute:
        peers = [answer(sockets, absent, "publish"), answer(sockets, mute, "publish")]
        gone: list[str] = []
        peers[0].on_gone = lambda reason: gone.append("absent " + reason)
        peers[1].on_gone = lambda reason: gone.append("mute " + reason)
        mute.lossy = lambda datagram: datagram[0] > 3
        clock.ahead_s += 5.0
        connecting = asyncio.create_task(mute.connect(mute.certificate))
        await until(mute._bound.is_set)
        clock.ahead_s += 6.0
        sockets.sweep()
        assert gone == ["absent failed"]
        clock.ahead_s += 6.0
        sockets.sweep()
        assert gone == ["absent failed", "mute failed"]
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
        for peer in peers:
            await peer.close()


@pytest.mark.parametrize(
    ("offered", "right"),
    [
        (["other sha-256", "sha-256"], True),
        (["sha-256", "other sha-256"], True),
        (["sha-384"], True),
        (["sha-512"], True),
        (["sha-1", "sha-256"], True),
        (["sha-512", "sha-256"], True),
        (["other sha-256", "other sha-256"], False),
        (["other sha-256", "sha-512"], False),
        (["other sha-512"], False),
    ],
)
async def test_one_fingerprint_of_the_best_hash_has_to_match(sockets: MediaSockets, offered: list[str], right: bool) -> None:
    """Fingerprints of a client's other certificates, and of hashes that are not preferred, do not count (RFC 8122)."""
    async with Phone() as phone:
        digests = {f"other {each.algorithm}": each for each in RTCCertificate.generateCertificate().getFingerprints()}
        digests |= {each.algorithm: each for each in phone.certificate.getFingerprints()}
        digests["sha-1"] = RTCDtlsFingerprint("sha-1", ":".join(["AB"] * 20))
        lines = [f"a=fingerprint:{digests[each].algorithm} {digests[each].value}\r\n" for each in offered]
        text = re.sub(r"a=fingerprint:.*\r\n", "".join(lines), phone.offer("publish"))
        peer = make_peer(Endpoint(sockets, CERTIFICATE), parse_offer(text, "publish"), "publish")
        phone.answer = peer.answer
        gone: list[str] = []
        peer.on_gone = gone.append
        await phone.connect(phone.certificate)
        await until(lambda: peer.up or gone)
        assert peer.up is right
        await peer.close()


async def test_a_wrong_fingerprint_fails(sockets: MediaSockets) -> None:
    """A handshake with another certificate than offered fails."""
    async with Phone() as phone:
        peer = answer(sockets, phone, "publish")
        gone: list[str] = []
        peer.on_gone = gone.append
        await phone.connect(RTCCertificate.generateCertificate())
        await until(lambda: gone)
        assert gone == ["failed"] and peer.tx is None
        await peer.close()


@pytest.mark.parametrize("kind", ["publish", "subscribe"])
@pytest.mark.parametrize("lost", [{0}, {1}])
async def test_a_lost_flight_of_ours_is_sent_again(sockets: MediaSockets, lost: set[int], kind: sdp.Kind) -> None:
    """A lost first or last flight of the server is sent again; each fits one datagram."""
    async with Phone() as phone:
        seen: list[int] = []

        def deaf(datagram: bytes) -> bool:
            if not 19 < datagram[0] < 64:
                return False
            seen.append(len(datagram))
            return len(seen) - 1 in lost

        phone.deaf = deaf
        peer = answer(sockets, phone, kind)
        await phone.connect(phone.certificate)
        await until(lambda: peer.up)
        assert len(seen) >= 3 and max(seen) <= 1200
        await peer.close()


async def test_a_lost_flight_of_theirs_is_survived(sockets: MediaSockets) -> None:
    """A lost second flight of the client is sent again."""
    async with Phone() as phone:
        seen: list[bytes] = []

        def lossy(datagram: bytes) -> bool:
            if not 19 < datagram[0] < 64:
                return False
            seen.append(datagram)
            return len(seen) == 2

        phone.lossy = lossy
        peer = answer(sockets, phone, "publish")
        await phone.connect(phone.certificate)
        await until(lambda: peer.up)
        await peer.close()


async def test_a_listener_that_moves_is_followed(sockets: MediaSockets) -> None:
    """A genuine request from a new address moves the sound there; a forged one does not."""
    async with call(sockets, "subscribe") as (peer, phone):
        moved: list[object] = []
        peer.on_moved = lambda: moved.append(peer.address)
        old = peer.address
        await phone.stop_asking()
        await phone.move()
        phone.raw(os.urandom(60))
        forged = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        forged.attributes.update({"USERNAME": phone.username, "USE-CANDIDATE": None})
        forged.add_message_integrity(b"x" * 24)
        phone.raw(bytes(forged))
        await until(lambda: peer.counters.forged_stun == 1)
        assert peer.address == old and not moved
        phone.ask()
        await until(lambda: moved)
        assert moved == [phone.local] and peer.address == phone.local
        peer.send_rtp(rtp.build(softphone.OPUS, 1, 2, 3, b"still there"))
        await until(lambda: phone.received)


async def test_all_let_go_of_a_socket_whose_address_is_gone(sockets: MediaSockets) -> None:
    """A closed socket's fd, which another file may get, is used no more, also by one of two peers that were reached at one address."""
    async with call(sockets, "subscribe") as (first, phone), call(sockets, "subscribe") as (second, _):
        moved: list[Peer] = []
        for each in (first, second):
            each.on_moved = partial(moved.append, each)
        port = sockets.ports[0]
        assert first.address is not None and first.fd == port.fd >= 0
        second.transport.ice.heard(CandidatePair(port, first.address), sockets.clock_ns(), at_once=True)
        assert second.address == first.address
        sockets.remove(port)
        assert first in moved and second in moved and first.fd == second.fd == -1
        await phone.stop_asking()


async def test_a_listener_whose_port_changes_is_followed(sockets: MediaSockets, clock: Clock) -> None:
    """Without a nomination the pair of its requests and reports is selected once the old one is silent; replays select nothing."""
    async with call(sockets, "subscribe") as (peer, phone):
        moved: list[object] = []
        peer.on_moved = lambda: moved.append(peer.address)
        await phone.stop_asking()
        phone.nominates, recorded = False, []
        phone.lossy = lambda datagram: recorded.append(datagram) or False  # type: ignore[func-returns-value]
        phone.ask()
        report = phone.protected_rtcp(rtcp.build_receiver_report(1) + rtcp.build_cname(1, "ear"))
        phone.raw(report)
        reports: list[object] = []
        peer.on_rtcp = reports.append
        await until(lambda: reports)
        old, before_ns = peer.address, peer.last_heard_ns
        clock.ahead_s += 10
        await phone.move()
        for datagram in recorded[:2]:  # by whoever has seen them
            phone.raw(datagram)
        await until(lambda: peer.counters.forged_stun)
        assert peer.address == old and peer.last_heard_ns == before_ns and len(sockets.ports[0].peers) == 1
        phone.ask()
        await until(lambda: moved)
        phone.raw(report)
        await until(lambda: peer.transport.replayed)
        assert moved == [phone.local] and peer.address == phone.local


async def test_a_broadcaster_whose_port_changes_is_known_by_its_media(sockets: MediaSockets) -> None:
    """A broadcaster's first packet from another port selects that pair, before any request from there; packets of others do not."""
    async with call(sockets, "publish") as (peer, phone):
        heard: list[int] = []
        peer.on_rtp = lambda packet, arrival_ns: heard.append(packet.sequence)
        phone.send(1, 0, b"voice")
        await until(lambda: heard == [1])
        await phone.stop_asking()
        again = phone.protected(rtp.build(softphone.OPUS, 2, 960, phone.ssrc, b"voice"))
        phone.raw(again)
        await until(lambda: heard == [1, 2])
        await phone.move()
        phone.raw(again)
        phone.raw(again[:2] + b"\0\x09" + again[4:8] + phone.ssrc.to_bytes(4, "big") + bytes(60))
        await until(lambda: peer.transport.replayed == peer.transport.forged == 1)
        assert peer.address != phone.local and len(sockets.ports[0].peers) == 1
        phone.send(3, 1920, b"voice")
        await until(lambda: heard == [1, 2, 3])
        assert peer.address == phone.local
        peer.send_rtcp(rtcp.build_receiver_report(1) + rtcp.build_cname(1, "us"))
        await until(lambda: phone.rtcp)
        await peer.close()
        phone.send(4, 2880, b"voice")
        unknown = sockets.dropped.unknown_address
        await until(lambda: sockets.dropped.unknown_address > unknown)


async def test_only_so_many_addresses_are_listened_to(sockets: MediaSockets) -> None:
    """A peer that keeps moving keeps its last eight addresses, and none after it is closed."""
    async with call(sockets, "publish") as (peer, phone):
        for _ in range(12):
            before = peer.address
            await phone.move()
            phone.ask()
            await until(lambda old=before: peer.address != old)  # type: ignore[misc]
        assert len(sockets.ports[0].peers) == 8
    assert not sockets.ports[0].peers


async def test_forged_and_replayed_packets_are_dropped_and_counted(sockets: MediaSockets) -> None:
    """The same packet twice is heard once, a changed one never, and neither is an error; both stay counted after the end."""
    drop_counters = DropCounters()
    async with call(sockets, "publish", counted=drop_counters) as (peer, phone):
        heard: list[bytes] = []
        peer.on_rtp = lambda packet, arrival_ns: heard.append(packet.payload)
        packet = phone.protected(rtp.build(softphone.OPUS, 9, 9, 9, b"once"))
        unseen = phone.protected(rtp.build(softphone.OPUS, 12, 9, 9, b"never"))
        for each in (packet, packet, unseen[:-1] + bytes([unseen[-1] ^ 1]), unseen[:12], b"\x80", b"\x80\xc8" + bytes(20)):
            phone.raw(each)
        broken = phone.protected(rtp.build(softphone.OPUS, 10, 9, 9, b"\x00"))
        padded = bytearray(rtp.build(softphone.OPUS, 11, 9, 9, b"\xff"))
        padded[0] |= 0x20
        phone.raw(phone.protected(bytes(padded)))
        phone.raw(broken)
        phone.raw(phone.protected_rtcp(b"\x80\xc8\x00\x02" + bytes(8)))
        await until(lambda: len(heard) == 2 and peer.counters.malformed == 3)
        assert heard == [b"once", b"\x00"]
        assert peer.transport.replayed == 1 and peer.transport.forged == 3
        counted = dict.fromkeys(REASONS, 0) | {"srtp_replayed": 1, "srtp_forged": 3, "rtp_malformed": 3}
        assert drop_counters.totals == counted
    assert drop_counters.totals == counted


async def test_one_ssrc_too_many_is_dropped(sockets: MediaSockets) -> None:
    """Packets of at most 64 SSRCs are decrypted; those that were known before the limit was reached continue."""
    async with call(sockets, "publish") as (peer, phone):
        heard: list[int] = []
        peer.on_rtp = lambda packet, arrival_ns: heard.append(packet.ssrc)
        for ssrc in range(MAX_SSRCS + 5):
            phone.raw(phone.protected(rtp.build(softphone.OPUS, 1, 1, ssrc, b"voice")))
            await until(lambda sent=ssrc + 1: len(heard) + peer.transport.strange == sent)  # type: ignore[misc]
        phone.raw(phone.protected(rtp.build(softphone.OPUS, 2, 2, 0, b"voice")))
        await until(lambda: len(heard) == MAX_SSRCS + 1)
        assert heard == [*range(MAX_SSRCS), 0] and peer.transport.strange == 5


async def test_a_flood_of_half_open_peers_is_bounded(clock: Clock) -> None:
    """Beyond the limit the oldest pending peer ends."""
    async with MediaSockets(["127.0.0.1"], 0, clock_ns=clock, max_pending=3) as sockets, Phone() as phone:
        gone: list[str] = []
        peers = []
        for _ in range(5):
            peer = answer(sockets, phone, "publish")
            peer.on_gone = lambda reason, name=peer.id: gone.append(name)  # type: ignore[misc]
            peers.append(peer)
        assert gone == [peer.id for peer in peers[:2]]
        for peer in peers:
            await peer.close()


async def test_a_flood_of_one_costs_nobody_else(clock: Clock) -> None:
    """The owner with most pending peers loses the oldest of them, even where another's is older."""
    async with MediaSockets(["127.0.0.1"], 0, clock_ns=clock, max_pending=3) as sockets, Phone() as phone:
        gone: list[int] = []
        peers = []
        for number, owner in enumerate(("ada", "flood", "flood", "flood", "flood", "bob")):
            peer = answer(sockets, phone, "publish", owner=owner)
            peer.on_gone = lambda reason, number=number: gone.append(number)  # type: ignore[misc]
            peers.append(peer)
        assert gone == [1, 2, 3]
        for peer in peers:
            await peer.close()


async def test_a_restart_renews_the_credentials_and_the_sound_goes_on(sockets: MediaSockets) -> None:
    """A restart has a new ufrag and ETag; the old credentials stay valid until the first request with the new ones."""
    async with call(sockets, "publish") as (peer, phone):
        same = f"a=ice-ufrag:{phone._ufrag}\r\na=ice-pwd:{phone._password}\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\na=candidate:rubbish\r\n"
        assert not peer.is_restart(same)
        peer.trickle(same)
        tag = peer.etag
        fresh = "a=ice-ufrag:newnew\r\na=ice-pwd:0123456789012345678901\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
        assert peer.is_restart(fresh)
        given_up = peer.restart(fresh)
        fragment = peer.restart(fresh)
        assert fragment != given_up and peer.etag != tag and not peer.is_restart(fresh)
        phone.ask()
        phone.send(1, 1, b"meanwhile")
        await until(lambda: peer.counters.received == 1)
        await phone.move()
        old = phone.username
        phone.take(fragment, "newnew")
        phone.ask()
        await until(lambda: peer.address == phone.local)
        assert list(sockets._by_ufrag) == [phone.username.split(":")[0]] and old != phone.username
        phone.send(2, 2, b"and on")
        await until(lambda: peer.counters.received == 2)
        for wrong in ("m=audio\r\n", "a=ice-ufrag:x\r\na=ice-pwd:y\r\n", "rubbish"):
            with pytest.raises(BadOffer):
                peer.restart(wrong)


async def test_closing_is_once_and_waits_and_the_owner_is_first(sockets: MediaSockets) -> None:
    """on_closing is called while tx is valid; afterwards nothing of the peer is left in the sockets."""
    async with call(sockets, "subscribe") as (peer, phone):
        seen: list[bool] = []
        peer.on_closing = lambda: seen.append(peer.tx is not None)
        await asyncio.gather(peer.close(), peer.close())
        await peer.close()
        assert seen == [True] and peer.tx is None
        assert not sockets._by_ufrag and not sockets._admitted and not sockets.ports[0].peers
        await until(lambda: phone.state == "closed")


async def test_a_peer_can_be_closed_before_anything(sockets: MediaSockets) -> None:
    """A peer can be closed right after it was made, before its task has begun."""
    async with Phone() as phone:
        await answer(sockets, phone, "publish").close()
    assert not sockets._by_ufrag and not sockets._admitted


@pytest.mark.parametrize("turns", range(6))
async def test_a_peer_can_be_closed_amid_the_handshake(sockets: MediaSockets, turns: int) -> None:
    """It can be closed in any turn of the loop after a datagram, although the library may swallow a cancellation then."""
    async with Phone() as phone:
        peer = answer(sockets, phone, "publish")
        seen: list[bytes] = []
        phone.deaf = lambda datagram: 19 < datagram[0] < 64 and not seen.append(datagram)  # type: ignore[func-returns-value]
        connecting = asyncio.create_task(phone.connect(phone.certificate))
        await until(lambda: seen)  # our first flight is out, and the answer to it will never come
        peer.transport.receive_dtls(b"\x16 something else")
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(20):
            await peer.close()
        assert peer.tx is None and not sockets._by_ufrag
        phone.give_up()
        await asyncio.gather(connecting, return_exceptions=True)


async def test_rubbish_harms_nobody(sockets: MediaSockets) -> None:
    """Thousands of mutated datagrams of every kind are dropped and counted, and the call goes on."""
    async with call(sockets, "publish") as (peer, phone):
        chance = random.Random(1)
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        request.attributes["USERNAME"] = phone.username
        request.add_message_integrity(b"y" * 24)
        models = [bytes(request), phone.protected(rtp.build(111, 1, 1, 1, b"x" * 40)), b"\x16\xfe\xfd" + bytes(30), bytes(20)]
        for _ in range(2000):
            datagram = bytearray(chance.choice(models))
            for _ in range(chance.randrange(4)):
                datagram[chance.randrange(len(datagram))] = chance.randrange(256)
            phone.raw(bytes(datagram[: chance.randrange(len(datagram) + 1)]))
            if chance.random() < 0.05:
                await asyncio.sleep(0)
        phone.send(100, 5, b"still here")
        heard: list[bytes] = []
        peer.on_rtp = lambda packet, arrival_ns: heard.append(packet.payload)
        await until(lambda: b"still here" in heard)
        assert peer.up and sockets.dropped.malformed and sockets.dropped.strange
