"""Matroska and WebM: where the first segment of a file ends by its elements' length fields."""

from typing import BinaryIO, NamedTuple

MAGIC = b"\x1a\x45\xdf\xa3"
_HEADER, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
# Elements of a segment or a cluster. Anything else ends it.
_INSIDE = {
    0xA3, 0xA0, 0xAB, 0xA7, 0xE7, 0xEC, 0xBF, 0xAF, 0x5854,
    0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1254C367, 0x1043A770, 0x1941A469,
}  # fmt: skip


class MatroskaSegment(NamedTuple):
    end: int  # beyond the file's size if the file is truncated
    knows_its_size: bool  # else, as in a live recording, it ends with its last element


def first_segment(file: BinaryIO, begin: int, size: int) -> MatroskaSegment:
    """begin: offset of an EBML header. size: of the file. Raises OSError."""
    at = begin
    while at < size:
        file.seek(at)
        head = file.read(12)
        name, name_bytes = _name(head)
        if name not in _INSIDE and name not in (_SEGMENT, _CLUSTER) and (name != _HEADER or at > begin):
            return MatroskaSegment(at, False)  # other data after the segment
        length, length_bytes = _length(head[name_bytes:])
        if not length_bytes:
            return MatroskaSegment(size + 1, False)  # truncated inside a length field
        inside = at + name_bytes + length_bytes
        if name == _SEGMENT and length is not None:
            return MatroskaSegment(inside + length, True)
        at = inside + (length or 0)
    return MatroskaSegment(at, False)


def _name(head: bytes) -> tuple[int, int]:
    """An element's id and its size in bytes; (0, 0) where there is none."""
    count = 9 - head[0].bit_length()
    return (int.from_bytes(head[:count], "big"), count) if count <= 4 else (0, 0)


def _length(head: bytes) -> tuple[int | None, int]:
    """An element's length, None if unknown, and the length field's size in bytes, 0 if it is truncated."""
    count = 9 - head[0].bit_length() if head else 9
    if count > 8 or len(head) < count:
        return None, 0
    all_ones = (1 << 7 * count) - 1
    value = int.from_bytes(head[:count], "big") & all_ones
    return (None if value == all_ones else value), count
