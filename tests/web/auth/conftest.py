"""These tests run on SQLite and on PostgreSQL."""

from tests.web.on_both import database_of

__all__ = ["database_of"]
