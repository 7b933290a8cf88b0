"""Whether a sound file is complete. Only its container can tell: a decoder stops at the end of a truncated file without an error."""

import os
from pathlib import Path
from typing import BinaryIO

from workers.files.containers import ebml
from workers.files.containers.mp4_boxes import boxes
from workers.files.containers.riff_chunks import end_of_sound
from workers.files.errors import FileError

_LARGEST_PAGE = 27 + 255 + 255 * 255  # bytes of an Ogg page


def check_bytes(path: Path) -> None:
    """Raises FileError if a file is empty or shorter than its container says. Raises OSError."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if not size:
            raise FileError(f"{path} is empty")
        missing = _missing(file, size)
    if missing > 0:
        raise FileError(f"{path} is truncated: {missing} bytes are missing at its end")


def _missing(file: BinaryIO, size: int) -> int:
    file.seek(0)
    magic = file.read(4)
    if magic == b"OggS":
        return _ogg_missing(file, size)
    if magic == ebml.MAGIC:
        return ebml.first_segment(file, 0, size).end - size
    found = boxes(file, size)
    if found and found.in_fragments:  # others have an index, with which the decoder notices
        return found.end - size
    end = None if found else end_of_sound(file)
    return 0 if end is None else end - size


def has_no_end(path: Path) -> bool:
    """Whether it is an Ogg file whose last page is not marked as the last: after a crash, from a live stream, or truncated.

    Raises OSError.
    """
    with path.open("rb") as file:
        if file.read(4) != b"OggS":
            return False
        page = _last_page(file, file.seek(0, os.SEEK_END))
    return len(page) > 5 and not page[5] & 4


def _ogg_missing(file: BinaryIO, size: int) -> int:
    """The number of missing bytes of the last page."""
    page = _last_page(file, size)
    if len(page) < 27 or len(page) < 27 + page[26]:
        return 27 + (page[26] if len(page) > 26 else 0) - len(page)
    return max(0, 27 + page[26] + sum(page[27 : 27 + page[26]]) - len(page))


def _last_page(file: BinaryIO, size: int) -> bytes:
    """The bytes of the last page that are there."""
    file.seek(max(0, size - _LARGEST_PAGE))
    tail = file.read()
    return tail[max(0, tail.rfind(b"OggS")) :]
