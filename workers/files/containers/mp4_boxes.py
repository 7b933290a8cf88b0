"""MP4 and QuickTime: walks over the top-level boxes."""

import struct
from typing import BinaryIO, NamedTuple

_FIRST = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp")
_KNOWN = (*_FIRST, b"moof", b"mfra", b"sidx", b"uuid", b"meta", b"udta", b"emsg", b"prft", b"ssix")


class Mp4Boxes(NamedTuple):
    end: int  # of the last box, by its length field
    in_fragments: bool  # fragmented: written live, without an index of the whole


def boxes(file: BinaryIO, size: int) -> Mp4Boxes | None:
    """The top-level boxes' result; None for another kind of file. Raises OSError."""
    at, in_fragments = 0, False
    while at < size:
        file.seek(at)
        head = file.read(16)
        kind = head[4:8]
        if kind not in (_KNOWN if at else _FIRST):
            break  # other data after the last box
        (length,) = struct.unpack(">I", head[:4])
        if length == 1 and len(head) == 16:
            (length,) = struct.unpack(">Q", head[8:])
        in_fragments |= kind == b"moof"
        if length < 8:  # 0: up to the end of the file
            return Mp4Boxes(size, in_fragments)
        at += length
    return Mp4Boxes(at, in_fragments) if at else None
