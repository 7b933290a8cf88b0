"""Chained Ogg (RFC 3533, 4): concatenated sounds in one file, as in Icecast dumps."""

import os
import struct
from typing import BinaryIO, NamedTuple

from workers.files.containers.window import ByteRange
from workers.recordings import ogg

_HEAD = 27  # bytes of a page before its lacing
_PRE_SKIP_AT = 10  # in an Opus head


class OggLink(NamedTuple):
    part: ByteRange
    granule: int | None  # at its end, less the pre-skip of an Opus header; None: it has several streams


def links(file: BinaryIO) -> list[OggLink]:
    """One for each place where streams begin. Checksums of pages are not verified. Raises OSError."""
    size = file.seek(0, os.SEEK_END)
    found, begin, at, in_head = list[OggLink](), 0, 0, True
    ends, skipped = dict[int, int](), 0  # granules, by stream
    while at < size:
        file.seek(at)
        head = file.read(_HEAD + 255)
        if head[:4] != b"OggS" or len(head) < _HEAD:
            page = ogg.page_after(file, at, size)
            if page is None:
                break
            at = page.offset
            continue
        flags, granule, serial = struct.unpack("<5xBqI", head[:18])
        starts = bool(flags & ogg.FIRST)
        if starts and not in_head:
            found.append(OggLink(ByteRange(begin, at, "ogg"), _end(ends, skipped)))
            begin, ends, skipped = at, {}, 0
        in_head = starts
        if starts:
            skipped = _pre_skip(file, at + _HEAD + head[26]) or skipped
        ends[serial] = max(granule, ends.get(serial, 0))
        at += _HEAD + head[26] + sum(head[_HEAD : _HEAD + head[26]])
    return [*found, OggLink(ByteRange(begin, size, "ogg"), _end(ends, skipped))]


def _end(granules: dict[int, int], skipped: int) -> int | None:
    return next(iter(granules.values())) - skipped if len(granules) == 1 else None


def _pre_skip(file: BinaryIO, at: int) -> int:
    file.seek(at)
    head = file.read(_PRE_SKIP_AT + 2)
    return int.from_bytes(head[_PRE_SKIP_AT:], "little") if head[:8] == b"OpusHead" else 0
