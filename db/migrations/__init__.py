"""The schema's history: numbered modules, each with `STATEMENTS`, applied once and in order when the file is opened.

m0001_first, m0002_live_broadcast, m0003_spans, m0004_trash, m0005_companions, m0006_bounds, m0007_words_of_failure, m0008_ownership,
m0009_preferences, m0010_recordings_of_a_broadcast, m0011_links_again, m0012_epochs, m0013_nodes, m0014_admin,
m0015_stored_folders, m0016_parts.
A released module is never changed; the next change is the next module. The SQL is frozen text, while the classes in `db.tables`
change; a test compares the two. It is SQLite's; the module `translation` translates it for PostgreSQL, and the tests fail where it cannot.
"""

import importlib
import pkgutil
from collections.abc import Collection, Iterable

import peewee

from db.migrations.translation import for_postgres

APPLIED = "CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY, applied_at TEXT NOT NULL DEFAULT (datetime('now')))"


def names() -> list[str]:
    """Every migration, oldest first."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name.startswith("m"))


def apply_missing(database: peewee.Database, wanted: Collection[str] | None = None) -> list[str]:
    """Apply what the database has not seen yet, each in a transaction of its own, unless one is open; returns those names.

    wanted: those that it shall have; all of them by default.

    Another program may be doing the same: a command beside a server that starts.
    """
    for statement in _in_its_words(database, APPLIED):
        database.execute_sql(statement)  # type: ignore[no-untyped-call]
    done = applied(database)
    missing = [name for name in names() if name not in done and (wanted is None or name in wanted)]
    return [name for name in missing if _apply(database, name)]


def applied(database: peewee.Database) -> set[str]:
    """The migrations that this database has, of newer versions too."""
    return {row[0] for row in database.execute_sql("SELECT name FROM migration").fetchall()}  # type: ignore[no-untyped-call]


def _apply(database: peewee.Database, name: str) -> bool:
    """Apply one, unless another program has meanwhile; whether it was applied."""
    module = importlib.import_module(f"{__name__}.{name}")
    mark = database.param
    with database.atomic("IMMEDIATE"):
        if database.execute_sql(f"SELECT 1 FROM migration WHERE name = {mark}", (name,)).fetchone():  # type: ignore[no-untyped-call]
            return False
        for statement in module.STATEMENTS:
            for each in _in_its_words(database, statement):
                database.execute_sql(each)  # type: ignore[no-untyped-call]
        database.execute_sql(f"INSERT INTO migration (name) VALUES ({mark})", (name,))  # type: ignore[no-untyped-call]
    return True


def _in_its_words(database: peewee.Database, statement: str) -> Iterable[str]:
    return for_postgres(statement) if isinstance(database, peewee.PostgresqlDatabase) else (statement,)
