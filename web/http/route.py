"""A row of the table of routes: method, path, handler, body, query and answers. The OpenAPI document is made of the rows."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from aiohttp import web

from web.http.shapes import Body, Query

ANYONE, LOGIN, OWNER = "anyone", "login", "the server's owner"
NUMBER = "{id:[0-9]{1,18}}"
JSON = "application/json"


class Given(NamedTuple):
    """One way to answer other than a problem. shape: a struct, a list of structs, or None where the media types say all."""

    status: int
    shape: Any = None
    media: tuple[str, ...] = ()  # of the body: none where there is no body
    headers: tuple[str, ...] = ()


class Route(NamedTuple):
    """body: a struct, or the accepted media types. who: who may ask, for readers. problems: the route's own, as "STATUS code", separated
    by commas; `web.http.openapi` adds those that many routes share (no login, a bad field and so on).
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
    """One answer: this shape as JSON."""
    return (Given(status, shape, (JSON,)),)


def tagged(shape: Any) -> tuple[Given, ...]:
    """The answer is this shape as JSON with an entity tag, or 304 where the client has it."""
    return (Given(200, shape, (JSON,), ("ETag",)), Given(304, None, (), ("ETag",)))


NOTHING = (Given(204),)
