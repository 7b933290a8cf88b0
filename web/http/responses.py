"""Writes answers: structs as JSON."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from web.http.route import JSON
from web.http.shapes import Answer

A = TypeVar("A", bound=Answer)


def shaped(kind: type[A], values: Mapping[str, Any]) -> A:
    """An answer of values whose types are not checked yet. Raises msgspec.ValidationError where one is not of its field's type."""
    return msgspec.convert(values, kind)


def encoded(answer: Answer | dict[str, Any] | str) -> bytes:
    """An answer as JSON."""
    return msgspec.json.encode(answer)


def encoded_list(answers: Iterable[Answer | str]) -> bytes:
    """A list as JSON. Rows are encoded one by one: on a thread the loop can run between two."""
    return b"[" + b",".join(encoded(answer) for answer in answers) + b"]"


def ok(answer: Answer | Iterable[Answer | str]) -> web.Response:
    """200 and the answer, or the list of them, as JSON."""
    return ready(encoded(answer) if isinstance(answer, Answer) else encoded_list(answer))


def created(answer: Answer) -> web.Response:
    """201 and the answer as JSON."""
    return web.Response(status=201, body=encoded(answer), content_type=JSON, charset="utf-8")


def ready(body: bytes) -> web.Response:
    """200 and JSON that is encoded already."""
    return web.Response(body=body, content_type=JSON, charset="utf-8")


def nothing() -> web.Response:
    """204."""
    return web.Response(status=204)


def id_of(request: web.Request) -> int:
    """The number in the path; the route's pattern lets only 64-bit ones pass."""
    return int(request.match_info["id"])
