"""A part of a file, read as a file of its own."""

import io
import os
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast


class ByteRange(NamedTuple):
    """The bytes of one sound in a file that may hold several sounds, or other data."""

    begin: int
    end: int
    container: str  # FFmpeg's name
    head: bytes = b""  # read in place of its first bytes


def opened(path: Path, part: ByteRange | None) -> BinaryIO:
    """The part, or the whole file if that is None. Raises OSError."""
    return path.open("rb") if part is None else cast(BinaryIO, FileWindow(path, part))


class FileWindow(io.RawIOBase):
    """Owns the open file. Raises OSError."""

    def __init__(self, path: Path, part: ByteRange) -> None:
        self._file = path.open("rb")
        self._begin, self._length, self._at = part.begin, part.end - part.begin, 0
        self._head = part.head

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._length}[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._length - self._at)
        self._file.seek(self._begin + self._at)
        got = self._file.read(left if size < 0 else min(size, left))
        if self._at < len(self._head):
            got = (self._head[self._at :] + got[len(self._head) - self._at :])[: len(got)]
        self._at += len(got)
        return got

    def close(self) -> None:
        self._file.close()
        super().close()
