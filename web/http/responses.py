"""How values are written on the wire."""

from datetime import UTC, datetime
from typing import Any

from aiohttp import web


def stamp(moment: datetime | None) -> str | None:
    """A moment as RFC 3339 in UTC, to the millisecond; None stays None."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ok(body: Any) -> web.Response:
    """200 and the body as JSON."""
    return web.json_response(body)


def created(body: Any) -> web.Response:
    """201 and the body as JSON."""
    return web.json_response(body, status=201)


def nothing() -> web.Response:
    """204."""
    return web.Response(status=204)


def id_of(request: web.Request) -> int:
    """The number in the path, which the route has made sure is one that fits."""
    return int(request.match_info["id"])
