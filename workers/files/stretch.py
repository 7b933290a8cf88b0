"""Frames of one rate, format and layout, with silence between them, as continuous sound at 48 kHz."""

from collections.abc import Iterator

import av
import numpy as np

from workers.denoiser import RATE_HZ, Sound
from workers.files.resampler import Resampler, kind_of

_INTERNAL = "flt"
_LOUDEST = 1e10  # above a full scale of 2^31; larger samples are invalid, and overflow in models
_SILENCE = 48_000  # samples of silence at once


class Stretch:
    """Yields blocks of float32[channels, n]. Raises FFmpegError."""

    def __init__(self, like: av.AudioFrame) -> None:
        """`like`: its first frame."""
        self.rate_hz, self.layout = like.sample_rate, like.layout
        self.samples = 0  # at its own rate, silence included
        self.mended = 0  # invalid samples, replaced by silence
        self._form = like.format
        self._kind = kind_of(like)
        self._resampler: Resampler | None = None

    def fits(self, frame: av.AudioFrame) -> bool:
        return kind_of(frame) == self._kind

    def push(self, frame: av.AudioFrame) -> Iterator[Sound]:
        if self._resampler is None:
            self._resampler = Resampler(frame, RATE_HZ, _INTERNAL)
        self.samples += frame.samples
        yield from map(_rows, self._resampler.push(self._finite(frame)))

    def silence(self, samples: int) -> Iterator[Sound]:
        """So many of them, at its own rate."""
        while samples > 0:
            frame = self._silent(min(samples, _SILENCE))
            samples -= frame.samples
            yield from self.push(frame)

    def rest(self) -> Iterator[Sound]:
        """The rest from the resampler; may be longer than the input."""
        if self._resampler is not None:
            yield from map(_rows, self._resampler.push(None))

    def _silent(self, samples: int) -> av.AudioFrame:
        channels = self.layout.nb_channels
        shape = (channels, samples) if self._form.is_planar else (1, channels * samples)
        zero = 128 if self._form.name.startswith("u8") else 0
        frame = av.AudioFrame.from_ndarray(np.full(shape, zero, _DTYPES[self._form.packed.name]), self._form.name, self.layout.name)
        frame.sample_rate = self.rate_hz
        return frame

    def _finite(self, frame: av.AudioFrame) -> av.AudioFrame:
        if not frame.format.name.startswith(("flt", "dbl")):
            return frame
        sound = frame.to_ndarray()
        wrong = ~(np.abs(sound) <= _LOUDEST)  # NaN is not either
        if not wrong.any():
            return frame
        self.mended += int(wrong.sum())
        mended = av.AudioFrame.from_ndarray(np.where(wrong, sound.dtype.type(0), sound), frame.format.name, frame.layout.name)
        mended.sample_rate = frame.sample_rate
        return mended


_DTYPES = {"u8": np.uint8, "s16": np.int16, "s32": np.int32, "flt": np.float32, "dbl": np.float64, "s64": np.int64}


def _rows(frame: av.AudioFrame) -> Sound:
    rows: Sound = frame.to_ndarray().astype(np.float32, copy=False).reshape(-1, frame.layout.nb_channels).T
    return rows
