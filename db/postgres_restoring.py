"""Puts the rows of a backup into PostgreSQL: in one transaction, with what was there set aside in a schema of its own."""

import time
from collections import Counter
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path

from db import migrations, postgres_opening
from db.copying import RowsInto, Told
from db.errors import Unusable
from db.long_transaction import long_transaction
from db.postgres import PostgresEngine, PostgresTables

UNDONE = "nothing was restored"
ENDING_S, LOOK_S = 2.0, 0.05  # until a session that was closed is gone, and between two looks
# Sessions of servers and commands, but for those that wait for us: they look at the tables when we are done.
OTHERS = """SELECT application_name, coalesce(host(client_addr), 'this machine') FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND coalesce(backend_type, 'client backend') = 'client backend'
    AND (usename = current_user OR application_name = 'hushcast')
    AND coalesce(wait_event_type || wait_event, '') <> 'Lockadvisory'"""
HERE = "(SELECT oid FROM pg_namespace WHERE nspname = current_schema())"
# Not those of an extension, which cannot leave it.
TABLES = f"""SELECT relation.oid::regclass::text FROM pg_class AS relation
    WHERE relation.relnamespace = {HERE} AND relation.relkind IN ('r', 'p') AND NOT EXISTS (SELECT 1 FROM pg_depend
    WHERE classid = 'pg_class'::regclass AND objid = relation.oid AND deptype = 'e')"""
FUNCTIONS = f"""SELECT DISTINCT tgfoid::regprocedure::text FROM pg_trigger
    JOIN pg_class AS relation ON relation.oid = tgrelid JOIN pg_proc ON pg_proc.oid = tgfoid
    WHERE relation.relnamespace = {HERE} AND pronamespace = {HERE} AND NOT tgisinternal"""


def look(url: str, *, replace: bool) -> None:
    """Whether rows can be put there: it can be reached, no server uses it, and it has no rows, unless they are to be set aside.

    Raises Unusable, Unavailable.
    """
    with long_transaction(PostgresEngine(url), UNDONE) as tables:
        _is_in_the_way(tables, replace=replace)


def put(source: Path, url: str, told: Told, *, replace: bool, last: Callable[[], object]) -> str | None:
    """Make the rows of a SQLite file of this version those of the database; the schema in which the former tables are now, if any.

    last: called when all rows are there, before that is so for others; it may refuse by an error. told: as of `copying.copy`. Raises
    Unusable, Unavailable: all is as it was; Undecided.
    """
    with long_transaction(PostgresEngine(url), UNDONE) as tables:
        aside = _set_aside(tables) if _is_in_the_way(tables, replace=replace) else None
        migrations.apply_missing(tables)
        RowsInto(tables, told).fill(source)
        _refuse_sessions(tables)  # of a server that was cut off before
        last()
    return aside


def _is_in_the_way(tables: PostgresTables, *, replace: bool) -> bool:
    """Whether tables have to be set aside. Raises Unusable."""
    postgres_opening.lock(tables)
    there = postgres_opening.tables_of(tables)
    _refuse_sessions(tables)
    if replace and there:
        return _have_rows(tables, there) or not migrations.applied(tables) <= set(migrations.names())
    postgres_opening.refuse_newer(tables, there)
    if _have_rows(tables, there):
        raise Unusable("database.url: this database has rows; `run.py restore --replace FILE` sets them aside in a schema of their own")
    return False


def _refuse_sessions(tables: PostgresTables) -> None:
    """Those that have just ended are still there for a moment."""
    until = time.monotonic() + ENDING_S
    while found := _sessions(tables):
        if time.monotonic() < until:
            time.sleep(LOOK_S)
            continue
        who = ", ".join(who if number == 1 else f"{number} x {who}" for who, number in sorted(found.items()))
        raise Unusable(f"database.url: this database is in use ({who}); stop all servers first")


def _sessions(tables: PostgresTables) -> "Counter[str]":
    tables.execute_sql("SELECT pg_stat_clear_snapshot()")  # else it is as it was at the first look of the transaction
    return Counter(" from ".join(each) for each in tables.execute_sql(OTHERS).fetchall())


def _have_rows(tables: PostgresTables, names: Collection[str]) -> bool:
    """Any but those that migrations make."""
    conditions = {"ownership": "WHERE user_id IS NOT NULL"}
    asked = (f'SELECT EXISTS (SELECT 1 FROM "{name}" {conditions.get(name, "")})' for name in sorted(names) if name != "migration")
    return any(tables.execute_sql(question).fetchone()[0] for question in asked)


def _set_aside(tables: PostgresTables) -> str:
    """Move all tables, with their indices and sequences, and the functions of their triggers into a new schema; its name."""
    schema = f"before_restore_{datetime.now(UTC):%Y%m%d_%H%M%S_%f}"
    functions = [name for (name,) in tables.execute_sql(FUNCTIONS).fetchall()]
    tables.execute_sql(f"CREATE SCHEMA {schema}")
    for (name,) in tables.execute_sql(TABLES).fetchall():
        tables.execute_sql(f"ALTER TABLE {name} SET SCHEMA {schema}")
    for name in functions:
        tables.execute_sql(f"ALTER FUNCTION {name} SET SCHEMA {schema}")
    return schema
