"""Sound files of all kinds for tests, written and read by PyAV itself."""

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.support.running import ROOT

Rows = np.ndarray  # float[channels, n] in [-1, 1]
KINDS = {
    ".wav": ("wav", "pcm_s16le", "s16"),
    ".flac": ("flac", "flac", "s16"),
    ".aiff": ("aiff", "pcm_s24be", "s32"),
    ".opus": ("ogg", "libopus", "flt"),
    ".webm": ("webm", "libopus", "flt"),
    ".mp3": ("mp3", "libmp3lame", "fltp"),
    ".m4a": ("ipod", "aac", "fltp"),
}


def write(path: Path, rows: Rows, rate_hz: int, codec: str | None = None, form: str | None = None) -> Path:
    """The file, by its name, or with another codec and sample format than is usual."""
    container, usual, usual_form = KINDS[path.suffix]
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(rows)]
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec or usual, rate=rate_hz, layout=layout, format=form or usual_form)
        for at in range(0, rows.shape[1], 4800):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(rows[:, at : at + 4800], np.float32), "fltp", layout)
            frame.sample_rate, frame.pts, frame.time_base = rate_hz, at, Fraction(1, rate_hz)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def read(path: Path) -> tuple[Rows, int, str]:
    """Samples, rate and codec of a file."""
    with av.open(str(path)) as file:
        stream = file.streams.audio[0]
        plain = av.AudioResampler(format="dblp")
        frames = [ready for frame in file.decode(stream) for ready in plain.resample(frame)]
        rows = np.concatenate([frame.to_ndarray() for frame in frames], axis=1)
        return rows, stream.rate, stream.codec_context.name


def tone(rate_hz: int, count: int, channels: int = 1) -> Rows:
    """A tone below 3 kHz that wanders, comes and goes, another one for each channel; no two neighbouring stretches are alike."""
    at = np.arange(count) / rate_hz
    swell = 0.3 * np.sin(np.pi * np.arange(count) / count) ** 0.5
    return np.stack(
        [swell * np.sin(2 * np.pi * (600 + 300 * number) * at + 1000 * np.sin(2 * np.pi * 0.4 * at)) for number in range(channels)]
    )


def snr(wanted: Rows, heard: Rows) -> float:
    """How far below `wanted` the difference lies, in dB."""
    return 10 * float(np.log10(np.sum(wanted**2) / max(float(np.sum((wanted - heard) ** 2)), 1e-30)))


def start(*arguments: object, module: str = "workers.files.main") -> "subprocess.Popen[str]":
    """The command in a process of its own."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )
