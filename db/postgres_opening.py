"""A PostgreSQL database before it is used: that it is new enough, ours and no newer than this program; then it is migrated.

All in one transaction under an advisory lock, so that of two servers that start at once one waits, and a failure leaves nothing behind.
"""

from collections.abc import Collection

import peewee
import psycopg

from db import migrations
from db.errors import Unusable
from db.postgres_faults import trouble_of

LOCK = 0x4855_5348  # of the migrations, within the database
OLDEST = 130000  # gen_random_uuid
PATIENCE_S = 60  # for another server that migrates


def migrate(database: peewee.PostgresqlDatabase) -> None:
    """Raises Unusable, Unavailable."""
    try:
        with database.atomic():
            for limit in ("SET LOCAL statement_timeout = 0", f"SET LOCAL lock_timeout = '{PATIENCE_S}s'"):
                database.execute_sql(limit)  # type: ignore[no-untyped-call]
            lock(database)
            refuse_newer(database, tables_of(database))
            migrations.apply_missing(database)
    except (psycopg.Error, peewee.PeeweeException) as error:
        raise trouble_of(error) or error from error


def lock(database: peewee.PostgresqlDatabase) -> None:
    """Wait for whoever changes the schema; until the end of the transaction nobody else does. Raises Unusable for an old server."""
    version = int(database.server_version)
    if version < OLDEST:
        raise Unusable(f"database.url: PostgreSQL {version // 10000} is too old; {OLDEST // 10000} is the oldest that works")
    database.execute_sql("SELECT pg_advisory_xact_lock(%s)", (LOCK,))  # type: ignore[no-untyped-call]


def tables_of(database: peewee.PostgresqlDatabase) -> set[str]:
    """The names of our tables; empty where there are none yet. Raises Unusable where there are those of another program alone."""
    there = set(database.get_tables())
    if "migration" not in there and there:
        raise Unusable("database.url: this database has tables of another program; give Hushcast one of its own")
    return there


def refuse_newer(database: peewee.PostgresqlDatabase, tables: Collection[str]) -> None:
    """Raises Unusable where these tables were migrated by a newer version."""
    newer = sorted(migrations.applied(database) - set(migrations.names())) if tables else []
    if newer:
        raise Unusable(f"database.url: this database was written by a newer version ({', '.join(newer)}); start that one")
