"""The owner's tests run on each kind of database."""

from tests.web.on_both import database_of

__all__ = ["database_of"]
