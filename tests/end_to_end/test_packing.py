"""Packets that get longer and shorter in mid-stream go through the whole server, denoised and as they are, without a slip."""

import asyncio
import time
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from sfu.wire.rtp import RtpPacket
from tests.end_to_end.test_mic_to_ear import denoised_by
from tests.support.people import friends
from tests.support.softphone import Softphone
from tests.support.sound import Sound, decode, delay_of, read_wav, si_sdr
from workers.link.opus_toc import opus_samples
from workers.voice.opus import Encoder

pytestmark = pytest.mark.real_time(pair=True)

RATE_HZ = 48_000
LOOKAHEAD = 312  # samples by which the encoder trails


class Said(NamedTuple):
    """One packet of a broadcaster; time: of its first sample."""

    number: int
    time: int
    samples: int
    payload: bytes


def packed(sound: Sound, lengths: tuple[int, ...], hole: int) -> list[Said]:
    """The sound in two seconds of packets of each length, of one encoder. hole: samples left out before the last length."""
    said: list[Said] = []
    at = number = 0
    with closing(Encoder()) as encoder:
        for place, samples in enumerate(lengths, 1):
            at += hole if place == len(lengths) else 0
            for _ in range(2 * RATE_HZ // samples):
                said.append(Said(number, at, samples, encoder.encode(sound[at : at + samples])))
                at, number = at + samples, number + 1
    return said


async def say(mic: Softphone, said: list[Said]) -> None:
    """At its pace."""
    began = time.monotonic() - said[0].time / RATE_HZ
    for packet in said:
        await asyncio.sleep(max(0.0, began + packet.time / RATE_HZ - time.monotonic()))
        mic.send(packet.number, packet.time, packet.payload)


def heard_by(ear: Softphone, said: list[Said]) -> dict[int, RtpPacket]:
    """What was heard, by the number that it was said under; each once, at its time, and as long as it was."""
    packets = sorted((packet for _, packet in ear.received), key=lambda packet: packet.timestamp)
    first = len(said) - len(packets)
    assert all((later.sequence - earlier.sequence) & 0xFFFF == 1 for earlier, later in pairwise(packets))
    for packet, spoken in zip(packets, said[first:], strict=True):
        assert (packet.timestamp - packets[0].timestamp) & 0xFFFFFFFF == spoken.time - said[first].time
        assert opus_samples(packet.payload) == spoken.samples
    return dict(enumerate(packets, first))


def laid_out(heard: dict[int, RtpPacket], said: list[Said]) -> Sound:
    """Each packet's sound at the time at which it was said."""
    sound, at = decode([heard[number].payload for number in sorted(heard)]), 0
    line = np.zeros(said[-1].time + said[-1].samples, np.float32)
    for number in sorted(heard):
        begin, samples = said[number].time, said[number].samples
        line[begin : begin + samples] = sound[at : at + samples]
        at += samples
    return line


async def test_packets_change_their_length(server, audio_folder: Path) -> None:
    """10, 20, 10, 20 ms, and 10 after a hole: what is denoised lies where the original lies, as clean as ever, and all is recorded."""
    noisy, voice = read_wav(audio_folder / "noisy_snr0.wav"), read_wav(audio_folder / "clean_freesound_33711.wav")
    said = packed(noisy, (480, 960, 480, 960, 480), hole=480)
    house = await server()
    async with friends(house.url, "ada", "ben", "cem") as (ada, ben, cem):
        await denoised_by(ada, "deepfilternet3")
        async with ada.phone() as mic, ben.phone() as clean, cem.phone() as raw:
            await mic.publish("ada")
            mic.send(*said[0][:2], said[0].payload)
            await ada.until("ada", live=True, denoise_state="active")
            await asyncio.gather(clean.listen("ada"), raw.listen("ada", "?variant=original"))
            await say(mic, said[1:])
            await asyncio.gather(clean.heard(len(said) - 1), raw.heard(len(said) - 1))
            status = await ada.status()
            recording = (await ada.call("POST", "/api/stream/stop"))["recording"]
        [row] = [each for each in await ada.call("GET", "/api/recordings") if each["id"] == recording]
    assert (status["latency_ms"]["algorithmic"], status["loss"]["lost"], status["loss"]["concealed"]) == (40, 0, 0)
    assert row["duration_s"] == pytest.approx((said[-1].time + said[-1].samples) / RATE_HZ, abs=0.001)
    cleaned, spoken = heard_by(clean, said), heard_by(raw, said)
    as_said = [said[number].time for number in cleaned if cleaned[number].payload == said[number].payload]  # a worker without a processor
    denoised, original = laid_out(cleaned, said), laid_out(spoken, said)
    gains = []
    for begin in range(RATE_HZ // 2, 9 * RATE_HZ, RATE_HZ):  # in the midst of each second one there is a change
        piece, later = slice(begin, begin + RATE_HZ), slice(begin + LOOKAHEAD, begin + LOOKAHEAD + RATE_HZ)
        assert abs(delay_of(denoised[piece], original[piece])) <= 1, begin
        assert np.abs(np.diff(denoised[piece])).max() <= np.abs(np.diff(noisy)).max()
        if not any(begin <= time < begin + LOOKAHEAD + RATE_HZ for time in as_said):
            gains.append(si_sdr(voice[piece], denoised[later]) - si_sdr(voice[piece], original[later]))
    assert gains and np.median(gains) >= 6, (gains, as_said)
