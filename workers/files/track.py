"""One sound of a file: its frames in order, each with the silence before it. Reads everything that PyAV can."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import av
from av.error import FFmpegError

from workers.files.containers.extent import SLACK_S, Extent
from workers.files.containers.sections import SoundSection
from workers.files.containers.window import opened
from workers.files.errors import FileError, NoSound, reason
from workers.files.time_stamp_gaps import Placed, Timed, by_page, placed

_PLANES = 7  # with more planes, PyAV reads beyond the frame's end


class Track:
    """Owns the container until close(). Raises FileError from everything that reads."""

    def __init__(self, path: Path, section: SoundSection) -> None:
        self._path, self._granule = path, section.granule
        self._window: BinaryIO | None = None
        self.samples = 0  # decoded, at whatever rate
        self.silence_s = 0.0  # after the last frame; known after the iteration
        self.surplus = 0  # padding samples of the last frame; known after the iteration
        self._packet_end: int | None = None
        self._seconds = 0.0
        try:
            if section.part is None:
                # Absolute, so that a name like "http:x.wav" is no URL; tags may have any encoding.
                self._container = av.open(str(path.absolute()), "r", metadata_errors="replace")
            else:
                self._window = opened(path, section.part)
                self._container = av.open(self._window, "r", format=section.part.container, metadata_errors="replace")
        except (FFmpegError, OSError, ValueError) as error:
            self._close_window()
            raise FileError(f"{path} cannot be read as sound: {reason(error)}") from error
        try:
            if not self._container.streams.audio:
                raise NoSound(f"{path} has no sound in it")
            self._stream = self._container.streams.audio[0]
            self.tracks = len(self._container.streams.audio)
            with opened(path, section.part) as file:
                self.extent = Extent(file, self._container, self._stream)
        except BaseException:
            self.close()
            raise

    @property
    def is_float(self) -> bool:
        return self._stream.codec_context.name.startswith("pcm_f")

    def frames(self) -> Iterator[Placed]:
        """All frames; iterable once. Rate, format and channels may change between them."""
        extent = self.extent
        timed = self._decoded() if extent.is_timed else (frame._replace(at_s=None) for frame in self._decoded())
        if self._granule is not None and self._stream.time_base:
            timed = by_page(timed, float(self._granule * self._stream.time_base))
        for each in placed(timed, extent.begin_s):
            self._seconds += each.silence_s
            self.surplus = extent.padding(each.frame, self._seconds, self.samples)
            self.samples += each.frame.samples
            self._seconds += each.frame.samples / each.frame.sample_rate
            yield each
        self.silence_s = extent.silence_s(self._seconds, self._packet_end)
        promised = extent.end_s
        if promised is not None and self._seconds + self.silence_s < promised - SLACK_S:
            raise FileError(f"{self._path} is truncated: {self._seconds:.1f} s of {promised:.1f} s are there")

    def _decoded(self) -> Iterator[Timed]:
        failure: Exception | None = None
        longest = 0  # bytes of a packet
        try:
            for packet in self._container.demux(self._stream):
                if failure is not None and packet.size:
                    raise failure
                if packet.pts is not None and packet.size:
                    self._packet_end = packet.pts + (packet.duration or 0)
                try:
                    frames = packet.decode()
                except FFmpegError as error:
                    # An incomplete block or a padding byte after the last block is ignored.
                    if not (self.extent.is_chunked and packet.size < longest):
                        raise
                    failure = error
                    continue
                longest = max(longest, packet.size)
                for frame in frames:
                    if isinstance(frame, av.AudioFrame) and frame.samples:
                        at_s = None if frame.pts is None or frame.time_base is None else float(frame.pts * frame.time_base)
                        yield Timed(_packed(frame), at_s, packet.pos)
        except (FFmpegError, ValueError) as error:
            raise FileError(f"{self._path} is truncated or damaged after {self._seconds:.1f} s: {reason(error)}") from error

    def close(self) -> None:
        self._container.close()
        self._close_window()

    def _close_window(self) -> None:
        if self._window is not None:
            self._window.close()


def _packed(frame: av.AudioFrame) -> av.AudioFrame:
    """The frame, converted to one plane if it has too many."""
    if frame.layout.nb_channels <= _PLANES or not frame.format.is_planar:
        return frame
    packed = av.AudioResampler(format=frame.format.packed).resample(frame)[0]
    packed.duration, packed.time_base = frame.duration, frame.time_base
    return packed
