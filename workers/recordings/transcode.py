"""python -m workers.recordings.transcode: converts one recording, in a process that can be killed at any time.

FOLDER VARIANT wav --samples N --start A --stop B      bytes A..B-1 of the WAV view, to stdout
FOLDER VARIANT flac|opus --samples N --output FILE     the whole file, which is moved to FILE when it is complete

VARIANT is original, denoised, or both (two channels: left original, right denoised). N is the length that the client was told.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workers.pdeathsig import leave_with_parent
from workers.recordings import wav
from workers.recordings.decode import pcm16, sound

VARIANTS = {"original": ("original",), "denoised": ("denoised",), "both": ("original", "denoised")}
_NICENESS = 5
_ENCODERS = {"flac": ("flac", "flac", "s16", None), "opus": ("ogg", "libopus", "s16", 96_000)}


def pcm(folder: Path, variant: str, begin: int, end: int) -> Iterator[NDArray[np.int16]]:
    """int16[n, channels], a second at a time: exactly the samples begin..end-1."""
    channels = [sound(folder / f"{name}.opus", begin, end) for name in VARIANTS[variant]]
    for blocks in zip(*channels, strict=True):
        yield np.stack([pcm16(block) for block in blocks], axis=1)


def wav_bytes(folder: Path, variant: str, samples: int, start: int, stop: int) -> Iterator[bytes]:
    """Bytes start..stop-1 of the WAV view. Decodes only the sound in them, and what a decoder needs before it."""
    channels = len(VARIANTS[variant])
    head, frame = wav.header(samples, channels), 2 * channels
    yield head[start:stop]
    begin = max(0, start - len(head)) // frame
    skip = max(0, start - len(head)) - begin * frame
    left = stop - max(start, len(head))
    end = min(samples, begin + -(-(left + skip) // frame)) if left > 0 else begin
    for block in pcm(folder, variant, begin, end):
        piece = block.tobytes()[skip:][:left]
        skip, left = 0, left - len(piece)
        yield piece


def write(folder: Path, variant: str, form: str, samples: int, path: Path) -> None:
    """Encode the whole recording into `path`."""
    import av  # imported here, because the WAV view does not need it and has to start quickly

    container, codec, sample_format, bit_rate = _ENCODERS[form]
    layout = "stereo" if len(VARIANTS[variant]) == 2 else "mono"
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=wav.RATE_HZ, layout=layout, format=sample_format)
        assert isinstance(stream, av.AudioStream)
        if bit_rate:
            stream.bit_rate = bit_rate
        at = 0
        for block in pcm(folder, variant, 0, samples):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block.reshape(1, -1)), format="s16", layout=layout)
            frame.sample_rate, frame.pts = wav.RATE_HZ, at
            at += len(block)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def main() -> None:
    parser = argparse.ArgumentParser(description="A recording in another form.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("variant", choices=VARIANTS)
    parser.add_argument("form", choices=["wav", *_ENCODERS])
    parser.add_argument("--samples", type=int, required=True)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--stop", type=int, default=0)
    parser.add_argument("--output", type=Path)
    asked = parser.parse_args()
    leave_with_parent()
    os.nice(_NICENESS)
    if asked.form == "wav":
        for piece in wav_bytes(asked.folder, asked.variant, asked.samples, asked.start, asked.stop):
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    partial = asked.output.with_name(f"{asked.output.name}.{os.getpid()}.part")
    try:
        write(asked.folder, asked.variant, asked.form, asked.samples, partial)
        partial.replace(asked.output)
    finally:
        partial.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
