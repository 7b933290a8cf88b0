"""Strength, denoiser and variant changed while live, over HTTP: heard soon, and nothing else is heard of it."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest

from tests.end_to_end.test_mic_to_ear import assert_whole, denoised_by, sound_of, workers_of
from tests.support.people import Person, friends
from tests.support.running import ROOT
from tests.support.softphone import Softphone
from tests.support.sound import Sound, encode, read_wav
from tests.support.strangers import install

pytestmark = pytest.mark.real_time(pair=True)

Change = Callable[[Person], Awaitable[object]]


@pytest.fixture(scope="module")
def noisy(audio_folder: Path) -> list[bytes]:
    return encode(read_wav(audio_folder / "noisy_snr0.wav"))


async def set_to(person: Person, **change: object) -> dict[str, object]:
    """POST /api/stream/denoise; what the status says at once."""
    status = await person.call("POST", "/api/stream/denoise", change)
    denoise: dict[str, object] = status["denoise"]
    return denoise


def jump(sound: Sound) -> float:
    """The largest step from one sample to the next, without the start of the decoder."""
    return float(np.abs(np.diff(sound[4800:])).max())


async def talk_and_change(ada: Person, mic: Softphone, ears: list[Softphone], noisy: list[bytes], changes: list[dict[str, object]]) -> None:
    """Talk, with a change every 20 packets, until all have been heard as long."""
    enough = asyncio.Event()
    talking = asyncio.create_task(mic.talk(cycle(noisy), first=1, until=enough))
    for change in changes:
        await ears[0].heard(len(ears[0].received) + 20)
        said = await set_to(ada, **change)
        assert all(said[key] == value for key, value in change.items()), (said, change)
    await ears[0].heard(len(ears[0].received) + 20)
    enough.set()
    sent = await talking
    await asyncio.gather(*(ear.heard(sent) for ear in ears))
    for ear in ears:
        assert_whole([packet for _, packet in ear.received])


async def test_changes_are_not_heard_themselves(server, noisy: list[bytes]) -> None:
    """Whatever is changed all the time, numbers and times stay whole, and no step is larger than those of the voice."""
    house = await server()
    async with friends(house.url, "ada", "ben", "cem", "dan") as (ada, *others):
        await denoised_by(ada, "deepfilternet3")
        async with ada.phone() as mic, others[0].phone() as auto, others[1].phone() as raw, others[2].phone() as clean:
            await mic.publish("ada")
            mic.send(0, 0, noisy[0])
            await ada.until("ada", live=True, denoise_state="active")
            await asyncio.gather(auto.listen("ada"), raw.listen("ada", "?variant=original"), clean.listen("ada", "?variant=denoised"))
            before = await workers_of(house.pid)
            changes = [
                {"enabled": False}, {"enabled": True}, {"strength_db": 12}, {"denoiser": "rnnoise"}, {"strength_db": None},
                {"enabled": False}, {"denoiser": "deepfilternet3"}, {"enabled": True}, {"strength_db": 0}, {"strength_db": 100},
                {"denoiser": "rnnoise", "strength_db": 6}, {"denoiser": "deepfilternet3"}, {"strength_db": None},
            ]  # fmt: skip
            await talk_and_change(ada, mic, [auto, raw, clean], noisy, [{**each} for each in changes if each != {"strength_db": 100}])
            assert await workers_of(house.pid) == before  # it was one worker all the time
        loudest = max(jump(sound_of(phone)[0]) for phone in (raw, clean))
        assert jump(sound_of(auto)[0]) <= 1.05 * loudest


async def ready(person: Person, *names: str) -> None:
    """Wait until all of them can serve."""
    async with asyncio.timeout(60):
        while not set(names) <= {each["name"] for each in await person.call("GET", "/api/denoisers") if each["available"]}:
            await asyncio.sleep(0.05)


async def test_another_worker_takes_over(server, noisy: list[bytes], tmp_path: Path) -> None:
    """A denoiser that was not loaded when the worker began comes in a worker of its own, without a gap, and lengthens the delay."""
    (tmp_path / "strangers").mkdir(exist_ok=True)
    path = os.pathsep.join((str(install(tmp_path / "strangers")), str(ROOT)))
    house, enough = await server({"denoise.default": "passthrough"}, PYTHONPATH=path), asyncio.Event()
    async with friends(house.url, "ada", "ben") as (ada, ben):
        async with ada.phone() as mic, ben.phone() as ear:
            await mic.publish("ada")
            mic.send(0, 0, noisy[0])
            status = await ada.until("ada", live=True, denoise_state="active")
            assert status["latency_ms"]["algorithmic"] == 20
            await ear.listen("ada")
            talking = asyncio.create_task(mic.talk(cycle(noisy), first=1, until=enough))
            before = await workers_of(house.pid)
            said = await set_to(ada, denoiser="slow", strength_db=9)
            assert said == {"enabled": True, "denoiser": "passthrough", "state": "active", "reason": None, "strength_db": 9}
            status = await ada.until("ada", denoise_denoiser="slow", denoise_state="active", denoise_strength_db=9)
            assert status["latency_ms"]["algorithmic"] == 40
            async with asyncio.timeout(20):
                while (after := await workers_of(house.pid)) == before or len(after) > 1:
                    await asyncio.sleep(0.02)
            assert (await set_to(ada, denoiser="passthrough"))["denoiser"] == "passthrough"  # this one has both
            assert await workers_of(house.pid) == after
            await ear.heard(len(ear.received) + 20)
            enough.set()
            await ear.heard(await talking)
            status = await ada.status()
        assert_whole([packet for _, packet in ear.received])
        assert status["denoise"]["strength_db"] == 9 and status["latency_ms"]["algorithmic"] == 40


@pytest.mark.parametrize(
    ("name", "delay_ms"),
    [
        pytest.param("passthrough", 40, marks=pytest.mark.slow),
        ("rnnoise", 40),
        pytest.param("deepfilternet2_ll", 40, marks=pytest.mark.slow),
        ("deepfilternet2", 60),
    ],
)
async def test_the_first_change_is_made_in_the_worker(server, name: str, delay_ms: int) -> None:
    """Whatever is chosen on a fresh server, the answer names it, no other worker is made, and nothing is missing or moved."""
    noise = encode(0.3 * np.random.default_rng(1).standard_normal(48_000).astype(np.float32))
    house, enough = await server(), asyncio.Event()
    async with friends(house.url, "ada", "ben") as (ada, ben):
        await ready(ada, "deepfilternet3", name)
        async with ada.phone() as mic, ben.phone() as ear:
            await mic.publish("ada")
            mic.send(0, 0, noise[0])
            await ada.until("ada", live=True, denoise_state="active", denoise_denoiser="deepfilternet3")
            await ear.listen("ada")
            talking = asyncio.create_task(mic.talk(cycle(noise), first=1, until=enough))
            await ear.heard(80)
            before = await workers_of(house.pid)
            at = len(ear.received)
            assert (await set_to(ada, denoiser=name))["denoiser"] == name
            await ear.heard(len(ear.received) + 40)
            assert await workers_of(house.pid) == before
            assert (await ada.status())["latency_ms"]["algorithmic"] == delay_ms
            enough.set()
            await ear.heard(await talking)
        assert_whole([packet for _, packet in ear.received])
    if name == "passthrough":  # this one can be told from the others by its loudness; how soon it comes, others test
        levels = [float(np.sqrt(np.mean(block**2))) for block in sound_of(ear)[0].reshape(-1, 960)]
        assert np.median(levels[at - 20 : at]) < 0.2 < np.median(levels[-20:])  # a packet that is late is heard as it was sent


async def test_a_change_is_heard_within_five_packets(server) -> None:
    """After the answer come at most five packets, 100 ms of sound, before the other strength: here from silence to the whole noise."""
    noise = encode(0.3 * np.random.default_rng(1).standard_normal(48_000 * 4).astype(np.float32))
    house = await server()
    async with friends(house.url, "ada", "ben") as (ada, ben):
        await denoised_by(ada, "deepfilternet3")
        async with ada.phone() as mic, ben.phone() as ear:
            await mic.publish("ada")
            mic.send(0, 0, noise[0])
            await ada.until("ada", live=True, denoise_state="active")
            await ear.listen("ada")
            talking = asyncio.create_task(mic.talk(noise[1:], first=1))
            answered = []
            for strength in (0, None, 0):
                await asyncio.sleep(0.9)
                await set_to(ada, strength_db=strength)
                answered.append(len(ear.received))
            await talking
            await ear.heard(len(noise) - 1)
    levels = [float(np.sqrt(np.mean(block**2))) for block in sound_of(ear)[0].reshape(-1, 960)]
    took = []
    for at, loud in zip(answered, cycle((True, False)), strict=False):
        took.append(next(place for place, level in enumerate(levels[at:]) if (level > 0.2) is loud))
    assert sorted(took)[1] <= 5, took


async def test_settings_outlive_workers_and_reconnections(server, noisy: list[bytes]) -> None:
    """A new peer and a new worker find strength, denoiser and switch as the broadcaster left them."""
    house = await server()
    async with friends(house.url, "ada", "ben") as (ada, _):
        await denoised_by(ada, "deepfilternet3")
        async with ada.phone() as mic, ada.phone() as again:
            await mic.publish("ada")
            mic.send(0, 0, noisy[0])
            await ada.until("ada", live=True, denoise_state="active")
            left = await set_to(ada, denoiser="rnnoise", strength_db=15)
            await again.publish("ada")
            again.send(0, 0, noisy[1])
            await asyncio.sleep(0.2)
            assert (await ada.status())["denoise"] == left
            left = await set_to(ada, enabled=False)
            third = ada.phone()
            async with third:
                await third.publish("ada")
                third.send(0, 0, noisy[2])
                await asyncio.sleep(0.2)
                assert (await ada.status())["denoise"] == left
