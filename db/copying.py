"""Copies what a SQLite file has into an empty PostgreSQL database: in one transaction, compared at the end. The file stays as it is."""

import hashlib
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import peewee

from db import owner_tables, postgres_opening, stored_folders, tables
from db.errors import Unusable
from db.long_transaction import long_transaction
from db.postgres import PostgresEngine, PostgresTables
from db.sqlite import SqliteEngine, SqliteFile

DERIVED: tuple[type[tables.Row], ...] = (tables.NamePart,)  # a trigger fills it: counted, not copied
FILLED_BY_TRIGGERS = {table._meta.table_name for table in DERIVED}
MADE_BY_MIGRATIONS = (tables.Ownership,)
STEP = 500  # rows between two calls of `told`
Told = Callable[[str, int, int], None]


def copy(source: Path, url: str, told: Told) -> int:
    """Copy all rows; returns how many. Blocks for as long as it takes. Raises Unusable, Unavailable; then nothing was copied.

    told: is called with a table's name, how many of its rows are there, and how many there will be.
    """
    if not source.exists():
        raise Unusable(f"{source} is not there: nothing to copy")
    engine = PostgresEngine(url)
    older = SqliteEngine(source)
    older.prepare()
    older.open(reading=False).close()  # migrates it
    engine.prepare()
    with long_transaction(engine, "not copied") as target:
        postgres_opening.lock(target)
        return RowsInto(target, told).fill(source)


class RowsInto:
    """A PostgreSQL database of today's schema, within a transaction."""

    def __init__(self, target: PostgresTables, told: Told) -> None:
        self._target, self._told = target, told

    def fill(self, source: Path) -> int:
        """Copy all rows of a SQLite file of the same schema; how many. Raises Unusable, also where there are rows already."""
        self._target.execute_sql('LOCK TABLE "user" IN ACCESS EXCLUSIVE MODE')
        self._refuse_others_rows()
        with closing(SqliteFile(source)) as file:
            file.connect()
            with file.atomic("DEFERRED"):
                return sum(self._table(file, table) for table in _copied()) + sum(self._compare_counts(file, table) for table in DERIVED)

    def _refuse_others_rows(self) -> None:
        for table in _copied():
            if table in MADE_BY_MIGRATIONS:
                self._target.execute_sql(f"DELETE FROM {_name(table)}")
            elif self._count(self._target, table):
                raise Unusable(f"the PostgreSQL database is not empty: {table._meta.table_name} has rows; nothing was copied")

    def _table(self, file: SqliteFile, table: type[tables.Row]) -> int:
        columns = ", ".join(f'"{field.column_name}"' for field in table._meta.sorted_fields)
        keys = ", ".join(f'"{field.column_name}"' for field in _key(table))
        question = f"SELECT {columns} FROM {_name(table)} ORDER BY {keys}"
        total, done, digest = self._count(file, table), 0, hashlib.sha256()
        self._told(table._meta.table_name, 0, total)
        with self._target.raw().cursor().copy(f"COPY {_name(table)} ({columns}) FROM STDIN") as copying:
            for row in file.raw().execute(question):
                copying.write_row(row)
                digest.update(written(row))
                done += 1
                if done % STEP == 0:
                    self._target.asks()
                    self._told(table._meta.table_name, done, total)
        self._told(table._meta.table_name, done, total)
        there = hashlib.sha256()
        for row in self._target.each(question):
            there.update(written(row))
        if there.digest() != digest.digest():
            raise Unusable(f"not copied: {table._meta.table_name} is not the same in PostgreSQL as in the file")
        self._set_sequence(file, table)
        return self._compare_counts(file, table)

    def _set_sequence(self, file: SqliteFile, table: type[tables.Row]) -> None:
        """Ids of rows that were deleted are not given again either."""
        name = table._meta.table_name
        last = file.raw().execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (name,)).fetchone()
        if last is not None and last[0]:
            self._target.execute_sql(f"SELECT setval(pg_get_serial_sequence('{_name(table)}', 'id'), %s)", (last[0],))

    def _compare_counts(self, file: SqliteFile, table: type[tables.Row]) -> int:
        before, after = (self._count(database, table) for database in (file, self._target))
        if before != after:
            raise Unusable(f"not copied: {table._meta.table_name} has {before} rows in the file and {after} in PostgreSQL")
        return after

    def _count(self, database: peewee.Database, table: type[tables.Row]) -> int:
        return int(database.execute_sql(f"SELECT count(*) FROM {_name(table)}").fetchone()[0])  # type: ignore[no-untyped-call]


def written(row: Iterable[Any]) -> bytes:
    """A row as both kinds of database have it: truth values are numbers in one of them."""
    return repr([int(value) if isinstance(value, bool) else value for value in row]).encode()


def _copied() -> list[type[tables.Row]]:
    """In an order in which no row refers to a later one."""
    every = list(dict.fromkeys([*tables.Row.__subclasses__(), *owner_tables.TABLES, stored_folders.StoredFolder]))
    return [table for table in peewee.sort_models(every) if table not in DERIVED]  # type: ignore[attr-defined]


def _name(table: type[tables.Row]) -> str:
    return f'"{table._meta.table_name}"'


def _key(table: type[tables.Row]) -> Iterable[peewee.Field]:
    fields: Iterable[peewee.Field] = table._meta.get_primary_keys()  # type: ignore[no-untyped-call]
    return fields
