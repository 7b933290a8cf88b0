"""Opus packets for tests, made by somebody else's encoder (PyAV's libopus), and the way back to samples."""

from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import numpy as np

from workers.link.ring import Packet

RATE_HZ = 48_000


@lru_cache
def packets_of(seconds: float, frame_ms: float = 20, channels: int = 1) -> tuple[bytes, ...]:
    """Opus packets of a voice-like sound."""
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.format, encoder.bit_rate = RATE_HZ, "flt", 32_000
    encoder.layout = "mono" if channels == 1 else "stereo"
    encoder.time_base = Fraction(1, RATE_HZ)
    encoder.options = {"application": "voip", "frame_duration": str(frame_ms)}
    sound, size = sound_of(seconds), int(frame_ms * 48)
    payloads: list[bytes] = []
    for begin in range(0, len(sound) - size + 1, size):
        samples = np.repeat(sound[begin : begin + size], channels)[None].astype(np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="flt", layout=encoder.layout.name)
        frame.sample_rate, frame.pts = RATE_HZ, begin
        payloads += [bytes(packet) for packet in encoder.encode(frame)]
    return tuple(payloads)


def sound_of(seconds: float) -> np.ndarray:
    """What packets_of encodes: float32 mono at 48 kHz, filtered noise that swells, so that every place is unlike every other."""
    noise = np.random.default_rng(7).standard_normal(int(seconds * RATE_HZ))
    smooth = np.convolve(noise, np.hanning(64) / 32, "same")
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * 3 * np.arange(len(smooth)) / RATE_HZ)
    return (0.2 * smooth * swell).astype(np.float32)


def packet(number: int, payload: bytes, samples: int = 960, time: int | None = None) -> Packet:
    """One packet as ingest delivers it; `time` defaults to number times samples."""
    return Packet(number, number * samples if time is None else time, samples, 0, payload)


def decoded(path: Path) -> np.ndarray:
    """What a player makes of the file: float32 mono at 48 kHz, by FFmpeg's demuxer and its own Opus decoder."""
    with av.open(str(path)) as file:
        frames = [frame.to_ndarray().mean(axis=0) for frame in file.decode(file.streams.audio[0])]
    return np.concatenate(frames) if frames else np.zeros(0, np.float32)
