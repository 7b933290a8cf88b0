"""The rows of a newer version for an older one: its own copy from before newer migrations, with what was written since.

What was written since is carried over, table by table: where newer migrations left the rows alone, and nothing is in columns that they
have added.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from db import opening, row_copy
from db.errors import Unusable
from db.on_disk import on_disk

TABLES = "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name != 'migration' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"


def written_since(then: Path, now: Path) -> dict[str, int]:
    """Table -> its rows that only one of two copies with the same schema has; tables that are the same are not named."""
    with _both(now, then) as file:
        differing = {name: _differing(file, name) for name in _tables(file)}
    return {name: rows for name, rows in differing.items() if rows}


def not_held(older: Path, then: Path, now: Path, written: Collection[str]) -> list[str]:
    """Those tables whose rows `older` cannot hold: newer migrations have made them, or changed their rows, or a new column is filled.

    then: `older`, migrated.
    """
    with _both(older, then) as before, _both(older, now) as after:
        return sorted(name for name in written if _is_changed(before, name) or _is_filled(after, name))


def _is_changed(file: sqlite3.Connection, table: str) -> bool:
    old, new = _columns(file, "main", table), _columns(file, "other", table)
    return not old or not old.keys() <= new.keys() or _differing(file, table) > 0


def _is_filled(file: sqlite3.Connection, table: str) -> bool:
    """Whether a column that only the newer version has is anything but its default."""
    old, new = _columns(file, "main", table), _columns(file, "other", table)
    filled = " OR ".join(f'"{name}" IS NOT {default or "NULL"}' for name, default in new.items() if name not in old)
    return bool(filled) and file.execute(f'SELECT 1 FROM other."{table}" WHERE {filled}').fetchone() is not None


def carry(now: Path, older: Path, written: Collection[str]) -> None:
    """Replace the rows of these tables in the copy `older` by those of the copy `now`. Raises Unusable; then `older` is unchanged."""
    try:
        with _both(older, now) as file:
            file.execute("BEGIN")
            file.execute("PRAGMA defer_foreign_keys = 1")
            triggers = file.execute("SELECT name, sql FROM main.sqlite_master WHERE type = 'trigger'").fetchall()
            for name, _ in triggers:  # what they did is in the rows that come
                file.execute(f'DROP TRIGGER "{name}"')
            for name in written:
                file.execute(f'DELETE FROM main."{name}"')
            for name in written:
                columns = _quoted(_columns(file, "main", name))
                file.execute(f'INSERT INTO main."{name}" ({columns}) SELECT {columns} FROM other."{name}"')
            if file.execute("SELECT 1 FROM main.sqlite_master WHERE name = 'sqlite_sequence'").fetchone():  # numbers are not given again
                file.execute("DELETE FROM main.sqlite_sequence WHERE name IN (SELECT name FROM other.sqlite_sequence)")
                file.execute(
                    "INSERT INTO main.sqlite_sequence SELECT * FROM other.sqlite_sequence"
                    " WHERE name IN (SELECT name FROM main.sqlite_master)"
                )
            for _, statement in triggers:
                file.execute(statement)
            broken = file.execute("PRAGMA main.foreign_key_check").fetchone()
            if broken:
                raise Unusable(f"rows of {broken[0]} that were written since belong to rows of {broken[2]} that the earlier version lacks")
            file.execute("COMMIT")
    except sqlite3.Error as error:
        raise Unusable(f"rows that were written since do not fit into the earlier version's tables: {error}") from error


def put_in_place(copy: Path, place: Path) -> None:
    """Put a copy into the place of the file, which nobody uses; at any moment one of the two is there, whole. Raises Unusable."""
    draft = place.with_name(f".{place.name}.back")
    try:
        draft.unlink(missing_ok=True)
        row_copy.take(copy, draft)
        with closing(sqlite3.connect(place, isolation_level=None)) as file:  # else its journal would be played into the copy
            file.execute("PRAGMA journal_mode = delete")
        if Path(f"{place}-wal").exists():
            raise Unusable(f"{place} is in use by another program")
        on_disk(draft)
        draft.replace(place)
    except sqlite3.Error as error:
        raise opening.trouble_of(error, place) from error
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _both(main: Path, other: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"file:{quote(str(main.absolute()))}?mode=rw", uri=True, isolation_level=None)) as file:
        file.execute("PRAGMA foreign_keys = 0")
        file.execute("ATTACH DATABASE ? AS other", (f"file:{quote(str(other.absolute()))}?mode=ro",))
        yield file


def _tables(file: sqlite3.Connection) -> list[str]:
    return [name for (name,) in file.execute(TABLES)]


def _columns(file: sqlite3.Connection, schema: str, table: str) -> dict[str, str | None]:
    """Name -> its default as SQL, in the order of the table; {} where there is no such table."""
    return {name: default for _, name, _, _, default, _ in file.execute(f'PRAGMA {schema}.table_info("{table}")')}


def _quoted(columns: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)


def _differing(file: sqlite3.Connection, table: str) -> int:
    """How many rows only one of the two has, by the columns of the first."""
    columns = _quoted(_columns(file, "main", table))
    one, two = (f'SELECT {columns} FROM {schema}."{table}"' for schema in ("main", "other"))
    question = f"SELECT (SELECT COUNT(*) FROM ({one} EXCEPT {two})), (SELECT COUNT(*) FROM ({two} EXCEPT {one}))"
    return int(max(file.execute(question).fetchone()))
