"""MP3 (and MPEG layers I and II): where the frames are, without the tags and the garbage around them.

FFmpeg takes data after the last frame for a broken frame, and ignores the first frame's length field. Here each run of frames between
tags is a sound of its own, so that concatenated files have their total length.
"""

import os
from typing import BinaryIO, NamedTuple

from workers.files.containers.window import ByteRange

_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}  # by version
_KBITS = {  # by (whether it is MPEG 1, layer bits)
    (True, 3): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 1): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 3): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 1): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_SURE = 3  # consecutive frames that are no coincidence
_FAR = 1 << 20  # bytes of garbage that are searched for the next frame


class MpegFrame(NamedTuple):
    kind: tuple[int, int, int]  # version, layer, rate: constant in a stream
    size: int


def frame_of(head: bytes) -> MpegFrame | None:
    """The frame with this header of four bytes; None where it is invalid."""
    if len(head) < 4 or head[0] != 0xFF or head[1] < 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    rate, bits = head[2] >> 2 & 3, head[2] >> 4
    if version == 1 or layer == 0 or rate == 3 or bits in (0, 15):
        return None
    rate_hz = _RATES[version][rate]
    per_slot = 12 if layer == 3 else 72 if layer == 1 and version != 3 else 144
    slots = per_slot * 1000 * _KBITS[version == 3, layer][bits - 1] // rate_hz + (head[2] >> 1 & 1)
    return MpegFrame((version, layer, rate_hz), slots * 4 if layer == 3 else slots)


def streams(file: BinaryIO) -> list[ByteRange]:
    """The runs of frames, if the file begins with one, perhaps after tags; else nothing. Raises OSError."""
    size = file.seek(0, os.SEEK_END)
    at, found = _behind_tags(file, 0, size), list[ByteRange]()
    while at < size and _begins(file, at, size):
        end, counted = _end_of_frames(file, at, size)
        next_at = _behind_tags(file, end, size)
        if next_at == end < size and not _begins(file, end, size):
            next_at = _next(file, end, size)
            if next_at < size and not counted:
                return []  # garbage within the sound: the file is damaged, which FFmpeg reports
        found.append(ByteRange(at, end, "mp3"))
        at = next_at
    return found


def _begins(file: BinaryIO, at: int, size: int) -> bool:
    """Whether frames of one kind follow each other from here, as many as there is room for."""
    kind = None
    for number in range(_SURE):
        file.seek(at)
        frame = frame_of(file.read(4))
        if frame is None or (kind is not None and frame.kind != kind):
            return number > 0 and at == size
        kind, at = frame.kind, at + frame.size
    return True


def _end_of_frames(file: BinaryIO, at: int, size: int) -> tuple[int, bool]:
    """Where the stretch that begins at `at` ends, and whether its first frame says that it has so many frames."""
    file.seek(at)
    wanted = _count(file.read(256))
    kind, number = None, 0
    while at < size:
        file.seek(at)
        head = file.read(64)
        frame = frame_of(head)
        if frame is None or (kind is not None and frame.kind != kind) or (number and _is_count(head)):
            break
        kind, at, number = frame.kind, at + frame.size, number + 1
    return min(at, size), wanted is not None and number >= wanted


def _is_count(head: bytes) -> bool:
    return b"Xing" in head[4:44] or b"Info" in head[4:44]


def _count(head: bytes) -> int | None:
    """The count of frames in the first one, if it is a Xing or Info frame."""
    place = max(head[:44].find(b"Xing"), head[:44].find(b"Info"))
    if place < 0 or not head[place + 7] & 1:
        return None
    return int.from_bytes(head[place + 8 : place + 12], "big") or None


def _behind_tags(file: BinaryIO, at: int, size: int) -> int:
    """The end of the tags and the padding that begin at `at`."""
    while at < size:
        file.seek(at)
        length = _tag(file.read(32), file, at)
        if not length:
            return at
        at += length
    return size


def _tag(head: bytes, file: BinaryIO, at: int) -> int:
    """The length of the tag with this beginning; 0 where it is none."""
    if head[:3] == b"ID3":
        footer = 10 if len(head) > 5 and head[5] & 0x10 else 0
        return 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=False)) + footer
    if head[:3] == b"TAG":
        return 227 if head[3:4] == b"+" else 128
    if head[:8] == b"APETAGEX":
        is_header = len(head) > 23 and head[23] & 0x20
        return int.from_bytes(head[12:16], "little") + 32 if is_header else 32
    if head[:11] == b"LYRICSBEGIN":
        file.seek(at)
        text = file.read(_FAR)
        end = max(text.find(b"LYRICSEND"), text.find(b"LYRICS200"))
        return end + 9 if end > 0 else 11
    if head[:1] != b"\0":
        return 0
    file.seek(at)
    padding = file.read(_FAR)
    return len(padding) - len(padding.lstrip(b"\0"))


def _next(file: BinaryIO, at: int, size: int) -> int:
    """Where frames begin again after garbage; `size` where they do not."""
    file.seek(at)
    rubbish = file.read(_FAR)
    place = rubbish.find(b"\xff", 1)
    while place >= 0:
        if frame_of(rubbish[place : place + 4]) and _begins(file, at + place, size):
            return at + place
        place = rubbish.find(b"\xff", place + 1)
    return size
