"""A sound file as blocks at 48 kHz, of any container, codec, rate and channels, also of several concatenated sounds."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from av.error import FFmpegError

from workers.denoiser import RATE_HZ, Sound
from workers.files.channel_layouts import named
from workers.files.containers.sections import sections
from workers.files.errors import FileError, NoSound, reason
from workers.files.stretch import Stretch
from workers.files.track import Track
from workers.files.truncation import check_bytes, has_no_end

_LONGEST_S = 86_400.0  # of silence in one file at most; time stamps that imply more are wrong


class SoundReader:
    """An open sound file. Owns its tracks until close(). Raises FileError from everything that reads."""

    def __init__(self, path: Path, keep_channels: bool) -> None:
        """keep_channels: a row for each channel; else one row, their mean."""
        self.path = path
        self._keep = keep_channels
        self._before_s, self._mended = Fraction(), 0  # of the finished stretches
        self._made = 0  # samples at 48 kHz
        self._silent_s = 0.0  # filled in for gaps
        if not path.is_file():
            raise FileError(f"{path}: {'is no file' if path.exists() else 'there is no such file'}")
        try:
            check_bytes(path)
            self.has_no_end = has_no_end(path)  # an Ogg file without an end mark
            self._sections = sections(path)
        except OSError as error:
            raise FileError(f"{path} cannot be read as sound: {reason(error)}") from error
        with ExitStack() as opening:
            track = opening.enter_context(closing(Track(path, self._sections[0])))
            self._frames = track.frames()
            first = next(self._frames, None)
            if first is None:
                raise FileError(f"{path} has no sound in it")
            self._first, self._track, self._stretch = first, track, Stretch(first.frame)
            opening.pop_all()
        self.rate_hz: int = first.frame.sample_rate
        self.layout: str = named(first.frame.layout) if keep_channels else "mono"
        self.channels: int = first.frame.layout.nb_channels if keep_channels else 1
        self.is_float, self.tracks = track.is_float, track.tracks

    @property
    def seconds(self) -> float | None:
        """The approximate length, if the file tells."""
        return self._track.extent.seconds if len(self._sections) == 1 else None

    @property
    def samples(self) -> int:
        """Samples read so far, at the rate of the first sound."""
        return round((self._before_s + Fraction(self._stretch.samples, self._stretch.rate_hz)) * self.rate_hz)

    @property
    def mended(self) -> int:
        """Samples that were not finite or absurdly large, and were replaced by silence."""
        return self._mended + self._stretch.mended

    def blocks(self) -> Iterator[Sound]:
        """float32[channels, n] at 48 kHz, of any n; iterable once. After the last block, `samples` is the file's length.

        All blocks together may be longer by a codec's padding at the end, less than one of its frames.
        """
        try:
            for silence_s, frame in self._all():
                self._check_silence(silence_s)
                if frame is not None and not self._stretch.fits(frame):
                    yield from self._ended()
                    self._stretch = Stretch(frame)
                    self._check_channels(frame)
                yield from self._counted(self._stretch.silence(round(silence_s * self._stretch.rate_hz)))
                if frame is not None:
                    yield from self._counted(self._stretch.push(frame))
            yield from self._counted(self._stretch.rest())
        except (FFmpegError, ValueError) as error:
            raise FileError(f"{self.path} is truncated or damaged after {self._now()}: {reason(error)}") from error
        self._stretch.samples -= self._track.surplus

    def _all(self) -> Iterator[tuple[float, av.AudioFrame | None]]:
        """The frames of all tracks, each with the silence before it, and the silence at a track's end."""
        yield self._first
        yield from self._frames
        yield self._track.silence_s, None
        for section in self._sections[1:]:
            self._track.close()
            try:
                self._track = Track(self.path, section)
            except NoSound:
                continue
            yield from self._track.frames()
            yield self._track.silence_s, None

    def _ended(self) -> Iterator[Sound]:
        """Finish a stretch, so that the next one starts at its exact position."""
        stretch, channels = self._stretch, self.channels
        self._before_s += Fraction(stretch.samples, stretch.rate_hz)
        self._mended += stretch.mended
        left = max(0, round(self._before_s * RATE_HZ) - self._made)
        for block in map(self._folded, stretch.rest()):
            yield block[:, :left]
            left -= block[:, :left].shape[1]
        yield np.zeros((channels, left), np.float32)
        self._made = round(self._before_s * RATE_HZ)

    def _check_silence(self, seconds: float) -> None:
        self._silent_s += seconds
        if self._silent_s > _LONGEST_S:
            hours = f"{_LONGEST_S / 3600:.0f} hours of silence"
            raise FileError(f"{self.path} is damaged: its time stamps claim more than {hours} after {self._now()}")

    def _check_channels(self, frame: av.AudioFrame) -> None:
        if self._keep and named(frame.layout) != self.layout:
            channels = f"from {self.layout} to {named(frame.layout)}"
            raise FileError(f"{self.path} changes its channels {channels} after {self._now()}; say it without --stereo")

    def _now(self) -> str:
        return f"{self.samples / self.rate_hz:.1f} s"

    def _counted(self, blocks: Iterator[Sound]) -> Iterator[Sound]:
        for block in map(self._folded, blocks):
            self._made += block.shape[1]
            yield block

    def _folded(self, sound: Sound) -> Sound:
        return sound if self._keep or len(sound) == 1 else sound.mean(axis=0, keepdims=True, dtype=np.float32)

    def close(self) -> None:
        self._track.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
