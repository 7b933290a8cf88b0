"""Upstream's ONNX exports as they are handed on: NAME_onnx.tar.gz, with three graphs and config.ini. What is wrong with one.

Nothing is unpacked to the disk.
"""

import configparser
import gzip
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

CONFIG = "config.ini"
MEMBERS = ("enc.onnx", "erb_dec.onnx", "df_dec.onnx", CONFIG)
MOST = 128 * 2**20  # bytes unpacked; the largest real one has 39 million
_MOST_CONFIG = 2**20
_CHUNK = 64 * 2**10


def fault(tar: Path, wanted: Mapping[str, str]) -> str | None:
    """What is wrong with the archive, in a phrase: cut short, spoilt, something else, or with another model's config.ini.

    wanted: what config.ini has to say, as `unlike` takes it. Reads all of it. Raises OSError where it cannot be read.
    """
    try:
        with gzip.open(tar) as unpacked:
            found = _members(unpacked)
            left = MOST
            while piece := unpacked.read(_CHUNK):  # to the end, where the checksum is
                left -= len(piece)
                if left < 0:
                    raise ValueError("far larger than weights are")
    except EOFError:
        return "it is cut short"
    except Exception as error:  # whatever the unpackers raise
        if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
            raise
        return f"it is no archive of weights, or a spoilt one ({' '.join(str(error).split()) or type(error).__name__})"
    if missing := [name for name in MEMBERS if name not in found]:
        return f"there is no {missing[0]} in it"
    return unlike(found[CONFIG].decode("utf-8", "replace"), wanted)


def unlike(text: str, wanted: Mapping[str, str]) -> str | None:
    """Where config.ini is another model's, in a phrase. Looks into the sections of the model; a key that is not there is not judged."""
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


def _members(unpacked: gzip.GzipFile) -> dict[str, bytes]:
    """Which of the MEMBERS are there, and what config.ini holds."""
    found = {}
    with tarfile.open(fileobj=unpacked, mode="r|") as packed:
        left = MOST
        for member in packed:
            left -= member.size
            if left < 0:
                raise ValueError("far larger than weights are")
            name = PurePosixPath(member.name).name
            if name not in MEMBERS or not member.isfile():
                continue
            content = packed.extractfile(member)
            assert content is not None
            found[name] = content.read(_MOST_CONFIG) if name == CONFIG else b""
    return found
