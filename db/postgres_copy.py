"""The rows of PostgreSQL as a SQLite file of the same schema, for a backup: all as they are at one moment, compared at the end."""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import peewee

from db import faults, migrations, postgres_opening
from db.copying import FILLED_BY_TRIGGERS, written
from db.errors import NoRows, Unusable
from db.long_transaction import long_transaction
from db.postgres import PostgresEngine, PostgresTables
from db.row_copy import IDS, columns_of, put_anew, questions, tables_of
from db.sqlite import SqliteFile

AT_ONCE = 500  # rows


class PostgresRows:
    """Implements RowSource for the database at `url`."""

    def __init__(self, url: str) -> None:
        """Raises Unusable for what is no address."""
        self._engine = PostgresEngine(url)

    def size(self) -> int:
        """Implements RowSource."""
        with long_transaction(self._engine, "the size of the database is not known", reading=True) as tables:
            return int(tables.execute_sql("SELECT pg_database_size(current_database())").fetchone()[0])

    def take(self, copy: Path) -> list[str]:
        """Implements RowSource. Memory does not grow with the rows."""
        with long_transaction(self._engine, "no backup was made", reading=True) as tables:
            there = postgres_opening.tables_of(tables)
            if not there:
                raise NoRows("database.url: there are no tables in this database: there is nothing to back up")
            postgres_opening.refuse_newer(tables, there)
            applied = sorted(migrations.applied(tables))
            try:
                _fill(copy, tables, applied)
            except (sqlite3.Error, peewee.PeeweeException) as error:
                fault = faults.fault_of(error, copy)
                if fault is None:
                    raise  # PostgreSQL's, or of rows that do not fit
                raise fault from error
            return applied

    def renew(self, copy: Path, recording_id: int) -> bool:
        """Implements RowSource."""
        with long_transaction(self._engine, "no backup was made", reading=True) as tables:
            found = {table: tables.execute_sql(f"{question} %s", (recording_id,)).fetchall() for table, question in questions(copy).items()}
        return put_anew(copy, recording_id, found)

    def ids(self) -> set[int]:
        """Implements RowSource."""
        with long_transaction(self._engine, "no backup was made", reading=True) as tables:
            return {number for (number,) in tables.each(IDS)}


def _fill(copy: Path, tables: PostgresTables, applied: list[str]) -> None:
    with closing(SqliteFile(copy)) as made:
        made.connect()
        migrations.apply_missing(made, applied)
    with closing(sqlite3.connect(copy, isolation_level=None)) as file:
        file.execute("PRAGMA journal_mode = delete")  # one file, without a journal beside it
        file.execute("PRAGMA synchronous = 0")  # it is packed and goes
        file.execute("PRAGMA foreign_keys = 0")  # checked at the end, so that tables come in any order
        file.execute("BEGIN")
        for name in tables_of(file):
            if name not in FILLED_BY_TRIGGERS:
                _copy_table(name, tables, file)
        for (name,) in file.execute("SELECT name FROM sqlite_master WHERE sql LIKE '% AUTOINCREMENT%'").fetchall():
            _set_sequence(name, tables, file)
        _check(file, tables)
        file.execute("COMMIT")


def _copy_table(name: str, tables: PostgresTables, file: sqlite3.Connection) -> None:
    """All rows, then a look at whether they are the same. Raises Unusable."""
    columns = ", ".join(f'"{column}"' for column in columns_of(file, name))
    keys = sorted((place, column) for _, column, _, _, _, place in file.execute(f'PRAGMA table_info("{name}")') if place)
    question = f'SELECT {columns} FROM "{name}" ORDER BY {", ".join(column for _, column in keys)}'
    file.execute(f'DELETE FROM "{name}"')  # what migrations make
    inserting = f'INSERT INTO "{name}" ({columns}) VALUES ({", ".join("?" * len(columns_of(file, name)))})'
    there, here = hashlib.sha256(), hashlib.sha256()
    for rows in _some_at_a_time(tables.each(question)):
        file.executemany(inserting, rows)
        for row in rows:
            there.update(written(row))
    for row in file.execute(question):
        here.update(written(row))
    if here.digest() != there.digest():
        raise Unusable(f"no backup was made: {name} is not the same in the copy as in PostgreSQL")


def _set_sequence(name: str, tables: PostgresTables, file: sqlite3.Connection) -> None:
    """Ids of rows that were deleted are not given again."""
    sequence = tables.execute_sql("SELECT pg_get_serial_sequence(%s, 'id')", (f'"{name}"',)).fetchone()[0]
    last, given = tables.execute_sql(f"SELECT last_value, is_called FROM {sequence}").fetchone()
    file.execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
    file.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, last if given else 0))


def _check(file: sqlite3.Connection, tables: PostgresTables) -> None:
    """Raises Unusable for rows that triggers have made otherwise than PostgreSQL's, rows without what they refer to, and damage."""
    for name in FILLED_BY_TRIGGERS & set(tables_of(file)):
        here, there = (ask(f"SELECT count(*) FROM {name}").fetchone()[0] for ask in (file.execute, tables.execute_sql))
        if here != there:
            raise Unusable(f"no backup was made: {name} is not the same in the copy as in PostgreSQL")
    dangling = file.execute("PRAGMA foreign_key_check").fetchone()
    if dangling:
        raise Unusable(f"no backup was made: rows of {dangling[0]} refer to rows of {dangling[2]} that are not there")
    said = [row[0] for row in file.execute("PRAGMA integrity_check(1)")]
    if said != ["ok"]:
        raise Unusable(f"no backup was made: the copy is damaged ({' '.join(' '.join(said).split())})")


def _some_at_a_time(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    left = iter(rows)
    while some := list(islice(left, AT_ONCE)):
        yield some
