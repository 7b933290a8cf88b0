"""The file that `run.py backup` writes and `run.py restore` reads: a tar of plain files, compressed with gzip, as a stream.

`hushcast-backup.json` comes first (format, version, migrations), then the files, then `manifest.json` (size and SHA-256 of each file).
Memory: one piece of a file, and some hundred bytes for each file. The reader takes no member that the writer would not write: no links,
devices, absolute names or `..`, no name twice, nothing after the manifest.
"""

import gzip
import hashlib
import json
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, Self

FIRST, LAST = "hushcast-backup.json", "manifest.json"
FORMAT = 1  # a reader refuses a greater one
FILES = ("hushcast.db", "names.json", "config.toml")
FOLDERS = ("keys", "recordings")
BLOCK = 512  # a tar consists of blocks
PIECE = 1 << 20
LONGEST_NAME = 99  # longer ones need tar's extensions, which the reader does not take
MOST_HEAD, MOST_MANIFEST = 1 << 16, 1 << 28  # bytes
LEVEL = 1  # Opus cannot be compressed further, and rows are few


class BackupRefused(Exception):
    """The file is no backup that this version can read; the text is one line."""


class Member(NamedTuple):
    """A file in the backup. `pieces` has to be read to its end before the next member."""

    name: str
    size: int
    pieces: Iterator[bytes]


class BackupWriter:
    """Writes a backup into an open file, which it leaves open. The end is written by `finish`; without it no reader takes the file."""

    def __init__(self, file: BinaryIO, version: str, applied: list[str]) -> None:
        """applied: the names of the database's migrations."""
        self._packed = gzip.GzipFile("", "wb", LEVEL, file, mtime=0)
        self._sums: dict[str, tuple[int, str]] = {}
        self._write_whole(FIRST, {"format": FORMAT, "version": version, "migrations": applied})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self._packed.close()
            return
        with suppress(OSError, ValueError):  # a full disk, say, is what the error tells of already
            self._packed.close()

    def add(self, name: str, source: BinaryIO, size: int) -> Iterator[int]:
        """Add the first `size` bytes of a file; gives the length of each piece. Raises BackupRefused where it has become shorter."""
        if not is_ours(name) or len(name.encode()) > LONGEST_NAME or name in self._sums:
            raise BackupRefused(f"{name!r} cannot be in a backup: move it away")
        self._packed.write(_header(name, size))
        digest, left = hashlib.sha256(), size
        while left:
            piece = source.read(min(PIECE, left))
            if not piece:
                raise BackupRefused(f"{name} became shorter while it was read; back up again")
            digest.update(piece)
            self._packed.write(piece)
            left -= len(piece)
            yield len(piece)
        self._packed.write(bytes(-size % BLOCK))
        self._sums[name] = size, digest.hexdigest()

    def finish(self) -> None:
        """Write the manifest and the end."""
        self._write_whole(LAST, {name: {"size": size, "sha256": digest} for name, (size, digest) in self._sums.items()})
        self._packed.write(bytes(2 * BLOCK))

    def _write_whole(self, name: str, content: Mapping[str, Any]) -> None:
        data = json.dumps(content, indent=1).encode()
        self._packed.write(_header(name, len(data)) + data + bytes(-len(data) % BLOCK))


class BackupReader:
    """Reads a backup from an open file, which it leaves open. Raises BackupRefused at the first byte that is not as it was written."""

    def __init__(self, file: BinaryIO) -> None:
        self._packed = gzip.GzipFile(fileobj=file, mode="rb")
        head = self._whole(FIRST, self._next(), MOST_HEAD)
        version, applied = head.get("version"), head.get("migrations")
        if not isinstance(version, str) or not version.isprintable() or not isinstance(head.get("format"), int):
            raise BackupRefused(f"{FIRST} in it says nothing of a version")
        if head["format"] > FORMAT:
            raise BackupRefused(f"it was made by a newer version ({version}); restore it with that one")
        if not isinstance(applied, list) or not all(isinstance(name, str) and name.isprintable() for name in applied):
            raise BackupRefused(f"{FIRST} in it names no migrations")
        self.version: str = version
        self.applied: list[str] = applied

    def members(self) -> Iterator[Member]:
        """Each file, then a look at whether all are those of the manifest."""
        sums: dict[str, dict[str, object]] = {}
        while (found := self._next())[0] != LAST:
            name, size = found
            if not is_ours(name) or name in sums:
                raise BackupRefused(f"there is {name!r} in it, which no backup has")
            digest = hashlib.sha256()
            yield Member(name, size, self._pieces(size, digest.update))
            self._pad(size)
            sums[name] = {"size": size, "sha256": digest.hexdigest()}
        manifest = self._whole(LAST, found, MOST_MANIFEST)
        if manifest != sums:
            wrong = min(name for name in {*manifest, *sums} if manifest.get(name) != sums.get(name))
            raise BackupRefused(f"{wrong!r} in it is not as it was backed up")
        if self._read(2 * BLOCK + 1) != bytes(2 * BLOCK):
            raise BackupRefused("it does not end where a backup ends")

    def _pieces(self, left: int, told: Callable[[bytes], object]) -> Iterator[bytes]:
        while left:
            piece = self._exactly(min(PIECE, left))
            told(piece)
            left -= len(piece)
            yield piece

    def _next(self) -> tuple[str, int]:
        """(name, size) of the member that begins here."""
        try:
            found = tarfile.TarInfo.frombuf(self._exactly(BLOCK), "utf-8", "strict")
        except (tarfile.HeaderError, ValueError):
            raise BackupRefused("it is altered, cut short or no backup at all") from None
        if found.type != tarfile.REGTYPE or found.size < 0 or not found.name.isprintable():
            raise BackupRefused(f"{found.name!r} in it is no plain file")
        return found.name, found.size

    def _whole(self, wanted: str, found: tuple[str, int], most: int) -> dict[str, Any]:
        name, size = found
        if name != wanted or size > most:
            raise BackupRefused(f"it has no {wanted} where a backup has it")
        data = self._exactly(size)
        self._pad(size)
        try:
            content = json.loads(data)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            raise BackupRefused(f"{wanted} in it cannot be read")
        return content

    def _pad(self, size: int) -> None:
        if any(self._exactly(-size % BLOCK)):
            raise BackupRefused("it is altered")

    def _exactly(self, size: int) -> bytes:
        data = self._read(size)
        if len(data) < size:
            raise BackupRefused("it is cut short")
        return data

    def _read(self, size: int) -> bytes:
        try:
            return self._packed.read(size)
        except EOFError:
            raise BackupRefused("it is cut short") from None
        except (gzip.BadGzipFile, zlib.error):
            raise BackupRefused("it is altered or no backup at all") from None


def is_ours(name: str) -> bool:
    """Whether a backup may have a file of this name: relative, in one of our folders, without `..`."""
    first, *rest = name.split("/")
    if not rest:
        return name in FILES
    return first in FOLDERS and name.isprintable() and not any(part in ("", ".", "..") for part in rest)


def _header(name: str, size: int) -> bytes:
    """A tar header of a plain file, mode 0600; sizes of 8 GB and more as GNU's tar writes them."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "strict")
