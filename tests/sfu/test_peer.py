"""A peer from offer to close, against aiortc and a softphone on loopback."""

import asyncio
import contextlib
import math
import os
import time
from collections.abc import AsyncIterator, Callable
from fractions import Fraction

import aiohttp
import av
import pytest
from aioice import stun
from aiortc import RTCCertificate, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamTrack
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sfu import dtls, rtcp, rtp, sdp
from sfu.errors import BadOffer
from sfu.peer import Peer, make_peer
from sfu.udp import MediaSockets
from tests import softphone
from tests.softphone import Softphone

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

    def raw(self, datagram: bytes) -> None:
        self._out(datagram)

    def ask(self) -> None:
        self._ask()

    @property
    def keys(self) -> object:
        return self._dtls


def answer(sockets: MediaSockets, phone: Phone, kind: sdp.Kind, setup: str = "actpass") -> Peer:
    peer = make_peer(sockets, CERTIFICATE, sdp.parse_offer(phone.offer(kind, setup), kind), kind, ssrc=SSRC)
    phone.answer = peer.answer
    return peer


@contextlib.asynccontextmanager
async def call(sockets: MediaSockets, kind: sdp.Kind, setup: str = "actpass") -> AsyncIterator[tuple[Peer, Phone]]:
    """A peer that is up and the softphone at its other end."""
    async with Phone() as phone:
        peer = answer(sockets, phone, kind, setup)
        ups: list[bool] = []
        peer.on_up = lambda: ups.append(peer.up)
        try:
            await phone.connect(phone.certificate)
            await until(lambda: peer.up)
            assert ups == [True]
            yield peer, phone  # type: ignore[misc]
        finally:
            await peer.close()


async def until(true: Callable[[], object], timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not true():
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
    offer = sdp.parse_offer(caller.localDescription.sdp, "publish")
    peer = make_peer(sockets, CERTIFICATE, offer, "publish")
    packets: list[rtp.RtpPacket] = []
    reports: list[rtcp.Rtcp] = []
    gone: list[str] = []
    peer.on_rtp = lambda packet, arrival_ns: packets.append(packet)
    peer.on_rtcp = reports.extend
    peer.on_gone = gone.append
    try:
        await caller.setRemoteDescription(RTCSessionDescription(peer.answer, "answer"))
        await until(lambda: len(packets) > 10 and any(isinstance(each, rtcp.SenderReport) for each in reports))
        assert {rtp.opus_samples(packet.payload) for packet in packets} == {960}
        assert [packet.sequence for packet in packets[1:]] == [packet.sequence + 1 & 0xFFFF for packet in packets[:-1]]
        assert {packet.payload_type for packet in packets} == {peer.audio.opus_pt}
        assert peer.counters.malformed == peer.forged == peer.replayed == 0
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
    peer = make_peer(sockets, CERTIFICATE, sdp.parse_offer(caller.localDescription.sdp, "subscribe"), "subscribe", ssrc=SSRC)
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
                assert peer.send_rtp(rtp.build(peer.audio.opus_pt, number, number * 960, SSRC, payload))
            payloads.clear()
        source.stop()
        async with asyncio.timeout(10):
            frame = await tracks[0].recv()
        assert frame.samples == 960 and peer.counters.sent >= 28  # type: ignore[union-attr]
    finally:
        await caller.close()
        await peer.close()
