"""python -m workers.recordings.part FOLDER: end the files of a part of a recording, and say what it holds.

A part is what one of several servers has recorded of a broadcast. Its files are those of a recording, on the recording's time line: what
the servers before it have is silence in them. Prints one line of JSON: {from_s, to_s, sha256, size_bytes}; sha256 null: nothing is there.
"""

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from workers.pdeathsig import leave_with_parent
from workers.recordings import opusfile
from workers.recordings.finalise import end_files, variants_in
from workers.recordings.opusfile import PRE_SKIP, RATE_HZ
from workers.recordings.spans import OF_A_PART

_NICENESS = 10


class HeldSound(NamedTuple):
    """The stretch of the time line of which a part has the sound, in samples."""

    begin: int
    end: int


def digest(folder: Path) -> str:
    """SHA-256 (hex) of what `sha256sum` prints for the part's files, in the order of their names. Raises OSError."""
    lines = hashlib.sha256()
    for name in OF_A_PART:
        if (folder / name).exists():
            with (folder / name).open("rb") as file:
                lines.update(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n".encode())
    return lines.hexdigest()


def piece_of(folder: Path) -> HeldSound | None:
    """From the first packet with sound in any of its files to the end; None where there is none. Raises OSError."""
    found = [piece for variant in variants_in(folder) if (piece := _piece(folder / f"{variant}.opus")) is not None]
    return HeldSound(min(each.begin for each in found), max(each.end for each in found)) if found else None


def _piece(path: Path) -> HeldSound | None:
    end = opusfile.length(path)
    for time, payload in opusfile.packets_from(path, 0):
        if len(payload) > 1 and time + PRE_SKIP < end:  # what fills gaps is a TOC byte
            return HeldSound(time + PRE_SKIP, end)
    return None


def closed(folder: Path) -> Mapping[str, object]:
    """End the files; returns what is printed. Raises OSError."""
    nothing = {"from_s": 0.0, "to_s": 0.0, "sha256": None, "size_bytes": 0}
    if not folder.is_dir():
        return nothing
    (folder / opusfile.HEARD).unlink(missing_ok=True)
    end_files(folder)
    piece = piece_of(folder)
    if piece is None:
        return nothing
    size = sum((folder / name).stat().st_size for name in OF_A_PART if (folder / name).exists())
    return {"from_s": piece.begin / RATE_HZ, "to_s": piece.end / RATE_HZ, "sha256": digest(folder), "size_bytes": size}


def main() -> None:
    parser = argparse.ArgumentParser(description="End the files of a part of a recording.")
    parser.add_argument("folder", type=Path)
    asked = parser.parse_args()
    leave_with_parent()
    os.nice(_NICENESS)
    json.dump(closed(asked.folder), sys.stdout)


if __name__ == "__main__":
    main()
