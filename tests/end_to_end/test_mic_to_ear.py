"""A voice through everything: real server, real DTLS and SRTP, real model; what arrives is decoded and measured."""

import asyncio
import os
import signal
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sfu.wire.rtp import RtpPacket
from tests.support.people import Person, friends
from tests.support.running import Server
from tests.support.softphone import Softphone
from tests.support.sound import RATE_HZ, Sound, decode, delay_of, encode, read_wav, segment_si_sdr

SAMPLES = 960  # a packet of 20 ms
LOOKAHEAD = 312  # samples by which the encoder trails


@pytest.fixture(scope="module")
def noisy(audio_folder: Path) -> list[bytes]:
    """The noisy voice as a browser would send it: 529 packets of 20 ms."""
    return encode(read_wav(audio_folder / "noisy_snr0.wav"))


async def denoised_by(person: Person, name: str) -> None:
    """Wait until the model is ready to serve."""
    async with asyncio.timeout(120):
        while not any(each["name"] == name and each["available"] for each in await person.call("GET", "/api/denoisers")):
            await asyncio.sleep(0.1)


def sound_of(phone: Softphone) -> tuple[np.ndarray, int]:
    """What a listener heard, decoded, and the RTP time of its first sample."""
    packets = sorted((packet for _, packet in phone.received), key=lambda packet: packet.timestamp)
    return decode([packet.payload for packet in packets]), packets[0].timestamp


def assert_whole(packets: list[RtpPacket]) -> None:
    """Nothing missing, nothing twice, nothing irregular: numbers go up by one and time by one packet."""
    for earlier, later in pairwise(packets):
        assert (later.sequence - earlier.sequence) & 0xFFFF == 1, (earlier, later)
        assert (later.timestamp - earlier.timestamp) & 0xFFFFFFFF == SAMPLES, (earlier, later)
    assert len({packet.ssrc for packet in packets}) == 1


@pytest.mark.real_time(pair=True)
async def test_a_voice_is_heard_clean_40_ms_later(server, noisy: list[bytes], audio_folder: Path) -> None:
    """A listener of `auto` hears the voice at least 6 dB cleaner than one of `original`, numbered and timed alike."""
    status, clean, raw = await heard_by_two(await server(), noisy)
    denoise = {"enabled": True, "denoiser": "deepfilternet3", "state": "active", "reason": None, "strength_db": None}
    assert status["denoise"] == denoise and status["latency_ms"]["algorithmic"] == 40
    assert (status["listeners"], status["listener_names"], status["loss"]["lost"]) == (2, ["ben", "cem"], 0)
    for phone in (clean, raw):
        assert_whole([packet for _, packet in phone.received])
    gains = gains_of(clean, raw, noisy, read_wav(audio_folder / "clean_freesound_33711.wav"))
    assert len(gains) >= 4 and np.median(gains) >= 6.0, gains


async def heard_by_two(house: Server, noisy: list[bytes]) -> tuple[dict[str, Any], Softphone, Softphone]:
    """The status at the end of the voice, and what listeners of `auto` and `original` have received."""
    async with friends(house.url, "ada", "ben", "cem") as (ada, ben, cem):
        await denoised_by(ada, "deepfilternet3")
        async with ada.phone() as mic, ben.phone() as clean, cem.phone() as raw:
            await mic.publish("ada")
            mic.send(0, 0, noisy[0])
            await ada.until("ada", live=True, denoise_state="active")
            await asyncio.gather(clean.listen("ada"), raw.listen("ada", "?variant=original"))
            await mic.talk(noisy[1:], first=1)
            await asyncio.gather(clean.heard(len(noisy) - 1), raw.heard(len(noisy) - 1))
            status = await ada.status()
            assert isinstance((await ada.call("POST", "/api/stream/stop"))["recording"], int)
    return status, clean, raw


def gains_of(clean: Softphone, raw: Softphone, noisy: list[bytes], voice: Sound) -> list[float]:
    """What the model did to each second of the voice, in dB; a second in which the worker had no processor for a packet is left out."""
    denoised, denoised_start = sound_of(clean)
    original, original_start = sound_of(raw)
    shift = (denoised_start - original_start + 2**31) % 2**32 - 2**31
    denoised = np.concatenate([np.zeros(max(shift, 0), np.float32), denoised])[max(-shift, 0) :]
    assert abs(delay_of(denoised, original)) <= 1  # the delay lies in when it is sent, not in what the time stamp says
    voice = voice[original_start % SAMPLES :].copy()
    as_said = set(noisy)
    for _, packet in clean.received:
        if packet.payload in as_said:
            at = (packet.timestamp - original_start + 2**31) % 2**32 - 2**31
            for second in {max(at - LOOKAHEAD, 0) // RATE_HZ, (at + SAMPLES) // RATE_HZ}:
                voice[second * RATE_HZ : (second + 1) * RATE_HZ] = 0  # which is then no second with a voice in it
    scores = zip(segment_si_sdr(voice, denoised), segment_si_sdr(voice, original), strict=True)
    return [after - before for after, before in scores]


@pytest.mark.real_time(pair=True)
async def test_a_killed_worker_is_not_heard(server, noisy: list[bytes]) -> None:
    """Ten workers die while the switch is toggled after every second; nothing is missing in the listener's RTP time."""
    house, enough = await server(), asyncio.Event()
    async with friends(house.url, "ada", "ben") as (ada, ben):
        await denoised_by(ada, "deepfilternet3")
        async with ada.phone() as mic, ben.phone() as ear:
            await mic.publish("ada")
            mic.send(0, 0, noisy[0])
            await ada.until("ada", live=True, denoise_state="active")
            await ear.listen("ada")
            talking = asyncio.create_task(mic.talk(cycle(noisy), first=1, until=enough))
            for kill in range(1, 11):
                await ear.heard(len(ear.received) + 20)
                worker = await the_worker(house.pid)
                os.kill(worker, signal.SIGKILL)
                if kill % 2 == 0:
                    await ada.call("POST", "/api/stream/denoise", {"enabled": False})
                    await ada.call("POST", "/api/stream/denoise", {"enabled": True})
                await ada.until("ada", denoise_state="active")
            enough.set()
            sent = 1 + await talking
            await ear.heard(sent - 1)
            recording = (await ada.call("POST", "/api/stream/stop"))["recording"]
        assert_whole([packet for _, packet in ear.received])
        [row] = [each for each in await ada.call("GET", "/api/recordings") if each["id"] == recording]
        assert row["duration_s"] == pytest.approx(sent * 0.02, abs=0.001)
        assert row["denoised"] is True


@pytest.mark.real_time(pair=True)
async def test_a_third_failure_within_a_minute_bypasses_until_toggled(server, noisy: list[bytes]) -> None:
    """Two deaths are made good at once; the third gives `bypassed`, `worker_failed`, and the sound goes on."""
    house, enough = await server({"denoise.default": "passthrough"}), asyncio.Event()
    async with friends(house.url, "ada", "ben") as (ada, ben):
        async with ada.phone() as mic, ben.phone() as ear:
            await mic.publish("ada")
            mic.send(0, 0, noisy[0])
            await ada.until("ada", live=True, denoise_state="active")
            await ear.listen("ada")
            talking = asyncio.create_task(mic.talk(cycle(noisy), first=1, until=enough))
            for state in ("active", "active", "bypassed"):
                worker = await the_worker(house.pid)
                os.kill(worker, signal.SIGKILL)
                async with asyncio.timeout(20):
                    while worker in await workers_of(house.pid):
                        await asyncio.sleep(0.01)
                status = await ada.until("ada", denoise_state=state)
            assert status["denoise"]["reason"] == "worker_failed"
            await ada.call("POST", "/api/stream/denoise", {"enabled": False})
            await ada.call("POST", "/api/stream/denoise", {"enabled": True})
            status = await ada.until("ada", denoise_state="active")
            assert status["denoise"]["reason"] is None
            await ear.heard(len(ear.received) + 20)
            enough.set()
            await ear.heard(await talking)
        assert_whole([packet for _, packet in ear.received])


@pytest.mark.real_time(pair=True)
async def test_a_killed_server_leaves_nothing_but_the_recording(server, noisy: list[bytes]) -> None:
    """Killed, it leaves no process; after the next start and a grace time the recording is ready, at most a second short."""
    house = await server({"denoise.default": "passthrough", "broadcast.grace_s": 1.0})
    async with friends(house.url, "ada", "ben") as (ada, _):
        async with ada.phone() as mic:
            await mic.publish("ada")
            mic.send(0, 0, noisy[0])
            await ada.until("ada", live=True, denoise_state="active")
            await mic.talk(noisy[1:150], first=1)
            children = await children_of(house.pid)
            assert len(children) >= 2
            house.kill()
            async with asyncio.timeout(2):  # what the design promises
                while any(alive(pid) for pid in children):
                    await asyncio.sleep(0.02)
            await mic.hang_up(say_so=False)
        await house.start()
        assert house.url == ada.url
        async with asyncio.timeout(20):
            while (await ada.call("GET", "/api/recordings"))[0]["state"] != "ready":
                await asyncio.sleep(0.1)
        [row] = await ada.call("GET", "/api/recordings")
        assert 2.0 <= row["duration_s"] <= 3.01
        async with ada.http.get(f"{ada.url}/api/recording/{row['id']}/audio") as response:
            assert response.status == 200
            wav = await response.read()
        assert len(wav) == pytest.approx(row["duration_s"] * 96_000, abs=2000)


async def children_of(pid: int) -> list[int]:
    """All processes below `pid`."""
    text = await asyncio.to_thread(lambda: [_stat(int(each)) for each in os.listdir("/proc") if each.isdigit()])
    parents = dict(filter(None, text))
    below, found = {pid}, True
    while found:
        found = {child for child, parent in parents.items() if parent in below} - below
        below |= found
    return sorted(below - {pid})


async def the_worker(pid: int) -> int:
    """The one worker that lives, or will: one that was killed may not have been heard of yet, and the next one is on its way."""
    async with asyncio.timeout(20):
        while len(workers := await workers_of(pid)) != 1:
            await asyncio.sleep(0.01)
    return workers[0]


async def workers_of(pid: int) -> list[int]:
    """The denoise workers of a server: the children of its forkserver."""
    everyone = await children_of(pid)
    parents = dict(filter(None, map(_stat, everyone)))
    return [child for child in everyone if parents.get(child) in everyone]


def _stat(pid: int) -> tuple[int, int] | None:
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if words[0] == "Z" else (pid, int(words[1]))


def alive(pid: int) -> bool:
    return _stat(pid) is not None
