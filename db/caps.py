"""Limits of what one account may create. Rows from before the limits stay, and are listed page by page."""

from typing import Any, TypeVar

import peewee

from db.errors import Clash

M = TypeVar("M", bound=peewee.Model)

LINKS = TOKENS = INVITES = 100
LOGINS = 50  # one more replaces the oldest
FRIENDS = BLOCKS = 1000
REQUESTS = 200  # pending
PAGE = 200  # default rows of a page


def check_room(rows: "peewee.ModelSelect[Any]", most: int) -> None:
    """To be called in the transaction that adds a row. Raises Clash("limit_reached")."""
    if rows.count() >= most:
        raise Clash("limit_reached")


def newest(rows: "peewee.ModelSelect[M]", number: peewee.Field, before: int | None, limit: int) -> "peewee.ModelSelect[M]":
    """One page of these rows, the highest number first: those below `before`."""
    if before is not None:
        rows = rows.where(number < before)
    return rows.order_by(number.desc()).limit(limit)
