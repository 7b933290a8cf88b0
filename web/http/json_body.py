"""Reads the JSON body and the query of a request into structs, with `web.http.fields`."""

import json
import math
from typing import Any, NoReturn

from aiohttp import web

from web.errors import BadRequest
from web.http.fields import B, Q, body_from, query_from
from web.http.shapes import OptionalBody
from web.http.timeouts import body_of


async def json_of(request: web.Request) -> dict[str, Any]:
    """The body as a JSON object. Raises BadRequest, and what `body_of` raises."""
    try:
        body = strict_json((await body_of(request)).decode("utf-8"))
    except ValueError:
        raise BadRequest({"body": "must be JSON"}) from None
    if not isinstance(body, dict):
        raise BadRequest({"body": "must be a JSON object"})
    return body


async def object_text(request: web.Request) -> str:
    """The body's text, which is a JSON object, whatever is in it. Raises as json_of."""
    await json_of(request)
    return (await body_of(request)).decode("utf-8")


def strict_json(text: str) -> Any:
    """Parse JSON in which every number is finite, so that it can be written again. Raises ValueError."""
    try:
        return json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


async def body_as(request: web.Request, kind: type[B]) -> B:
    """The body as this struct. Raises BadRequest, which names every wrong field, and what `body_of` raises."""
    if issubclass(kind, OptionalBody) and not await body_of(request):
        return body_from(kind, {})
    return body_from(kind, await json_of(request))


def query_as(request: web.Request, kind: type[Q]) -> Q:
    """The query as this struct. Raises BadRequest, which names every wrong parameter."""
    return query_from(kind, request.query)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is too large")
    return number
