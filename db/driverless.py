"""Loads peewee without the PostgreSQL driver, which peewee imports wherever it is installed; `db.postgres` loads it where it is used.

Imported first by `web.serve`. A server on SQLite starts sooner and stays smaller.
"""

import sys

DRIVER = "psycopg"

if DRIVER not in sys.modules:
    sys.modules[DRIVER] = None  # type: ignore[assignment]  # an import of it fails as if it were not there
    try:
        import peewee  # noqa: F401
    finally:
        del sys.modules[DRIVER]
