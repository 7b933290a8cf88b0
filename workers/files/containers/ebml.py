"""Matroska and WebM: where the first segment of a file ends by what its elements say, wherever the file does."""

from typing import BinaryIO, NamedTuple

MAGIC = b"\x1a\x45\xdf\xa3"
_HEADER, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
# What may lie in a segment or a cluster. Anything else is no part of it.
_INSIDE = {
    0xA3, 0xA0, 0xAB, 0xA7, 0xE7, 0xEC, 0xBF, 0xAF, 0x5854,
    0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1254C367, 0x1043A770, 0x1941A469,
}  # fmt: skip


class MatroskaSegment(NamedTuple):
    end: int  # beyond the file's size, where something is missing
    knows_its_size: bool  # else it ends where its last element does: a live recording


def first_segment(file: BinaryIO, begin: int, size: int) -> MatroskaSegment:
    """begin: of an EBML header. size: of the file. Raises OSError."""
    at = begin
    while at < size:
        file.seek(at)
        head = file.read(12)
        name, name_bytes = _name(head)
        if name not in _INSIDE and name not in (_SEGMENT, _CLUSTER) and (name != _HEADER or at > begin):
            return MatroskaSegment(at, False)  # something else, behind it
        length, length_bytes = _length(head[name_bytes:])
        if not length_bytes:
            return MatroskaSegment(size + 1, False)  # cut amid the length
        inside = at + name_bytes + length_bytes
        if name == _SEGMENT and length is not None:
            return MatroskaSegment(inside + length, True)
        at = inside + (length or 0)
    return MatroskaSegment(at, False)


def _name(head: bytes) -> tuple[int, int]:
    """An element's name, and how many bytes it takes. 0: there is none."""
    count = 9 - head[0].bit_length()
    return (int.from_bytes(head[:count], "big"), count) if count <= 4 else (0, 0)


def _length(head: bytes) -> tuple[int | None, int]:
    """An element's length, None where it is not known, and how many bytes it takes. 0 bytes: it is not all there."""
    count = 9 - head[0].bit_length() if head else 9
    if count > 8 or len(head) < count:
        return None, 0
    all_ones = (1 << 7 * count) - 1
    value = int.from_bytes(head[:count], "big") & all_ones
    return (None if value == all_ones else value), count
