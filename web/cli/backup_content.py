"""What a backup consists of: the files of each recording that the database knows, keys, known names and settings."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, NamedTuple

from db.row_copy import KeptFolder
from workers.recordings.ogg import last_page
from workers.recordings.opusfile import DENOISED, HEARD, ORIGINAL
from workers.recordings.spans import JOURNAL

WRITTEN_ON_AIR = (ORIGINAL, DENOISED, HEARD, JOURNAL)  # all else is made of these when a recording ends, and after a restart again
TRIES = 3  # to open a folder in which a file is renamed meanwhile


class OpenFile(NamedTuple):
    """An open file, and how many of its bytes belong into the backup."""

    name: str
    file: BinaryIO
    size: int


def files_of(storage: Path, place: KeptFolder, opened: ExitStack) -> list[OpenFile]:
    """The files of one recording, or of a part of one, all open before the first is read, so that deleting it meanwhile loses none;
    none where it is gone.

    Of one that is on air whole pages only. opened: closes them.
    """
    for _ in range(TRIES):
        with ExitStack() as attempt:
            try:
                found = [_open(each, place, attempt) for each in _listed(storage / place.folder, place.state)]
            except FileNotFoundError:
                continue
            opened.enter_context(attempt.pop_all())
            return found
    return []


def files_beside(storage: Path, settings: Path) -> Iterator[tuple[str, Path]]:
    """(name in the backup, file) of all that is no recording and no row."""
    for folder, folders, files in os.walk(storage / "keys"):
        folders.sort()
        yield from ((str(Path(folder, name).relative_to(storage)), Path(folder, name)) for name in sorted(files) if _lasts(name))
    for name, file in (("names.json", storage / "names.json"), ("config.toml", settings)):
        if file.is_file():
            yield name, file


def _listed(folder: Path, state: str) -> list[Path]:
    try:
        found = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    ended = state in ("ready", "failed")
    return [each for each in found if _lasts(each.name) and (ended or each.name in WRITTEN_ON_AIR) and each.is_file()]


def _lasts(name: str) -> bool:
    """Whether it is no draft."""
    return not name.endswith(".part") and not name.startswith(".")


def _open(path: Path, place: KeptFolder, opened: ExitStack) -> OpenFile:
    file = opened.enter_context(path.open("rb"))
    size = os.fstat(file.fileno()).st_size
    if place.state == "live" and path.suffix == ".opus":
        page = last_page(file)
        size = 0 if page is None else page.offset + page.size
        file.seek(0)
    return OpenFile(f"{place.folder}/{path.name}", file, size)
