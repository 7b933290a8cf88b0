"""Which part of a list is asked for: `before` (the id of the last one that one has) and `limit`."""

from db.caps import PAGE
from web.http.shapes import Before, Limit, Query


class ListPage(Query, frozen=True, kw_only=True):
    """`before`: ids below this; None: from the newest on. Without `limit` up to 200 rows, which is the most."""

    before: Before | None = None
    limit: Limit = PAGE

    @property
    def part(self) -> tuple[int | None, int]:
        """(before, limit) as the database takes them."""
        return self.before, min(self.limit, PAGE)
