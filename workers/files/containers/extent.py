"""When a container's sound begins and ends by its own fields: missing sound at the end, and a codec's padding."""

import os
from fractions import Fraction
from typing import BinaryIO

import av
from av.container import InputContainer

from workers.files.containers import ebml
from workers.files.containers.mp4_boxes import boxes
from workers.files.containers.riff_chunks import end_of_sound

# Containers with real time stamps, not just counts of samples.
_TIMED = {"matroska", "mov", "ogg", "asf", "flv", "mpegts", "mpeg", "nut", "wtv", "mxf", "rm"}
_FROM_ZERO = {"matroska", "mov"}  # their time begins at 0, even if sound begins later
_CUT_OUT_S = 60.0  # unless everything begins later than that, as in an excerpt of something longer
_CHUNKED = {"wav", "w64", "aiff", "caf", "au"}  # they have the sound's length in bytes
_COUNTED = _CHUNKED - {"wav"} | {"flac", "mp3"}  # they have a count of samples
_ROUNDED_S = 0.002  # by which the length of an MP4 differs from its sound's at most, in ticks of 1/600 s or less
SLACK_S = 0.06  # tolerated difference of declared lengths: encoder delay and padding


class Extent:
    """Begin and end of one sound track of an open container."""

    def __init__(self, file: BinaryIO, container: InputContainer, stream: av.AudioStream) -> None:
        """file: the same, to be looked into. Raises OSError."""
        self._container, self._stream = container, stream
        self._names = set(container.format.name.split(","))
        self.is_timed = bool(self._names & _TIMED)
        self.is_chunked = bool(self._names & _CHUNKED)
        self._is_open = False  # the end that is told is none
        self._in_fragments = self._silent_end = False
        size = file.seek(0, os.SEEK_END)
        if "mov" in self._names:
            found = boxes(file, size)
            self._in_fragments = found is not None and found.in_fragments
        elif "matroska" in self._names:
            self._silent_end = ebml.first_segment(file, 0, size).knows_its_size
        elif "mp3" in self._names:
            self._is_open = not _has_count(file)
        elif self.is_chunked:
            self._is_open = end_of_sound(file) is None

    @property
    def seconds(self) -> float | None:
        """The approximate length, if known, or FFmpeg's estimate."""
        stream = self._stream
        if self._is_open and self.is_chunked:
            return None
        if stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        return self._container.duration / 1e6 if self._container.duration else None

    @property
    def begin_s(self) -> float | None:
        """The time stamp of its beginning, even without sound there. None: that of its first frame."""
        start = self._container.start_time
        if not self.is_timed or "ogg" in self._names or start is None:
            return None
        first_s = start / 1e6
        has_edits = "mov" in self._names and not self._in_fragments
        return 0.0 if self._names & _FROM_ZERO and (has_edits or first_s <= _CUT_OUT_S) else first_s

    @property
    def end_s(self) -> float | None:
        """The length that the container declares, without FFmpeg's estimates."""
        stream, names = self._stream, self._names
        if self._is_open:
            return None
        if "matroska" in names:
            duration = self._container.duration
            return duration / 1e6 - (self.begin_s or 0.0) if duration and len(self._container.streams) == 1 else None
        if not (stream.duration and stream.time_base):
            return None
        if "mov" in names:
            return float((stream.duration + (stream.start_time or 0)) * stream.time_base) - (self.begin_s or 0.0)
        return float(stream.duration * stream.time_base) if names & _COUNTED else None

    def silence_s(self, heard_s: float, packet_end: int | None) -> float:
        """How much silence follows the sound that ends after heard_s. packet_end: the time stamp of the last packet's end.

        Silence follows in a complete Matroska file that declares a greater length, and in an MP4 whose last packet lasts that long.
        """
        end_s = self.end_s
        if end_s is None or heard_s >= end_s - SLACK_S:
            return 0.0
        if "mov" in self._names and packet_end is not None and self._stream.time_base:
            self._silent_end = float(packet_end * self._stream.time_base) - (self.begin_s or 0.0) >= end_s - SLACK_S
        return end_s - heard_s if self._silent_end else 0.0

    def padding(self, frame: av.AudioFrame, before_s: float, before: int) -> int:
        """How many samples at the end of the last frame are padding, which FFmpeg decodes too.

        before_s, before: the time, and the samples that were decoded, before the frame.
        """
        if "mov" in self._names:
            return self._mp4_padding(frame, round(before_s * frame.sample_rate))
        stream = self._stream
        if not (self.is_chunked and stream.duration and stream.time_base) or self._is_open:
            return 0
        own = round(stream.duration * stream.time_base * frame.sample_rate) - before
        return frame.samples - own if 0 < own < frame.samples else 0

    def _mp4_padding(self, frame: av.AudioFrame, before: int) -> int:
        """The frame's duration gives the end exactly, the stream's perhaps rounded (often to ms); if they agree, the frame's is used."""
        end_s = self.end_s
        if end_s is None or not frame.time_base:
            return 0
        end = round(Fraction(end_s) * frame.sample_rate)
        own = round(frame.duration * frame.time_base * frame.sample_rate) or frame.samples
        if abs(before + own - end) > _ROUNDED_S * frame.sample_rate:
            own = end - before
        return frame.samples - own if 0 < own < frame.samples else 0


def _has_count(file: BinaryIO) -> bool:
    """Whether an MP3 begins with a frame that counts the others; else its length is a guess from the bit rate."""
    file.seek(0)
    head = file.read(10)
    if head[:3] == b"ID3":
        file.seek(sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True)) + 10)
    else:
        file.seek(0)
    first = file.read(256)
    return b"Xing" in first or b"Info" in first
