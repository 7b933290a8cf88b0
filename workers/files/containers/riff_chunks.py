"""Files made of chunks with length fields (WAV, RF64, W64, AIFF, CAF, AU, AVI, ASF): where their sound should end.

A program that writes into a pipe cannot fill in the length afterwards. Its placeholder is distinguished from a real length.
"""

import os
import struct
from typing import BinaryIO

# Placeholders: 0; SoX 0x7F000000 (AIFF) and 0x7FFFF000 (WAV), less a header or a part of a sample; arecord 0x7FFFFF00 and
# 0x80000000; FFmpeg 0xFFFFFFFF; GStreamer and mpg123 the same less a header.
_PLACEHOLDERS = ((0, 0), (0x7EFFFF00, 0x7F000100), (0x7FFFE000, 0x80000100), (0xFFFFF000, 0xFFFFFFFF))
_LARGE = 1 << 62  # a 64-bit length above this is a placeholder: -1, or nearly so
_W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")


def end_of_sound(file: BinaryIO) -> int | None:
    """The offset where the sound should end; None for another kind of file, or if the length is not known."""
    file.seek(0)
    magic = file.read(16)
    if magic[:4] in (b"RIFF", b"RF64", b"BW64", b"RIFX") and magic[8:12] == b"WAVE":
        return _wav(file, "big" if magic[:4] == b"RIFX" else "little")
    if magic[:4] == b"RIFF" and magic[8:12] == b"AVI ":
        return _avi(file)
    if magic[:4] == b"FORM" and magic[8:12] in (b"AIFF", b"AIFC"):
        return _aiff(file)
    if magic[:4] == b".snd":
        offset, length = struct.unpack(">II", magic[4:12].ljust(8, b"\0"))
        return None if is_placeholder(length) else int(offset + length)
    if magic[:4] == b"caff":
        return _caf(file)
    if magic == _ASF_HEADER:
        return _asf(file)
    return _w64(file) if magic[:4] == b"riff" else None


def is_placeholder(length: int) -> bool:
    """Whether a 32-bit length is a placeholder."""
    return any(low <= length <= high for low, high in _PLACEHOLDERS)


def _wav(file: BinaryIO, order: str) -> int | None:
    form = "<4sI" if order == "little" else ">4sI"
    large: int | None = None
    file.seek(12)
    while len(head := file.read(8)) == 8:
        name, length = struct.unpack(form, head)
        begin = file.tell()
        if name == b"ds64":
            (large,) = struct.unpack("<8xQ", file.read(16).ljust(16, b"\0"))
        if name == b"data":
            if length == 0xFFFFFFFF and large:
                return begin + large if large < _LARGE else None
            return None if is_placeholder(length) else int(begin + length)
        file.seek(begin + length + length % 2)
    return None  # no samples: left to the decoder to report


def _avi(file: BinaryIO) -> int | None:
    at = 0
    while True:  # files beyond 1 GB have several
        file.seek(at)
        head = file.read(8)
        if len(head) < 8 or head[:4] != b"RIFF":
            return at
        (length,) = struct.unpack("<I", head[4:])
        if is_placeholder(length):
            return None
        at += 8 + length + length % 2


def _aiff(file: BinaryIO) -> int | None:
    file.seek(12)
    while len(head := file.read(8)) == 8:
        name, length = struct.unpack(">4sI", head)
        if name == b"SSND":
            return None if is_placeholder(length) or is_placeholder(length - 8) else int(file.tell() + length)
        file.seek(length + length % 2, os.SEEK_CUR)
    return None


def _caf(file: BinaryIO) -> int | None:
    file.seek(8)
    while len(head := file.read(12)) == 12:
        name, length = struct.unpack(">4sQ", head)
        if name == b"data":
            return None if length >= _LARGE else int(file.tell() + length)
        if length >= _LARGE:
            return None
        file.seek(length, os.SEEK_CUR)
    return None


def _w64(file: BinaryIO) -> int | None:
    file.seek(40)
    while len(head := file.read(24)) == 24:
        (length,) = struct.unpack("<Q", head[16:])
        if head[:16] == _W64_DATA:
            return None if length >= _LARGE or length <= 24 else int(file.tell() - 24 + length)
        if not 24 <= length < _LARGE:
            return None
        file.seek((length + 7) // 8 * 8 - 24, os.SEEK_CUR)
    return None


def _asf(file: BinaryIO) -> int | None:
    at = 0
    while True:
        file.seek(at)
        head = file.read(24)
        length = struct.unpack("<Q", head[16:])[0] if len(head) == 24 else 0
        if not 24 <= length < _LARGE:
            return None
        if head[:16] == _ASF_DATA:
            return None if length <= 50 else int(at + length)  # a live stream has no length
        at += length
