"""Is a sound file all there? Its container says so; a decoder stops at the end of a truncated one as if it were whole."""

import os
import struct
from pathlib import Path
from typing import BinaryIO

import av
from av.container import InputContainer

from workers.files.errors import FileError

_UNKNOWN = (0, 0xFFFFFFFF)  # sizes in a WAV that was made without the means to go back and write them
_LARGEST_PAGE = 27 + 255 + 255 * 255  # bytes of an Ogg page
_ROUNDED_S = 0.002  # by which the length of an MP4 differs from its sound's at most, in ticks of 1/600 s or less
_SLACK_S = 0.06  # by which declared lengths differ from the sound without harm: what encoders put before and after it


def check_bytes(path: Path) -> None:
    """Raises FileError where a WAV or Ogg file ends before it says, or a file is empty. Raises OSError."""
    size = path.stat().st_size
    if not size:
        raise FileError(f"{path} is empty")
    with path.open("rb") as file:
        magic = file.read(12)
        if magic[:4] == b"RIFF" and magic[8:] == b"WAVE":
            missing = _wav_missing(file, size)
        elif magic[:4] == b"OggS":
            missing = _ogg_missing(file, size)
        else:
            missing = 0
    if missing:
        raise FileError(f"{path} is truncated: {missing} bytes are missing at its end")


def has_no_end(path: Path) -> bool:
    """Whether it is an Ogg file whose last page is not marked as the last: written by what crashed, taken from a live stream, or cut.

    Raises OSError.
    """
    with path.open("rb") as file:
        if file.read(4) != b"OggS":
            return False
        page = _last_page(file, path.stat().st_size)
    return len(page) > 5 and not page[5] & 4


def _wav_missing(file: BinaryIO, size: int) -> int:
    """Bytes that the chunk of samples should have and has not. `file` stands behind the RIFF header."""
    while len(head := file.read(8)) == 8:
        name, length = struct.unpack("<4sI", head)
        if name == b"data":
            return 0 if length in _UNKNOWN else max(0, file.tell() + length - size)
        file.seek(length + length % 2, os.SEEK_CUR)
    return 0  # without samples at all: that is for the decoder to say


def _ogg_missing(file: BinaryIO, size: int) -> int:
    """Bytes that the last page should have and has not."""
    page = _last_page(file, size)
    if len(page) < 27 or len(page) < 27 + page[26]:
        return 27 + (page[26] if len(page) > 26 else 0) - len(page)
    return max(0, 27 + page[26] + sum(page[27 : 27 + page[26]]) - len(page))


def _last_page(file: BinaryIO, size: int) -> bytes:
    """What is there of it."""
    file.seek(max(0, size - _LARGEST_PAGE))
    tail = file.read()
    return tail[max(0, tail.rfind(b"OggS")) :]


def check_length(path: Path, container: InputContainer, stream: av.AudioStream, seconds: float) -> None:
    """Raises FileError where the file promised more than the `seconds` that were read. Lengths that FFmpeg has guessed do not count."""
    promised = _promised_s(path, container, stream)
    if promised is not None and seconds < promised - _SLACK_S:
        raise FileError(f"{path} is truncated: {seconds:.1f} s of {promised:.1f} s are there")


def padding(container: InputContainer, stream: av.AudioStream, frame: av.AudioFrame, before: int) -> int:
    """How many of the last frame's samples lie behind the end of an MP4 file; FFmpeg decodes them too. before: samples before the frame.

    The end is told by the frame's duration, and by the stream's, which may be rounded (often to ms); where they agree the frame's counts.
    """
    if "mp4" not in container.format.name or not (stream.duration and stream.time_base and frame.time_base):
        return 0
    end = round(stream.duration * stream.time_base * frame.sample_rate)
    own = round(frame.duration * frame.time_base * frame.sample_rate) or frame.samples
    if abs(before + own - end) > _ROUNDED_S * frame.sample_rate:
        own = end - before
    return frame.samples - own if 0 < own < frame.samples else 0


def _promised_s(path: Path, container: InputContainer, stream: av.AudioStream) -> float | None:
    """The length that the file itself gives."""
    names = container.format.name.split(",")
    if "mp3" in names and not _has_count(path):
        return None
    if "matroska" in names:
        return container.duration / 1e6 if container.duration and len(container.streams) == 1 else None
    if names[0] in ("mp3", "flac", "mov", "aiff", "caf", "au", "w64") and stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return None


def _has_count(path: Path) -> bool:
    """Whether an MP3 begins with a frame that counts the others; else its length is a guess from the bit rate."""
    with path.open("rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3":
            file.seek(sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True)) + 10)
        else:
            file.seek(0)
        first = file.read(256)
    return b"Xing" in first or b"Info" in first
