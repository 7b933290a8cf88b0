"""MP4 and QuickTime: a walk over their outermost boxes."""

import struct
from typing import BinaryIO, NamedTuple

_FIRST = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp")
_KNOWN = (*_FIRST, b"moof", b"mfra", b"sidx", b"uuid", b"meta", b"udta", b"emsg", b"prft", b"ssix")


class Mp4Boxes(NamedTuple):
    end: int  # of the last box, as it says
    in_fragments: bool  # it was written as it came, and has no index of the whole


def boxes(file: BinaryIO, size: int) -> Mp4Boxes | None:
    """What the outermost boxes say; None where it is no such file. Raises OSError."""
    at, in_fragments = 0, False
    while at < size:
        file.seek(at)
        head = file.read(16)
        kind = head[4:8]
        if kind not in (_KNOWN if at else _FIRST):
            break  # something else, behind it
        (length,) = struct.unpack(">I", head[:4])
        if length == 1 and len(head) == 16:
            (length,) = struct.unpack(">Q", head[8:])
        in_fragments |= kind == b"moof"
        if length < 8:  # 0: it ends where the file does
            return Mp4Boxes(size, in_fragments)
        at += length
    return Mp4Boxes(at, in_fragments) if at else None
