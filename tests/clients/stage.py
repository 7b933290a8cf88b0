"""What every foreign client meets: a real server, a broadcaster with a token to publish, a friend with one to listen, and a tone."""

import asyncio
import io
import json
import os
from base64 import b64decode
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np

from tests.support.people import Person, friends
from tests.support.running import ROOT, Server
from tests.support.softphone import Softphone
from tests.support.sound import RATE_HZ, Sound, decode, encode

PROGRAMS = Path(__file__).parent / "programs"
NPM = ROOT / "var" / "npm" / "node_modules"
TONE_HZ, TONE_DBFS = 440.0, -23.0  # root mean square; a sine of full scale has -3
CLOSE_DB, CLOSE_HZ = 1.5, 6.0
TALK_S, HEAR_S = 3.5, 1.2  # who listens has to be there in time: a foreign program does not wait
START_S = 30.0  # for a foreign program to be there
SETTLE_S = 0.3  # an encoder's first packets are not at their level yet


class Tone(NamedTuple):
    """What a sound is like: its strongest frequency, its level (root mean square), its length."""

    frequency_hz: float
    level_dbfs: float
    length_s: float


def tone_in(sound: Sound) -> Tone:
    """Measured after the first SETTLE_S."""
    settled = sound[int(SETTLE_S * RATE_HZ) :]
    spectrum = np.abs(np.fft.rfft(settled * np.hanning(len(settled))))
    level = 20 * np.log10(max(float(np.sqrt(np.mean(settled**2))), 1e-9))
    return Tone(float(np.argmax(spectrum)) * RATE_HZ / len(settled), level, len(sound) / RATE_HZ)


def tone(seconds: float) -> Sound:
    """A sine of TONE_HZ at TONE_DBFS."""
    amplitude = 10 ** ((TONE_DBFS + 3.01) / 20)
    return (amplitude * np.sin(2 * np.pi * TONE_HZ * np.arange(int(seconds * RATE_HZ)) / RATE_HZ)).astype(np.float32)


def recorded(base64: str) -> Sound:
    """What a browser's MediaRecorder made of a sound."""
    with av.open(io.BytesIO(b64decode(base64))) as file:
        to_planes = av.AudioResampler("fltp", rate=RATE_HZ)  # the mean is taken here: making it mono would add 3 dB
        blocks = [block.to_ndarray().mean(axis=0) for frame in file.decode(audio=0) for block in to_planes.resample(frame)]
        return np.concatenate(blocks)


def measured(payloads: list[bytes]) -> Tone:
    return tone_in(decode(payloads))


def assert_tone(heard: Tone, *, least_s: float = HEAR_S * 0.8) -> None:
    assert abs(heard.frequency_hz - TONE_HZ) < CLOSE_HZ and abs(heard.level_dbfs - TONE_DBFS) < CLOSE_DB, heard
    assert heard.length_s > least_s, heard


@dataclass
class Stage:
    """`ada` broadcasts, `ben` is her friend; `publish` and `listen` are bearer tokens of theirs."""

    house: Server
    ada: Person
    ben: Person
    publish: str
    listen: str

    @property
    def whip(self) -> str:
        return f"{self.house.url}/whip/ada?denoise=0&record=0"

    @property
    def whep(self) -> str:
        return f"{self.house.url}/whep/ada?variant=original"

    def ear(self) -> Softphone:
        """Our own light client, with ben's token."""
        return Softphone(self.ben.http, self.house.url, {"Authorization": f"Bearer {self.listen}"})

    async def heard(self, seconds: float = HEAR_S, samples: int = 960) -> list[bytes]:
        """Opus payloads that a listener to `original` gets, in order; waits until ada is live. samples: a packet's length."""
        await self.ben.until("ada", START_S, live=True)
        try:
            async with self.ear() as ear:
                await ear.listen("ada", "?variant=original")
                await ear.heard(int(seconds * RATE_HZ / samples), 10 + seconds)
                packets = sorted((packet for _, packet in ear.received), key=lambda packet: packet.timestamp)
            assert {later.timestamp - earlier.timestamp for earlier, later in pairwise(packets)} == {samples}
        except BaseException:
            await self.ada.call("POST", "/api/stream/stop")  # whoever is heard next is another one
            raise
        return [packet.payload for packet in packets]

    async def heard_tone(self) -> Tone:
        return measured(await self.heard())

    @asynccontextmanager
    async def talking(self) -> AsyncIterator[None]:
        """Ada is live and says the tone, until the context is left."""
        packets = encode(tone(30.0))
        async with self.ada.phone() as mic:
            await mic.publish("ada", "?denoise=0&record=0")
            mic.send(0, 0, packets[0])
            await self.ada.until("ada", live=True)
            talk = asyncio.create_task(mic.talk(packets[1:], first=1))
            try:
                yield
            finally:
                talk.cancel()
                await asyncio.gather(talk, return_exceptions=True)


@asynccontextmanager
async def staged(house: Server) -> AsyncIterator[Stage]:
    async with friends(house.url, "ada", "ben") as (ada, ben):
        publish = await ada.call("POST", "/api/tokens", {"name": "encoder", "scopes": ["publish"]}, status=201)
        listen = await ben.call("POST", "/api/tokens", {"name": "player", "scopes": ["listen"]}, status=201)
        yield Stage(house, ada, ben, publish["token"], listen["token"])


@asynccontextmanager
async def meanwhile(work: Coroutine[Any, Any, Any]) -> AsyncIterator["asyncio.Task[Any]"]:
    """A task; who leaves without its result no longer waits for it."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def running(command: Sequence[str | Path], **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A foreign program; killed at the end if it has not ended by itself."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        cwd=ROOT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def said(process: asyncio.subprocess.Process, given: bytes = b"") -> Any:
    """Wait until the program ends well; the JSON of its last line, None where it said nothing."""
    out, wrong = await asyncio.wait_for(process.communicate(given), START_S + TALK_S)
    assert process.returncode == 0, wrong.decode(errors="replace")[-4000:]
    lines = out.decode().strip().splitlines()
    return json.loads(lines[-1]) if lines else None
