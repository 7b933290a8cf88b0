"""Upstream's ONNX export: NAME_onnx.tar.gz with tmp/export/{enc,erb_dec,df_dec}.onnx and config.ini. Nothing is unpacked to disk."""

import tarfile
import zlib
from pathlib import Path, PurePosixPath

from workers.graphs.errors import WeightsError

PARTS = ("enc.onnx", "erb_dec.onnx", "df_dec.onnx")
CONFIG = "config.ini"
MOST_MEMBERS = 64
MOST_BYTES = 256 * 2**20  # of all that is read; the largest published model has 39 MB


def members(file: Path) -> dict[str, bytes]:
    """The four files inside, by their last name. Raises WeightsError; OSError where the file itself cannot be read."""
    found: dict[str, bytes] = {}
    left = MOST_BYTES
    with file.open("rb") as raw:
        try:
            with tarfile.open(fileobj=raw, mode="r|gz") as tar:
                for number, member in enumerate(tar):
                    name = PurePosixPath(member.name).name
                    left -= member.size
                    if number >= MOST_MEMBERS or left < 0:
                        raise WeightsError(f"{file.name} holds more than a model")
                    if name not in (*PARTS, CONFIG):
                        continue
                    if not member.isreg() or name in found:
                        raise WeightsError(f"{file.name} holds {name} twice, or as a link")
                    stream = tar.extractfile(member)
                    found[name] = stream.read() if stream is not None else b""
        except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise WeightsError(f"{file.name} is cut short or no tar: {error}") from error
    missing = [name for name in (*PARTS, CONFIG) if name not in found]
    if missing:
        raise WeightsError(f"{file.name} lacks {missing[0]}")
    return found
