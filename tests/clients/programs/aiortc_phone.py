"""aiortc's RTCPeerConnection: `publish|listen URL TOKEN SECONDS`. The listener says what tone it heard, as JSON."""

import asyncio
import json
import sys
from fractions import Fraction

import aiohttp
import av
import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from yarl import URL

from tests.clients.stage import tone, tone_in

FRAME = 960


class Sine(MediaStreamTrack):
    """A tone, 20 ms at a time, at its pace."""

    kind = "audio"

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._sound = (tone(seconds) * 32767).astype(np.int16)
        self._at = 0
        self._start = asyncio.get_running_loop().time()

    async def recv(self) -> av.AudioFrame:
        await asyncio.sleep(max(0.0, self._start + self._at / 48_000 - asyncio.get_running_loop().time()))
        start = self._at % (len(self._sound) - FRAME)
        # Two channels, which its encoder has anyway: making them out of one would take off 3 dB.
        frame = av.AudioFrame.from_ndarray(self._sound[None, start : start + FRAME].repeat(2, axis=1), "s16", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, self._at, Fraction(1, 48_000)
        self._at += FRAME
        return frame


async def call(phone: RTCPeerConnection, http: aiohttp.ClientSession, url: str, token: str) -> str:
    await phone.setLocalDescription(await phone.createOffer())
    headers = {"Content-Type": "application/sdp", "Authorization": f"Bearer {token}"}
    async with http.post(url, data=phone.localDescription.sdp, headers=headers) as response:
        assert response.status == 201, await response.text()
        await phone.setRemoteDescription(RTCSessionDescription(await response.text(), "answer"))
        return str(response.url.join(URL(response.headers["Location"])))


async def listened(phone: RTCPeerConnection, seconds: float) -> dict[str, float]:
    [receiver] = phone.getReceivers()
    blocks: list[np.ndarray] = []
    while sum(map(len, blocks)) < seconds * 48_000:
        frame = await asyncio.wait_for(receiver.track.recv(), 10)
        channels = len(frame.layout.channels)
        blocks.append(frame.to_ndarray().reshape(-1, channels).mean(axis=1) / 32768)
    return tone_in(np.concatenate(blocks).astype(np.float32))._asdict()


async def main(mode: str, url: str, token: str, seconds: float) -> None:
    async with aiohttp.ClientSession() as http:
        phone = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        if mode == "publish":
            phone.addTrack(Sine(seconds))
        else:
            phone.addTransceiver("audio", direction="recvonly")
        location = await call(phone, http, url, token)
        if mode == "publish":
            await asyncio.sleep(seconds)
        else:
            print(json.dumps(await listened(phone, seconds)))
        async with http.delete(location, headers={"Authorization": f"Bearer {token}"}) as response:
            assert response.status in (200, 404), response.status
        await phone.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])))
