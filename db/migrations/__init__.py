"""The schema's history: numbered modules, each with `STATEMENTS`, applied once and in order when the file is opened.

m0001_first, m0002_live_broadcast, m0003_spans, m0004_trash, m0005_companions, m0006_bounds, m0007_words_of_failure, m0008_ownership.
A released module is never changed; the next change is the next module. The SQL is frozen text, while the classes in `db.tables`
change; a test compares the two. Imported by `db.connection` alone.
"""

import importlib
import pkgutil

import peewee

APPLIED = "CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY, applied_at TEXT NOT NULL DEFAULT (datetime('now')))"


def names() -> list[str]:
    """Every migration, oldest first."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name.startswith("m"))


def apply_missing(database: peewee.SqliteDatabase) -> list[str]:
    """Apply what the file has not seen yet, each in a transaction of its own; returns those names.

    Another program may be doing the same: a command beside a server that starts.
    """
    database.execute_sql(APPLIED)  # type: ignore[no-untyped-call]
    done = {row[0] for row in database.execute_sql("SELECT name FROM migration").fetchall()}  # type: ignore[no-untyped-call]
    missing = [name for name in names() if name not in done]
    return [name for name in missing if _apply(database, name)]


def _apply(database: peewee.SqliteDatabase, name: str) -> bool:
    """Apply one, unless another program has meanwhile; whether it was applied."""
    module = importlib.import_module(f"{__name__}.{name}")
    with database.atomic("IMMEDIATE"):
        if database.execute_sql("SELECT 1 FROM migration WHERE name = ?", (name,)).fetchone():  # type: ignore[no-untyped-call]
            return False
        for statement in module.STATEMENTS:
            database.execute_sql(statement)  # type: ignore[no-untyped-call]
        database.execute_sql("INSERT INTO migration (name) VALUES (?)", (name,))  # type: ignore[no-untyped-call]
    return True
