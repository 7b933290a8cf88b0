"""Upstream's ONNX exports: NAME_onnx.tar.gz, with three graphs and config.ini. Their content, or what is wrong with them.

Nothing is unpacked to the disk.
"""

import configparser
import gzip
import tarfile
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, cast

CONFIG = "config.ini"
GRAPHS = ("enc.onnx", "erb_dec.onnx", "df_dec.onnx")
MEMBERS = (*GRAPHS, CONFIG)
MOST = 128 * 2**20  # bytes unpacked; the largest real one has 39 million
_CHUNK = 64 * 2**10


class Damaged(ValueError):
    """It is no complete export; the text is a phrase."""


def read(tar: Path, contents_of: Collection[str] = MEMBERS) -> dict[str, bytes]:
    """The MEMBERS by file name, each with its content if that is asked for, else empty.

    Reads the archive to its end, where the checksum is. Raises Damaged; OSError if it cannot be read.
    """
    try:
        with gzip.open(tar) as file:
            unpacked = _Bounded(file)
            found = _members(unpacked, contents_of)
            while unpacked.read(_CHUNK):
                pass
    except EOFError as error:
        raise Damaged("it is cut short") from error
    except Exception as error:  # whatever the decompressors raise
        if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
            raise
        words = " ".join(str(error).split()) or type(error).__name__
        raise Damaged(f"it is no archive of weights, or a damaged one ({words})") from error
    if missing := [name for name in MEMBERS if name not in found]:
        raise Damaged(f"there is no {missing[0]} in it")
    return found


def fault(tar: Path, wanted: Mapping[str, str]) -> str | None:
    """What is wrong with the archive, in a phrase: incomplete, damaged, something else, or of another model.

    wanted: what config.ini has to contain, as for `unlike`. Raises OSError if it cannot be read.
    """
    try:
        return unlike(read(tar, (CONFIG,))[CONFIG].decode("utf-8", "replace"), wanted)
    except Damaged as damage:
        return str(damage)


def unlike(text: str, wanted: Mapping[str, str]) -> str | None:
    """How config.ini differs from the wanted model's, in a phrase. Looks into the model's sections; missing keys are ignored."""
    config = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        config.read_string(text)
    except configparser.Error as error:
        return f"{CONFIG} cannot be read ({str(error).splitlines()[0]})"
    for key, value in wanted.items():
        for section in ("train", "df", "deepfilternet"):
            said = config.get(section, key, fallback=value).strip()
            if said != value:
                return f"{CONFIG} is another model's: {key} is {said[:40]}, not {value}"
    return None


class _Bounded:
    """The decompressed stream, limited to MOST bytes, headers included, because tarfile reads them into memory."""

    def __init__(self, unpacked: gzip.GzipFile) -> None:
        self._unpacked, self._left = unpacked, MOST

    def read(self, size: int) -> bytes:
        piece = self._unpacked.read(size)
        self._left -= len(piece)
        if self._left < 0:
            raise ValueError("far larger than weights are")
        return piece


def _members(unpacked: _Bounded, contents_of: Collection[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=cast(IO[bytes], unpacked), mode="r|") as packed:
        for member in packed:
            if member.size > MOST:
                raise ValueError("far larger than weights are")
            name = PurePosixPath(member.name).name
            if name not in MEMBERS:
                continue
            content = packed.extractfile(member) if member.isreg() and name not in found else None
            if content is None:
                raise ValueError(f"{name} is there twice, or as a link")
            found[name] = content.read() if name in contents_of else b""
    return found
