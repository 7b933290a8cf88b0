"""How much one account may have of what it makes by itself. What was there before the caps stays, and is listed page by page."""

from typing import Any, TypeVar

import peewee

from db.errors import Clash

M = TypeVar("M", bound=peewee.Model)

LINKS = TOKENS = INVITES = 100
LOGINS = 50  # one more ends the oldest
FRIENDS = BLOCKS = 1000
REQUESTS = 200  # that wait for an answer
PAGE = 200  # rows of a list at once, unless it says otherwise


def check_room(rows: "peewee.ModelSelect[Any]", most: int) -> None:
    """In the transaction that adds one more. Raises Clash("limit_reached")."""
    if rows.count() >= most:
        raise Clash("limit_reached")


def newest(rows: "peewee.ModelSelect[M]", number: peewee.Field, before: int | None, limit: int) -> "peewee.ModelSelect[M]":
    """One page of these rows, the highest number first: those below `before`."""
    if before is not None:
        rows = rows.where(number < before)
    return rows.order_by(number.desc()).limit(limit)
