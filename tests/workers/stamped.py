"""Sound files whose time stamps are not just one after the other: gaps, late beginnings, a picture beside the sound."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.workers.sound_files import Rows

FORMS = {"libopus": "flt", "pcm_s16le": "s16", "flac": "s16", "aac": "fltp", "libmp3lame": "fltp", "alac": "s16p"}
Moved = Callable[[float], float]


def write_stamped(
    path: Path, rows: Rows, codec: str, moved: Moved, *, picture: bool = False, tracks: int = 1, options: dict[str, str] | None = None
) -> Path:
    """A file of 48 kHz, mono, by its name. moved(seconds): the time stamp of the packet that should be there."""
    with av.open(str(path), "w", options=options or {}) as file:
        pictures = None
        if picture:
            pictures = file.add_stream("mpeg4", rate=10)
            pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        streams = [file.add_stream(codec, rate=48_000, layout="mono", format=FORMS[codec]) for _ in range(tracks)]
        if pictures is not None:
            for number in range(20):
                frame = av.VideoFrame(64, 48, "yuv420p")
                for plane in frame.planes:
                    plane.update(bytes(plane.buffer_size))
                frame.pts, frame.time_base = number, Fraction(1, 10)
                file.mux(pictures.encode(frame))
            file.mux(pictures.encode(None))
        for number, stream in enumerate(streams):
            for packet in _encoded(stream, rows if number == 0 else 0 * rows):
                before_s = float(packet.pts * packet.time_base)
                packet.pts = packet.dts = packet.pts + round((moved(before_s) - before_s) / packet.time_base)
                file.mux(packet)
    return path


def _encoded(stream: av.AudioStream, rows: Rows) -> Iterable[av.Packet]:
    for at in range(0, rows.shape[1], 960):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(rows[:, at : at + 960], np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, at, Fraction(1, 48_000)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def gaps(*each: tuple[float, float]) -> Moved:
    """[(from when on, seconds)]"""
    return lambda at_s: at_s + sum(seconds for begin, seconds in each if at_s >= begin - 1e-6)


def lag(wanted: Rows, heard: Rows) -> int:
    """By how many samples `wanted`, one row, lies later in `heard`."""
    length = 1 << (len(wanted) + len(heard)).bit_length()
    product = np.fft.irfft(np.fft.rfft(heard, length) * np.conj(np.fft.rfft(wanted, length)), length)
    return int(np.argmax(product[: len(heard)]))


def voice(count: int, seed: int = 0) -> Rows:
    """A chirp in noise: every place of it is like no other."""
    at = np.arange(count) / 48_000
    return (0.3 * np.sin(2 * np.pi * (200 + 200 * at) * at) + np.random.default_rng(seed).normal(0, 0.02, count))[None]
