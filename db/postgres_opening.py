"""A PostgreSQL database before it is used: that it is new enough, ours and no newer than this program; then it is migrated.

All in one transaction under an advisory lock, so that of two servers that start at once one waits, and a failure leaves nothing behind.
"""

import peewee
import psycopg

from db import migrations
from db.errors import Unusable
from db.postgres_faults import fault_of, one_line, original_of

LOCK = 0x4855_5348  # of the migrations, within the database
OLDEST = 130000  # gen_random_uuid
PATIENCE_S = 60  # for another server that migrates


def migrate(database: peewee.PostgresqlDatabase) -> None:
    """Raises Unusable, Unavailable."""
    try:
        with database.atomic():
            _look_and_apply(database)
    except (psycopg.Error, peewee.PeeweeException) as error:
        if getattr(original_of(error), "sqlstate", None) == "42501":
            raise Unusable(f"the user of database.url has too few rights: {one_line(error)}") from error
        raise fault_of(error) or error from error


def _look_and_apply(database: peewee.PostgresqlDatabase) -> None:
    version = int(database.server_version)
    if version < OLDEST:
        raise Unusable(f"database.url: PostgreSQL {version // 10000} is too old; {OLDEST // 10000} is the oldest that works")
    for limit in ("SET LOCAL statement_timeout = 0", f"SET LOCAL lock_timeout = '{PATIENCE_S}s'"):
        database.execute_sql(limit)  # type: ignore[no-untyped-call]
    database.execute_sql("SELECT pg_advisory_xact_lock(%s)", (LOCK,))  # type: ignore[no-untyped-call]
    there = set(database.get_tables())
    if "migration" not in there and there:
        raise Unusable("database.url: this database has tables of another program; give Hushcast one of its own")
    newer = sorted(migrations.applied(database) - set(migrations.names())) if there else []
    if newer:
        raise Unusable(f"database.url: this database was written by a newer version ({', '.join(newer)}); start that one")
    migrations.apply_missing(database)
