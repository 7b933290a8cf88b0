"""The database of the tables: in each thread the connection that this thread works with, so that several can share a process."""

import threading
from collections.abc import Sequence
from typing import Any

import peewee


class ThreadBound:
    """Stands for the thread's own peewee database, SQLite's or PostgreSQL's; has its attributes."""

    def __init__(self) -> None:
        self._here = threading.local()

    def bind(self, database: peewee.Database) -> None:
        """From now on the tables are in this database, for the calling thread."""
        self._here.database = database

    def execute_sql(self, sql: str, parameters: Sequence[object] | None = None) -> Any:
        """Ask in SQL; returns the cursor. Bound to no thread before it is called."""
        return self._here.database.execute_sql(sql, parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._here.database, name)


TABLES = ThreadBound()
