"""`client.py URL NAME publish FILE | listen FRIEND FILE SECONDS | watch | chords`; the password is in the environment, as PASSWORD.

publish sends a sound file as one's voice, listen writes a friend's voice into one, watch says who goes live, chords sends each line of
stdin as a chord to a new companion session. Needs aiohttp and aiortc. The server's page /api describes all that is asked here."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaPlayer, MediaRecorder


@asynccontextmanager
async def called(http: aiohttp.ClientSession, path: str, peer: RTCPeerConnection) -> AsyncIterator[None]:
    """An offer by WHIP or WHEP, its answer, and DELETE at the end."""
    await peer.setLocalDescription(await peer.createOffer())
    async with http.post(
        path, data=peer.localDescription.sdp, headers={"Content-Type": "application/sdp"}, raise_for_status=True
    ) as answer:
        await peer.setRemoteDescription(RTCSessionDescription(await answer.text(), "answer"))
    yield
    await http.delete(answer.headers["Location"])
    await peer.close()


async def publish(http: aiohttp.ClientSession, name: str, file: str) -> None:
    peer, voice, ended = RTCPeerConnection(RTCConfiguration([])), MediaPlayer(file).audio, asyncio.Event()
    voice.on("ended", ended.set)
    peer.addTrack(voice)
    async with called(http, f"/whip/{name}", peer):
        await ended.wait()


async def listen(http: aiohttp.ClientSession, _: str, friend: str, file: str, seconds: str) -> None:
    peer, recorder = RTCPeerConnection(RTCConfiguration([])), MediaRecorder(file)
    receiver = peer.addTransceiver("audio", "recvonly").receiver
    async with called(http, f"/whep/{friend}", peer):
        recorder.addTrack(receiver.track)
        await recorder.start()
        await asyncio.sleep(float(seconds))
    await recorder.stop()


async def watch(http: aiohttp.ClientSession, _: str) -> None:
    async with http.ws_connect("/ws/presence") as socket:
        async for message in socket:
            match message.json():
                case {"type": "all_statuses", "data": {"friends": friends}}:
                    print("friends:", *(friend["username"] for friend in friends), flush=True)
                case {"type": "streaming_status_update", "data": {"username": friend, "is_streaming": live}}:
                    print(friend, "is live" if live else "has ended", flush=True)


async def chords(http: aiohttp.ClientSession, _: str) -> None:
    made = await (await http.post("/api/companions", json={"kind": "practice"})).json()
    async with http.ws_connect(f"/ws/session/{made['id']}") as socket:
        while chord := (await asyncio.to_thread(sys.stdin.readline)).strip():
            await socket.send_json({"type": "chord_change", "data": {"chord": chord}})
            while (said := await socket.receive_json())["type"] != "chord_change":
                pass
            print("all devices have", said["data"]["chord"], flush=True)


async def main(url: str, name: str, what: str, *more: str) -> None:
    """The login's cookie stays in the session; each change needs the site's own Origin."""
    async with aiohttp.ClientSession(url, cookie_jar=aiohttp.CookieJar(unsafe=True), headers={"Origin": url}) as http:
        await http.post("/api/login", json={"username": name, "password": os.environ["PASSWORD"]}, raise_for_status=True)
        await {"publish": publish, "listen": listen, "watch": watch, "chords": chords}[what](http, name, *more)


asyncio.run(main(*sys.argv[1:]))
