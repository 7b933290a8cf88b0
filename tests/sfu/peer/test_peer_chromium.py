"""Chromium publishes and listens over a bare peer, without any server of ours around it."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from playwright.async_api import Page

from sfu.net.media_port import MediaSockets
from sfu.peer import dtls
from sfu.peer.endpoint import AnswerOptions, Endpoint
from sfu.peer.peer import Peer, make_peer
from sfu.wire import rtp, sdp
from sfu.wire.candidates import Used
from sfu.wire.offer import parse_offer

SSRC = 77
CALL = """
const call = async (pc, path) => {
    await pc.setLocalDescription();
    const response = await fetch(path, {method: 'POST', body: pc.localDescription.sdp});
    await pc.setRemoteDescription({type: 'answer', sdp: await response.text()});
    await new Promise((connected, failed) => {
        const look = () => ({connected, failed})[pc.connectionState]?.();
        pc.onconnectionstatechange = look;
        look();
    });
};
const stats = async (pc, type) => [...(await pc.getStats()).values()].find(each => each.type === type);
const until = async ready => { while (!(await ready())) await new Promise(then => setTimeout(then, 50)); };
"""
PUBLISH = (
    "async red => {"
    + CALL
    + """
    const stream = await navigator.mediaDevices.getUserMedia({audio: true});
    window.publisher = new RTCPeerConnection();
    const sender = publisher.addTransceiver(stream.getAudioTracks()[0], {direction: 'sendonly'});
    publisher.addTransceiver('video', {direction: 'sendonly'});
    publisher.createDataChannel('chat');
    if (red) {
        const known = RTCRtpSender.getCapabilities('audio').codecs;
        sender.setCodecPreferences(['audio/red', 'audio/opus'].map(type => known.find(each => each.mimeType === type)));
    }
    await call(publisher, '/publish');
    await until(async () => (await stats(publisher, 'outbound-rtp')).packetsSent > 20);
    return [(await stats(publisher, 'transport')).srtpCipher, (await stats(publisher, 'codec')).sdpFmtpLine];
}"""
)
LISTEN = (
    "async () => {"
    + CALL
    + """
    window.listener = new RTCPeerConnection();
    listener.addTransceiver('audio', {direction: 'recvonly'});
    const ear = new Audio();
    listener.ontrack = ({streams}) => { ear.srcObject = streams[0]; ear.play().catch(() => {}); };
    await call(listener, '/listen');
    await until(async () => (await stats(listener, 'inbound-rtp'))?.packetsReceived > 20);
    return [(await stats(listener, 'transport')).srtpCipher, (await stats(listener, 'inbound-rtp')).packetsReceived];
}"""
)


class Exchange:
    """One broadcaster's packets, passed on to whoever listens."""

    def __init__(self, sockets: MediaSockets) -> None:
        self.endpoint = Endpoint(sockets, dtls.new_certificate())
        self.peers: list[Peer] = []
        self.packets: list[rtp.RtpPacket] = []

    async def take(self, request: web.Request) -> web.Response:
        if request.method == "GET":
            return web.Response(text="<!doctype html><link rel=icon href=data:,>", content_type="text/html")
        kind: sdp.Kind = "publish" if request.path == "/publish" else "subscribe"
        offer = parse_offer(await request.text(), kind, red=True)
        peer = make_peer(self.endpoint, offer, kind, AnswerOptions(Used(("127.0.0.1",)), ssrc=SSRC))
        peer.on_rtp = self.relay
        self.peers.append(peer)
        return web.Response(text=peer.answer)

    def relay(self, packet: rtp.RtpPacket, arrival_ns: int) -> None:
        self.packets.append(packet)
        for peer in self.peers:
            if peer.kind == "subscribe" and peer.up:
                peer.send_rtp(rtp.build(packet.payload_type, packet.sequence & 0x7FFF, packet.timestamp, SSRC, packet.payload))


@pytest.fixture
async def exchange() -> AsyncIterator[tuple[Exchange, str]]:
    async with MediaSockets(["127.0.0.1"], 0) as sockets:
        made = Exchange(sockets)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", made.take)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield made, f"http://127.0.0.1:{runner.addresses[0][1]}/"
        for peer in made.peers:
            await peer.close()
        await runner.cleanup()


@pytest.mark.parametrize("red", [False, True])
async def test_chromium_talks_to_chromium(
    exchange: tuple[Exchange, str], browser: object, visit: Callable[[str], Awaitable[Page]], red: bool
) -> None:
    """Both ways with AES-GCM, Opus with FEC or inside RED, audio levels; nothing is forged, malformed or refused."""
    made, url = exchange
    page = await visit(url)
    cipher, fmtp = await page.evaluate(PUBLISH, red)
    assert cipher == "SRTP_AEAD_AES_256_GCM" and "useinbandfec=1" in fmtp
    audio = made.peers[0].audio
    assert {packet.payload_type for packet in made.packets} == {audio.red_pt if red else audio.opus_pt}
    assert all(-127 <= packet.level_dbfs <= 0 for packet in made.packets)
    cipher, received = await page.evaluate(LISTEN)
    assert cipher == "SRTP_AEAD_AES_256_GCM" and received > 20
    assert [(peer.transport.forged, peer.transport.replayed, peer.counters.malformed, peer.counters.early) for peer in made.peers] == [
        (0, 0, 0, 0)
    ] * 2
