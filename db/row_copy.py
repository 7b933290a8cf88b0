"""A consistent copy of the rows as a SQLite file, for a backup, taken while others write, and what the copy says of recordings."""

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote

from db import migrations, opening
from db.errors import NoRows, Unusable

WAIT_S = 10.0  # for another program that holds the file
OF_A_RECORDING = {"recording": "id", "recording_part": "recording_id", "stored_folder": "recording_id"}  # table -> its key of that

IDS = "SELECT id FROM recording"


class KeptFolder(NamedTuple):
    """A folder of a recording's files, relative to `storage.path` of `node` ("": there is one server). state: a recording's."""

    folder: str
    node: str
    state: str


class Kept(NamedTuple):
    """A recording in the copy. `stored`: its folders that have moved to S3. `apart`: those of parts that are not joined with its own."""

    id: int
    own: KeptFolder
    stored: frozenset[str]
    apart: Sequence[KeptFolder] = ()


class RowSource(Protocol):
    """The rows of a server, which may be running."""

    def size(self) -> int:
        """Of all rows where they are, in bytes, roughly. Raises Unavailable where that cannot be told now, Unusable."""

    def take(self, copy: Path) -> list[str]:
        """Copy all rows as they are at one moment into a file, and check it; the names of its migrations, oldest first.

        Writers are not held up. Raises Unusable where there are no sound rows of ours, Unavailable where they cannot be read now.
        """

    def renew(self, copy: Path, recording_id: int) -> bool:
        """Give the copy the rows of one recording as they are now; False: there is no such recording any more."""

    def ids(self) -> set[int]:
        """The recordings that there are now."""


class FileRows:
    """Implements RowSource for a SQLite file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def size(self) -> int:
        """Implements RowSource."""
        return self._path.stat().st_size if self._path.exists() else 0

    def take(self, copy: Path) -> list[str]:
        """Implements RowSource."""
        return take(self._path, copy)

    def renew(self, copy: Path, recording_id: int) -> bool:
        """Implements RowSource."""
        with closing(_opened(self._path, "ro")) as file:
            file.execute("BEGIN")  # all as they are at one moment
            found = {table: file.execute(f"{question} ?", (recording_id,)).fetchall() for table, question in questions(copy).items()}
        return put_anew(copy, recording_id, found)

    def ids(self) -> set[int]:
        """Implements RowSource."""
        with closing(_opened(self._path, "ro")) as file:
            return {number for (number,) in file.execute(IDS)}


def take(source: Path, copy: Path) -> list[str]:
    """As RowSource.take, from a SQLite file."""
    if not source.exists():
        raise NoRows(f"{source} is missing: there is nothing to back up")
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
    return _kept(copy, "", ())


def recording_of(copy: Path, recording_id: int) -> Kept:
    """One that is there."""
    return _kept(copy, "WHERE id = ?", (recording_id,))[0]


def _kept(copy: Path, which: str, given: tuple[int, ...]) -> list[Kept]:
    """A copy of an older version has no columns, or no tables, of what it did not know."""
    with closing(_opened(copy, "ro")) as file:
        stored, apart = dict[int, set[str]](), dict[int, list[KeptFolder]]()
        if columns_of(file, "stored_folder"):
            for recording_id, folder in file.execute("SELECT recording_id, folder FROM stored_folder"):
                stored.setdefault(recording_id, set()).add(folder)
        if "folder" in columns_of(file, "recording_part"):
            parts = "SELECT recording_id, folder, node, to_s IS NULL FROM recording_part WHERE folder IS NOT NULL ORDER BY id"
            for recording_id, folder, node, is_open in file.execute(parts):
                apart.setdefault(recording_id, []).append(KeptFolder(folder, node, "live" if is_open else "ready"))
        node = "node" if "node" in columns_of(file, "recording") else "''"
        rows = file.execute(f"SELECT id, folder, {node}, state FROM recording {which} ORDER BY id", given)
        return [Kept(number, KeptFolder(*own), frozenset(stored.get(number, ())), tuple(apart.get(number, ()))) for number, *own in rows]


def questions(copy: Path) -> dict[str, str]:
    """For each table with rows of a recording: the question for them, in the order of the copy's columns; its id is to follow."""
    with closing(_opened(copy, "ro")) as file:
        columns = {table: columns_of(file, table) for table in OF_A_RECORDING}
    return {
        table: f"SELECT {', '.join(columns[table])} FROM {table} WHERE {key} =" for table, key in OF_A_RECORDING.items() if columns[table]
    }


def put_anew(copy: Path, recording_id: int, found: Mapping[str, Sequence[Sequence[Any]]]) -> bool:
    """Replace the copy's rows of a recording by those that the `questions` have found; without any, delete them. Whether there are."""
    if not found["recording"]:
        leave_out(copy, [recording_id])
        return False
    with closing(_opened(copy, "rw")) as file:
        file.execute("PRAGMA foreign_keys = 0")  # what else belongs to it stays
        file.execute("BEGIN")
        for table, rows in found.items():
            file.execute(f"DELETE FROM {table} WHERE {OF_A_RECORDING[table]} = ?", (recording_id,))
            file.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns_of(file, table)))})", rows)
        _keep_what_is_named(file)
        file.execute("COMMIT")
    return True


def _keep_what_is_named(file: sqlite3.Connection) -> None:
    """A folder in which parts are joined is noted as to be deleted until it is the recording's, and so it was when the copy was made."""
    if columns_of(file, "discarded_folder"):
        named = "SELECT folder FROM recording"
        if "folder" in columns_of(file, "recording_part"):
            named += " UNION SELECT folder FROM recording_part WHERE folder IS NOT NULL"
        file.execute(f"DELETE FROM discarded_folder WHERE folder IN ({named})")


def leave_out(copy: Path, recording_ids: Collection[int]) -> None:
    """Delete these recordings from the copy, with what belongs to them."""
    with closing(_opened(copy, "rw")) as file:
        file.execute("PRAGMA foreign_keys = 1")
        file.executemany("DELETE FROM recording WHERE id = ?", [(each,) for each in recording_ids])


def count_rows(copy: Path) -> int:
    """How many rows its tables have."""
    with closing(_opened(copy, "ro")) as file:
        return sum(file.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0] for table in tables_of(file))


def tables_of(file: sqlite3.Connection) -> list[str]:
    """The names of its tables, but for the list of migrations and SQLite's own."""
    return [
        name
        for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        if name != "migration" and not name.startswith("sqlite_")
    ]


def columns_of(file: sqlite3.Connection, table: str) -> list[str]:
    """The names of its columns, in their order; none where there is no such table."""
    return [column for _, column, *_ in file.execute(f'PRAGMA table_info("{table}")')]


def newer_than_this(names: Collection[str]) -> list[str]:
    """Those of the migrations that only a newer version has."""
    return sorted(set(names) - set(migrations.names()))


def _opened(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode={mode}", uri=True, timeout=WAIT_S, isolation_level=None)
