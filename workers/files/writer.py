"""Writes sound to a file, in the format of its name: whole, or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from av.error import FFmpegError

from workers.denoiser import RATE_HZ, Sound
from workers.files.channel_layouts import written
from workers.files.errors import FileError, reason
from workers.files.output_formats import OutputFormat, output_format
from workers.files.path_checks import through
from workers.files.resampler import Resampler

_INTERNAL = "flt"
_HELD_BACK = 16_384  # samples: resampler and source may be longer than the file by at most this
_SHORT = 24  # characters of the file's name in the draft's name, which must not become too long


class SoundWriter:
    """A file that is written as a draft in its folder and renamed by finish(); without that, leaving deletes it."""

    def __init__(self, path: Path, rate_hz: int, layout: str, is_float: bool) -> None:
        """rate_hz: of the file, if its codec supports it, else 48 kHz. layout: FFmpeg's name of the channel layout. Raises FileError."""
        self._path, kind = path, output_format(path)
        self._place = through(path)
        self._draft = self._place.with_name(f".{path.name[:_SHORT]}.{os.getpid()}.part")
        self._layout = layout
        channels = av.AudioLayout(layout).nb_channels
        self._resampler: Resampler | None = None
        self._encoded = 0
        codec, form = (kind.float_codec, "flt") if is_float and kind.float_codec else (kind.codec, kind.sample_format)
        in_file = written(layout, codec, kind.most)
        if in_file is None:
            raise self._too_many(channels)
        self._written = in_file
        # Resampled; may extend beyond the file's end, which is not known yet.
        self._ready: Sound = np.zeros((av.AudioLayout(self._written).nb_channels, 0), np.float32)
        with self._faults():
            rates = av.Codec(codec, "w").audio_rates
            self.rate_hz = rate_hz if not rates or rate_hz in rates else RATE_HZ
            self._container = av.open(str(self._draft.absolute()), "w", format=kind.container, options=self._options(kind))
        try:
            with self._faults(), self._refusals(channels):
                stream = self._container.add_stream(codec, rate=self.rate_hz, layout=self._written, format=form, options=dict(kind.options))
                assert isinstance(stream, av.AudioStream)
                self._stream = stream
                if kind.bit_rate:
                    self._stream.bit_rate = kind.bit_rate * min(self._stream.layout.nb_channels, 2)
                self._container.start_encoding()
        except BaseException:
            self.close()
            raise

    def write(self, sound: Sound) -> None:
        """float32[channels, n] at 48 kHz, the next of the file. Raises FileError."""
        if not sound.shape[1]:
            return
        frame = _frame(sound, RATE_HZ, self._layout)
        with self._faults():
            if self._resampler is None:
                self._resampler = Resampler(frame, self.rate_hz, _INTERNAL, self._written)
            self._take(self._resampler.push(frame))
            self._encode(self._ready[:, :-_HELD_BACK])
            self._ready = self._ready[:, -_HELD_BACK:]

    def finish(self, samples: int) -> None:
        """Make the file exactly `samples` long at its own rate and rename it. Raises FileError, also if it is longer already."""
        if samples < self._encoded:
            raise FileError(f"{self._path} cannot be written: it has {self._encoded} samples already and was to have {samples}")
        with self._faults():
            if self._resampler is not None:
                self._take(self._resampler.push(None))
            left = samples - self._encoded
            self._encode(np.pad(self._ready[:, :left], ((0, 0), (0, max(0, left - self._ready.shape[1])))))
            self._container.mux(self._stream.encode(None))
            self._container.close()
            self._draft.replace(self._place)

    def _take(self, frames: Iterator[av.AudioFrame]) -> None:
        rows = len(self._ready)
        self._ready = np.concatenate([self._ready, *(frame.to_ndarray().reshape(-1, rows).T for frame in frames)], axis=1, dtype=np.float32)

    def _encode(self, sound: Sound) -> None:
        if sound.shape[1]:
            frame = _frame(sound, self.rate_hz, self._written)
            frame.pts, frame.time_base = self._encoded, Fraction(1, self.rate_hz)
            self._container.mux(self._stream.encode(frame))
            self._encoded += sound.shape[1]

    def _options(self, kind: OutputFormat) -> dict[str, str]:
        if kind.container == "wav":
            return {"rf64": "auto"}  # beyond 4 GB
        return {"movie_timescale": str(self.rate_hz)} if kind.container == "ipod" else {}  # makes its length sample-accurate

    @contextmanager
    def _refusals(self, channels: int) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            if channels <= 2:
                raise
            raise self._too_many(channels) from error

    def _too_many(self, channels: int) -> FileError:
        return FileError(f"{self._path} cannot hold {channels} channels ({self._layout}); say it without --stereo, or take .wav")

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (FFmpegError, OSError, ValueError) as error:
            raise FileError(f"{self._path} cannot be written: {reason(error)}") from error

    def close(self) -> None:
        """Close, and delete a draft that was not finished. Idempotent."""
        with suppress(FFmpegError, OSError):
            self._container.close()
        with suppress(OSError):  # it may not exist; the reason was reported
            self._draft.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _frame(sound: Sound, rate_hz: int, layout: str) -> av.AudioFrame:
    """In one plane, because with many planes PyAV reads beyond the end."""
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound.T, np.float32).reshape(1, -1), _INTERNAL, layout)
    frame.sample_rate = rate_hz
    return frame
