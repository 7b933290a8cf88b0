"""What a row of a table of routes says: who may ask what, and what is answered. The OpenAPI document is made from it."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from aiohttp import web

from web.http.shapes import Body, Query

ANYONE, LOGIN = "anyone", "login"
NUMBER = "{id:[0-9]{1,18}}"
JSON = "application/json"


class Given(NamedTuple):
    """One way to answer without a problem. shape: a struct, a list of them, or None where the media types say all."""

    status: int
    shape: Any = None
    media: tuple[str, ...] = ()  # of the body: none where there is no body
    headers: tuple[str, ...] = ()


class Route(NamedTuple):
    """body: a struct, or the media types that are taken. problems: "STATUS code" of the route's own, separated by commas; what many
    routes share (no login, another site's page, a bad field, the database away) is added by `web.http.openapi`.
    """

    method: str
    path: str
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    who: str
    body: type[Body] | tuple[str, ...] | None = None
    query: type[Query] | None = None
    gives: tuple[Given, ...] = (Given(204),)
    problems: str = ""

    @property
    def reads(self) -> bool:
        """Whether the body is JSON."""
        return isinstance(self.body, type)


def json(shape: Any, status: int = 200) -> tuple[Given, ...]:
    """The answer is this shape as JSON."""
    return (Given(status, shape, (JSON,)),)


NOTHING = (Given(204),)
