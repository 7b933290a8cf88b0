"""Mute over the real server: a client that goes on talking is heard by nobody, nor by the recording, until it is lifted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import aiohttp
import numpy as np

from sfu.ingest.mute import silent_packet
from sfu.wire import red
from tests.support.people import Person, friends
from tests.support.running import Server
from tests.support.softphone import RED, Softphone
from tests.support.spoken import decoded, packets_of
from workers.voice.opus import Decoder

VOICE = packets_of(4)
SILENCE = silent_packet(VOICE[0][0], 960)


@asynccontextmanager
async def talking(phone: Softphone, first: int = 0) -> AsyncIterator[None]:
    """It says the same four seconds over and over meanwhile."""
    until = asyncio.Event()
    task = asyncio.create_task(phone.talk(VOICE * 50, first=first, until=until))
    yield
    until.set()
    await task


async def recorded(house: Server, person: Person) -> Path:
    """The folder of the newest recording, when it is ready."""
    async with asyncio.timeout(60):
        while (found := await person.call("GET", "/api/recordings"))[0]["state"] != "ready":
            await asyncio.sleep(0.05)
    return house.storage / "recordings" / str(found[0]["id"])


def loudness(sound: np.ndarray, from_s: float, to_s: float) -> float:
    """Of a part, RMS."""
    return float(np.sqrt(np.mean(np.square(sound[int(from_s * 48_000) : int(to_s * 48_000)]))))


async def test_nothing_that_is_said_while_muted_goes_further(server) -> None:
    """Neither as `original`, nor as `auto` with RED, nor into the recording; numbers, time and being live go on, and then the voice."""
    house = await server({"denoise.default": "passthrough"})
    async with friends(house.url, "ada", "ben") as (ada, ben), ada.phone() as mic, ben.phone() as ear, ben.phone() as other:
        await mic.publish("ada", "?denoise=1")
        async with talking(mic):
            await ben.until("ada", live=True, muted=False)
            await asyncio.gather(ear.listen("ada", "?variant=original"), other.listen("ada", red=True))
            await asyncio.gather(ear.heard(20), other.heard(20))
            await ada.call("POST", "/api/stream/mute", {"muted": True}, status=204)
            begun_s = (await ben.until("ada", muted=True, state="live"))["duration_s"]
            so_far = len(ear.received), len(other.received)
            await asyncio.gather(ear.heard(so_far[0] + 100), other.heard(so_far[1] + 100))
            ended_s = (await ada.until("ada", muted=True, state="live"))["duration_s"]
            muted = [packet.payload for _, packet in ear.received[so_far[0] + 5 : so_far[0] + 95]]
            assert set(muted) == {SILENCE}
            decoder = Decoder()  # silence, as it is or encoded once more: an encoder may take many bytes for it at first
            for _, packet in other.received[so_far[1] + 15 : so_far[1] + 90]:
                payloads = [block.payload for block in red.parse(packet.payload)] if packet.payload_type == RED else [packet.payload]
                assert all(np.abs(decoder.decode(payload)).max() < 2e-3 for payload in payloads)
            await ada.call("POST", "/api/stream/mute", {"muted": False}, status=204)
            await ear.heard(len(ear.received) + 50)
        assert ear.received[-1][1].payload in VOICE
        for phone in (ear, other):
            numbers = [packet.sequence for _, packet in phone.received]
            times = [packet.timestamp for _, packet in phone.received]
            assert {later - earlier & 0xFFFF for earlier, later in pairwise(numbers)} == {1}
            assert {later - earlier & 0xFFFFFFFF for earlier, later in pairwise(times)} == {960}
        await ada.call("POST", "/api/stream/stop")
        folder = await recorded(house, ada)
        for name in ("original.opus", "denoised.opus"):
            sound = decoded(folder / name)
            assert loudness(sound, begun_s + 0.3, ended_s - 0.3) < 1e-3 < 0.01 < loudness(sound, ended_s + 0.5, ended_s + 0.8)


async def test_only_unmuting_lifts_it(server) -> None:
    """A program that takes over with a token is muted from its first packet, and so is whoever comes back in the grace time; a
    token may lift it, and nobody's level betrays them."""
    house = await server({"denoise.default": "passthrough"})
    async with friends(house.url, "ada", "ben") as (ada, ben), ada.phone() as mic, ben.phone() as ear, aiohttp.ClientSession() as http:
        token = (await ada.call("POST", "/api/tokens", {"name": "obs", "scopes": ["publish"]}, status=201))["token"]
        bearer = {"Authorization": f"Bearer {token}"}
        await mic.publish("ada", "?denoise=0")
        async with talking(mic):
            await ben.until("ada", live=True)
            await ada.call("POST", "/api/stream/mute", {"muted": True}, status=204)
        await ear.listen("ada", "?variant=original")
        await ada.call("POST", "/api/stream/park", status=204)
        async with Softphone(http, house.url, bearer) as obs:
            await obs.publish("ada")
            async with talking(obs), ben.http.ws_connect(f"{house.url}/ws/stream/ada", headers={"Origin": house.url}) as socket:
                await ear.heard(60)
                assert {packet.payload for _, packet in ear.received[20:]} == {SILENCE}
                assert (await ben.status("ada"))["muted"] is True
                levels = [said["data"] for said in [await socket.receive_json() for _ in range(10)] if said["type"] == "level"]
                assert all(level["original_dbfs"] is None or level["original_dbfs"] <= -90 for level in levels)
                lifting = http.post(f"{house.url}/api/stream/mute", json={"muted": False}, headers=bearer)
                assert (await lifting).status == 204
                await ear.heard(len(ear.received) + 30)
            assert ear.received[-1][1].payload in VOICE
        await ada.call("POST", "/api/stream/stop")
        assert (await ada.status())["muted"] is False


async def test_the_remote_mutes_whatever_client_sends(server) -> None:
    """A companion's `mute` and `unmute` are done by the server and stand in the status; the page hears of them too."""
    house = await server({"denoise.default": "passthrough"})
    async with friends(house.url, "ada") as (ada,), ada.phone() as mic:
        made = await ada.call("POST", "/api/companions", {"kind": "remote"}, status=201)
        async with ada.http.ws_connect(f"{house.url}/ws/session/{made['id']}", headers={"Origin": house.url}) as phone:
            await phone.send_json({"type": "remote", "data": {"action": "mute"}})  # not live: nothing to mute, and no harm
            await mic.publish("ada", "?denoise=0")
            async with talking(mic):
                await ada.until("ada", live=True, muted=False)
                for action, muted in (("mute", True), ("unmute", False)):
                    await phone.send_json({"type": "remote", "data": {"action": action}})
                    await ada.until("ada", muted=muted)
            while (said := await phone.receive_json())["type"] != "remote" or said["data"] != {"action": "unmute"}:
                pass
