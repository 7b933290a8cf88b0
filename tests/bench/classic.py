"""The classic way, for comparison: aiortc's peer connections, MediaRelay and addTrack, behind WHIP and WHEP."""

import asyncio
import secrets
import signal

import aioice.ice
from aiohttp import web
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRelay


class Classic:
    """One voice, and who hears it."""

    def __init__(self) -> None:
        self.relay = MediaRelay()
        self.voice: MediaStreamTrack | None = None
        self.peers: set[RTCPeerConnection] = set()

    async def publish(self, request: web.Request) -> web.Response:
        peer = self._peer()

        @peer.on("track")
        def heard(track: MediaStreamTrack) -> None:
            self.voice = track

        return await self._answer(peer, request)

    async def subscribe(self, request: web.Request) -> web.Response:
        assert self.voice is not None, "nobody speaks"
        peer = self._peer()
        peer.addTrack(self.relay.subscribe(self.voice))
        return await self._answer(peer, request)

    def _peer(self) -> RTCPeerConnection:
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.peers.add(peer)
        return peer

    async def _answer(self, peer: RTCPeerConnection, request: web.Request) -> web.Response:
        await peer.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        name = secrets.token_hex(8)
        headers = {"Location": f"/{name}", "ETag": f'"{name}"'}
        return web.Response(status=201, text=peer.localDescription.sdp, content_type="application/sdp", headers=headers)


async def main() -> None:
    # aioice leaves loopback out, and everything here is on it
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    classic, stop = Classic(), asyncio.Event()
    app = web.Application()
    app.add_routes([web.post("/whip/{name}", classic.publish), web.post("/whep/{name}", classic.subscribe)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    host, port = runner.addresses[0][:2]
    print(f"listening http://{host}:{port}/", flush=True)
    await stop.wait()
    await asyncio.gather(*(peer.close() for peer in classic.peers))
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
