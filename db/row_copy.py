"""A consistent copy of the SQLite file for a backup, taken while others write it, and what the copy says of recordings."""

import sqlite3
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from db import migrations, opening
from db.errors import Unusable

WAIT_S = 10.0  # for another program that holds the file


class Kept(NamedTuple):
    """A recording's row: `folder` is relative to `storage.path`; `stored`: its files have moved to S3."""

    id: int
    state: str
    folder: str
    stored: bool


def take(source: Path, copy: Path) -> list[str]:
    """Copy the file as it is at one moment, and check the copy; the names of its migrations, oldest first.

    Writers are not held up. Raises Unusable where there is no sound file of ours, Unavailable where it cannot be read now.
    """
    if not source.exists():
        raise Unusable(f"{source} is missing: there is nothing to back up")
    opening.look_at(source)
    try:
        with closing(_opened(source, "ro")) as original, closing(sqlite3.connect(copy, isolation_level=None)) as taken:
            original.backup(taken)  # all pages in one step, so that no writer makes it begin again
            taken.execute("PRAGMA journal_mode = delete")  # one file, without a journal beside it
            said = [row[0] for row in taken.execute("PRAGMA integrity_check(1)")]
            if said != ["ok"]:
                raise Unusable(f"{source} is damaged ({' '.join(' '.join(said).split())}); {opening.RESTORE}")
            return sorted(name for (name,) in taken.execute("SELECT name FROM migration"))
    except sqlite3.Error as error:
        raise opening.trouble_of(error, source) from error


def applied_in(copy: Path) -> list[str]:
    """The names of its migrations, oldest first."""
    with closing(_opened(copy, "ro")) as file:
        return [name for (name,) in file.execute("SELECT name FROM migration ORDER BY name")]


def recordings_of(copy: Path) -> list[Kept]:
    """Every recording, by id."""
    with closing(_opened(copy, "ro")) as file:
        stored: set[int] = set()
        if file.execute("SELECT 1 FROM sqlite_master WHERE name = 'stored_folder'").fetchone():  # not in a file of an older version
            stored = {each for (each,) in file.execute("SELECT recording_id FROM stored_folder")}
        rows = file.execute("SELECT id, state, folder FROM recording ORDER BY id")
        return [Kept(number, state, folder, number in stored) for number, state, folder in rows]


def is_there(source: Path, recording_id: int) -> bool:
    """Whether the file has this recording now."""
    with closing(_opened(source, "ro")) as file:
        return file.execute("SELECT 1 FROM recording WHERE id = ?", (recording_id,)).fetchone() is not None


def take_moved(source: Path, copy: Path, recording_id: int) -> bool:
    """Whether this recording's files have moved to S3 since the copy was made: then the copy gets its rows as they are now."""
    with closing(_opened(source, "ro")) as file, closing(_opened(copy, "rw")) as taken:
        if not file.execute("SELECT 1 FROM sqlite_master WHERE name = 'stored_folder'").fetchone():
            return False
        file.row_factory = sqlite3.Row
        file.execute("BEGIN")  # both rows as they are at one moment
        moved = file.execute("SELECT * FROM stored_folder WHERE recording_id = ?", (recording_id,)).fetchone()
        row = file.execute("SELECT * FROM recording WHERE id = ?", (recording_id,)).fetchone()
        if moved is None or row is None:
            return False
        taken.execute("BEGIN")
        taken.execute(f"UPDATE recording SET {', '.join(f'{name} = ?' for name in row.keys())} WHERE id = ?", (*row, recording_id))
        taken.execute(f"INSERT INTO stored_folder ({', '.join(moved.keys())}) VALUES ({', '.join('?' * len(moved))})", tuple(moved))
        taken.execute("COMMIT")
        return True


def leave_out(copy: Path, recording_ids: Collection[int]) -> None:
    """Delete these recordings from the copy, with what belongs to them."""
    with closing(_opened(copy, "rw")) as file:
        file.execute("PRAGMA foreign_keys = 1")
        file.executemany("DELETE FROM recording WHERE id = ?", [(each,) for each in recording_ids])


def newer_than_this(names: Collection[str]) -> list[str]:
    """Those of the migrations that only a newer version has."""
    return sorted(set(names) - set(migrations.names()))


def _opened(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode={mode}", uri=True, timeout=WAIT_S, isolation_level=None)
