"""Which part of a list is asked for: `before` (the id of the last one that one has) and `limit`."""

from typing import NamedTuple

from aiohttp import web

from db.caps import PAGE
from sfu.errors import BadRequest

LARGEST_ID = 2**63 - 1


class Page(NamedTuple):
    """`before`: ids below this; None: from the newest on."""

    before: int | None
    limit: int


def page_of(request: web.Request) -> Page:
    """The page of a list whose rows have ids; up to 200 rows, and as many where nothing is said. Raises BadRequest."""
    return Page(number_of(request, "before", 0, LARGEST_ID) or None, limit_of(request, PAGE))


def limit_of(request: web.Request, default: int, most: int = PAGE) -> int:
    """How many rows are wanted; more than there may be is taken for that. Raises BadRequest."""
    return min(number_of(request, "limit", default, LARGEST_ID), most)


def number_of(request: web.Request, name: str, default: int, most: int) -> int:
    """A whole number of the query, from 1 to `most`. Raises BadRequest."""
    text = request.query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20 and 1 <= int(text) <= most):
        raise BadRequest({name: f"must be a whole number from 1 to {most}"})
    return int(text)
