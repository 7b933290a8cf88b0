"""How answers are written: structs as JSON, in this one place."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from web.http.route import JSON
from web.http.shapes import Answer

A = TypeVar("A", bound=Answer)


def stamp(moment: datetime | None) -> str | None:
    """A moment as RFC 3339 in UTC, to the millisecond; None stays None."""
    return None if moment is None else stamped(moment)


def stamped(moment: datetime) -> str:
    """As stamp, of a moment that is there."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def shaped(kind: type[A], values: Mapping[str, Any]) -> A:
    """An answer of values whose types nobody has checked yet. Raises msgspec.ValidationError where one is not as the document says."""
    return msgspec.convert(values, kind)


def encoded(answer: Answer | dict[str, Any]) -> bytes:
    """An answer as JSON."""
    return msgspec.json.encode(answer)


def encoded_list(answers: Iterable[Answer]) -> bytes:
    """A list as JSON. One by one, so that on a thread the loop gets its turn between two of them."""
    return b"[" + b",".join(encoded(answer) for answer in answers) + b"]"


def ok(answer: Answer | Iterable[Answer]) -> web.Response:
    """200 and the answer, or the list of them, as JSON."""
    return ready(encoded(answer) if isinstance(answer, Answer) else encoded_list(answer))


def created(answer: Answer) -> web.Response:
    """201 and the answer as JSON."""
    return web.Response(status=201, body=encoded(answer), content_type=JSON, charset="utf-8")


def ready(body: bytes) -> web.Response:
    """200 and what is encoded already."""
    return web.Response(body=body, content_type=JSON, charset="utf-8")


def nothing() -> web.Response:
    """204."""
    return web.Response(status=204)


def id_of(request: web.Request) -> int:
    """The number in the path, which the route has made sure is one that fits."""
    return int(request.match_info["id"])
