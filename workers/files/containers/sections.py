"""The sounds in a file: usually one; several in concatenated files; part of the file if other data follows."""

import os
from pathlib import Path
from typing import BinaryIO, NamedTuple

from workers.files.containers import ebml, mpeg
from workers.files.containers.ogg_links import links
from workers.files.containers.riff_chunks import end_of_sound
from workers.files.containers.window import ByteRange


class SoundSection(NamedTuple):
    """One sound of a file."""

    part: ByteRange | None = None  # None: the whole file
    granule: int | None = None  # an Ogg stream's end position, in its own units, if known


def sections(path: Path) -> list[SoundSection]:
    """In playing order. Raises OSError."""
    with path.open("rb") as file:
        magic = file.read(4)
        size = file.seek(0, os.SEEK_END)
        if magic == b"OggS":
            found = [SoundSection(link.part, link.granule) for link in links(file)]
            return found if len(found) > 1 else [SoundSection(None, found[0].granule)]
        if magic == ebml.MAGIC:
            return _segments(file, size)
        if magic == b".snd":  # FFmpeg would decode data after the end
            end = end_of_sound(file)
            return [SoundSection(ByteRange(0, end, "au"))] if end and end < size else [SoundSection()]
        if magic in (b"RF64", b"BW64") and end_of_sound(file) is None:  # FFmpeg knows the placeholders of RIFF only
            return [SoundSection(ByteRange(0, size, "wav", b"RIFF"))]
        parts = mpeg.streams(file)
    return [SoundSection(part) for part in parts] if parts and parts != [ByteRange(0, size, "mp3")] else [SoundSection()]


def _segments(file: BinaryIO, size: int) -> list[SoundSection]:
    begin, parts = 0, list[ByteRange]()
    while begin < size and (not parts or _magic_at(file, begin) == ebml.MAGIC):
        end = ebml.first_segment(file, begin, size).end
        parts.append(ByteRange(begin, min(end, size), "matroska"))
        begin = end
    return [SoundSection(part) for part in parts] if len(parts) > 1 else [SoundSection()]


def _magic_at(file: BinaryIO, at: int) -> bytes:
    file.seek(at)
    return file.read(4)
