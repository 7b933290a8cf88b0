"""A sound file as blocks at 48 kHz, whatever its container, codec, rate and channels: all that PyAV reads."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from av.error import FFmpegError

from workers.denoiser import RATE_HZ, Sound
from workers.files.errors import FileError, reason
from workers.files.layouts import named
from workers.files.resampling import Resampler
from workers.files.whole import check_bytes, check_length, has_no_end, padding

_INTERNAL = "flt"
_LOUDEST = 1e10  # somewhat above a full scale of 2^31; of what is louder models make overflow, and nobody can have recorded it
_PLANES = 7  # PyAV takes a frame of more planes for one of still more, and reads beyond them


class Source:
    """An open sound file. Owns the container until close(). Raises FileError from everything that reads."""

    def __init__(self, path: Path, keep_channels: bool) -> None:
        """keep_channels: a row for each channel; else one row, their mean."""
        self.path = path
        self.samples = 0  # read so far, at the file's own rate
        self.mended = 0  # samples that were no finite numbers, or beyond all sound, and are silence now
        self._keep = keep_channels
        if not path.is_file():
            raise FileError(f"{path}: {'is no file' if path.exists() else 'there is no such file'}")
        try:
            check_bytes(path)
            self.has_no_end = has_no_end(path)  # where it should have one
            self._container = av.open(str(path.absolute()), metadata_errors="replace")  # no "http:x.wav" is a URL; tags are in any encoding
        except (FFmpegError, OSError, ValueError) as error:
            raise FileError(f"{path} cannot be read as sound: {reason(error)}") from error
        try:
            self._stream = self._audio()
            self._frames = self._decoded()
            self._first = self._begin()
        except BaseException:
            self._container.close()
            raise
        self.rate_hz: int = self._first.sample_rate
        self.layout: str = named(self._first.layout) if keep_channels else "mono"
        self.channels: int = self._first.layout.nb_channels if keep_channels else 1
        self.is_float = self._stream.codec_context.name.startswith("pcm_f")

    @property
    def seconds(self) -> float | None:
        """About how long it is, where the file says so."""
        if self._stream.duration and self._stream.time_base:
            return float(self._stream.duration * self._stream.time_base)
        return self._container.duration / 1e6 if self._container.duration else None

    def blocks(self) -> Iterator[Sound]:
        """float32[channels, n] at 48 kHz, n as it comes; once. `samples` is the length of the file after the last one.

        All blocks together may be longer by what a codec has put behind the end, less than one of its frames.
        """
        too_much = 0
        try:
            resampler = Resampler(self._first, RATE_HZ, _INTERNAL)
            for frame in self._all():
                if not resampler.fits(frame):
                    raise FileError(f"{self.path} changes its rate or channels in the middle, after {self.samples / self.rate_hz:.1f} s")
                too_much = padding(self._container, self._stream, frame, self.samples)
                self.samples += frame.samples
                yield from map(self._folded, resampler.push(self._finite(frame)))
            yield from map(self._folded, resampler.push(None))
        except (FFmpegError, ValueError) as error:
            raise self._damaged(error) from error
        check_length(self.path, self._container, self._stream, self.samples / self.rate_hz)
        self.samples -= too_much

    def _all(self) -> Iterator[av.AudioFrame]:
        yield self._first
        yield from self._frames

    def _audio(self) -> av.AudioStream:
        if not self._container.streams.audio:
            raise FileError(f"{self.path} has no sound in it")
        return self._container.streams.audio[0]

    def _begin(self) -> av.AudioFrame:
        first = next(self._frames, None)
        if first is None:
            raise FileError(f"{self.path} has no sound in it")
        return first

    def _decoded(self) -> Iterator[av.AudioFrame]:
        try:
            for frame in self._container.decode(self._stream):
                if frame.samples:
                    yield _packed(frame)
        except (FFmpegError, ValueError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> FileError:
        seconds = self.samples / self.rate_hz if self.samples else 0.0
        return FileError(f"{self.path} is truncated or damaged after {seconds:.1f} s: {reason(error)}")

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

    def _folded(self, frame: av.AudioFrame) -> Sound:
        sound: Sound = frame.to_ndarray().astype(np.float32, copy=False).reshape(-1, frame.layout.nb_channels).T
        return sound if self._keep or len(sound) == 1 else sound.mean(axis=0, keepdims=True, dtype=np.float32)

    def close(self) -> None:
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _packed(frame: av.AudioFrame) -> av.AudioFrame:
    """The frame, its samples in one plane where there are too many."""
    if frame.layout.nb_channels <= _PLANES or not frame.format.is_planar:
        return frame
    packed = av.AudioResampler(format=frame.format.packed).resample(frame)[0]
    packed.duration, packed.time_base = frame.duration, frame.time_base
    return packed
