"""The query of long lists: `before`, the id of the last row that the client has, and `limit`."""

from db.caps import PAGE
from web.http.shapes import Before, Limit, Query


class ListPage(Query, frozen=True, kw_only=True):
    """before: rows with lower ids; None: from the newest on. limit: at most and by default 200."""

    before: Before | None = None
    limit: Limit = PAGE

    @property
    def part(self) -> tuple[int | None, int]:
        """(before, limit) as the database takes them."""
        return self.before, min(self.limit, PAGE)
