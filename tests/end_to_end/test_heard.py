"""What a recording says of itself is what its listeners heard: real server, real worker, real packets."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.test_mic_to_ear import the_worker
from tests.support.people import Person, friends
from tests.support.running import Server
from tests.support.softphone import Softphone
from tests.support.sound import encode, read_wav

pytestmark = pytest.mark.real_time(pair=True)

SAMPLES = 960
PACKET_S = 0.02
LEAST_S = 0.1  # what lasts less is not told


@pytest.fixture(scope="module")
def noisy(audio_folder: Path) -> list[bytes]:
    return encode(read_wav(audio_folder / "noisy_snr0.wav"))


class Mouth:
    """Says the voice on and on. `said`: how many packets, those that were left out too."""

    def __init__(self, phone: Softphone, voice: list[bytes]) -> None:
        self.phone, self.voice, self.said = phone, voice, 0

    async def say(self, packets: int) -> None:
        voice = [self.voice[number % len(self.voice)] for number in range(self.said, self.said + packets)]
        await self.phone.talk(voice, first=self.said)
        self.said += packets

    async def lose(self, packets: int) -> None:
        await asyncio.sleep(packets * PACKET_S)
        self.said += packets


def heard_as_said(ear: Softphone, voice: list[bytes]) -> dict[int, bool]:
    """By number: whether a packet came as the broadcaster had sent it. Who joins is sent numbers from the lower or the upper half on."""
    numbered = {packet.sequence & 0x7FFF: packet.payload for _, packet in ear.received}
    return {number: payload == voice[number % len(voice)] for number, payload in numbered.items()}


async def ready(person: Person, recording: int) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            [row] = [each for each in await person.call("GET", "/api/recordings") if each["id"] == recording]
            if row["state"] == "ready":
                return dict(row)
            await asyncio.sleep(0.05)


def within(row: dict[str, Any], number: int) -> str:
    """The kind of the span that a packet's middle lies in, or clean."""
    at = (number + 0.5) * PACKET_S
    return next((each["kind"] for each in row["spans"] if each["from_s"] <= at < each["to_s"]), "clean")


async def test_the_row_says_what_was_heard(server, noisy: list[bytes]) -> None:
    """Switched off, a worker's death, parked and lost: each in its span, with its reason, and no packet that was cleaned in any."""
    house: Server = await server({"denoise.default": "passthrough"})
    async with friends(house.url, "ada", "ben") as (ada, ben):
        async with ada.phone() as phone, ben.phone() as ear:
            mouth = Mouth(phone, noisy)
            await phone.publish("ada")
            await mouth.say(1)
            await ada.until("ada", live=True, denoise_state="active")
            await ear.listen("ada")
            await mouth.say(60)
            await ada.call("POST", "/api/stream/denoise", {"enabled": False})
            await mouth.say(50)
            await ada.call("POST", "/api/stream/denoise", {"enabled": True})
            await mouth.say(60)
            os.kill(await the_worker(house.pid), signal.SIGKILL)
            await mouth.say(60)
            await ada.until("ada", denoise_state="active")
            await mouth.say(40)
            await mouth.lose(20)
            await mouth.say(40)
            await ada.call("POST", "/api/stream/park")
            await mouth.lose(75)
            await mouth.say(50)
            await ada.until("ada", state="live")
            row = await ready(ada, (await ada.call("POST", "/api/stream/stop"))["recording"])
    assert_told(row, mouth.said, heard_as_said(ear, noisy))


def assert_told(row: dict[str, Any], said: int, as_said: dict[int, bool]) -> None:
    assert row["duration_s"] == pytest.approx(said * PACKET_S, abs=0.001) and row["parts"] == []
    spans = row["spans"]
    long = [(each["kind"], each["reason"]) for each in spans if each["to_s"] - each["from_s"] > LEAST_S]
    assert [each for each in long if each[0] != "bypass"] == [("denoise_off", None), ("gap", None), ("gap", "parked")], spans
    assert ("bypass", "worker_failed") in [(each["kind"], each["reason"]) for each in spans], spans
    uncleaned = [number for number, same in as_said.items() if same]
    assert uncleaned and all(within(row, number) in ("bypass", "denoise_off") for number in uncleaned), (row, uncleaned)
    cleaned = [number for number, same in as_said.items() if not same]
    wrong = [number for number in cleaned if within(row, number) != "clean"]
    assert len(wrong) <= LEAST_S / PACKET_S * len(spans), (row, wrong)  # only the short stretches between two uncleaned ones
    missing = [number for number in range(min(as_said), said) if number not in as_said]
    assert sum(within(row, number) == "gap" for number in missing) > 90, (row, missing)
    sound_s = row["duration_s"] - sum(each["to_s"] - each["from_s"] for each in spans if each["kind"] == "gap")
    clean_s = row["duration_s"] - sum(each["to_s"] - each["from_s"] for each in spans)
    assert row["denoised_share"] == pytest.approx(clean_s / sound_s, abs=0.001) and row["denoised"] is True
