"""The table of routes as an OpenAPI document; its schemas are those of the structs that requests and answers use."""

import asyncio
import inspect
import re
from collections.abc import Iterator
from functools import lru_cache
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import hdrs, web

from web.http.middleware import SAFE, is_guarded
from web.http.responses import encoded, ready
from web.http.route import ANYONE, JSON, LOGIN, OWNER, Given, Route
from web.http.shapes import OptionalBody

TABLE: web.AppKey[tuple[Route, ...]] = web.AppKey("TABLE")
REFERENCE = "#/components/schemas/{name}"
PROBLEM_TYPE = "application/problem+json"
PARAMETER = re.compile(r"\{(\w+)(?::((?:[^{}]|\{[^{}]*\})*))?\}")  # a pattern may hold a quantifier in braces
ALWAYS = "500 internal_error, 503 database_busy, 503 database_away, 503 node_away, 507 storage_full, 429 too_many_attempts, 400 bad_request"
SIGNED_IN = "401 not_signed_in, 403 wrong_scope, 403 suspended"
INVALID = "422 bad_request"
NO_SOCKET = "403 bad_origin, 426 upgrade_required"
GUARDED = "403 bad_origin, 408 too_slow, 409 conflict, 413 too_large"
HEADERS = {"401": hdrs.WWW_AUTHENTICATE, "429": hdrs.RETRY_AFTER, "503": hdrs.RETRY_AFTER, "507": hdrs.RETRY_AFTER}
PROBLEM = {
    "title": "Problem",
    "description": "RFC 9457. `code` is for programs and stays; `detail` is for people and may change.",
    "type": "object",
    "properties": {
        "type": {"const": "about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "pattern": "^[a-z0-9_]+$"},
        "detail": {"type": "string"},
        "errors": {"type": "object", "additionalProperties": {"type": "string"}, "description": "what is wrong, field by field"},
        "known": {"type": "array", "items": {"type": "string"}, "description": "what may be said instead"},
    },
    "required": ["type", "title", "status", "code", "detail"],
    "additionalProperties": False,
}


async def answer(request: web.Request) -> web.Response:
    """This interface as OpenAPI."""
    return ready(await asyncio.to_thread(_written, request.app[TABLE]))


def document(table: tuple[Route, ...]) -> dict[str, Any]:
    """The document (OpenAPI 3.1). An operation's summary is the first line of its handler's docstring."""
    schemas = Schemas(table)
    paths: dict[str, dict[str, Any]] = {}
    for route in table:
        paths.setdefault(plain(route.path), {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Hushcast", "version": "1"},
        "tags": [{"name": name} for name in sorted({tag_of(route) for route in table})],
        "components": {
            "securitySchemes": {
                "login": {"type": "apiKey", "in": "cookie", "name": "hushcast"},
                "token": {"type": "http", "scheme": "bearer"},
            },
            "schemas": schemas.components,
        },
        "paths": paths,
    }


def plain(path: str) -> str:
    """A path without the patterns of its parameters, as OpenAPI has it."""
    return PARAMETER.sub(r"{\1}", path)


def tag_of(route: Route) -> str:
    """The room of the handler."""
    return route.handler.__module__.removeprefix("web.").split(".")[0]


@lru_cache(maxsize=1)
def _written(table: tuple[Route, ...]) -> bytes:
    return encoded(document(table))


class Schemas:
    """The JSON schemas of the bodies and answers in a table of routes. Queries are not among them: their fields are parameters."""

    def __init__(self, table: tuple[Route, ...]) -> None:
        bodies = [route.body for route in table if isinstance(route.body, type)]
        answers = [given.shape for route in table for given in route.gives if given.shape is not None]
        written, components = msgspec.json.schema_components([*bodies, *answers], ref_template=REFERENCE)
        self.components: dict[str, Any] = components | {"Problem": PROBLEM}
        self._written = list(zip([*bodies, *answers], written, strict=True))

    def of(self, shape: Any) -> dict[str, Any]:
        """The schema of a struct or list, as a reference."""
        return next(schema for known, schema in self._written if known == shape)


def _operation(route: Route, schemas: Schemas) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": "_".join(re.findall(r"[a-z0-9]+", f"{route.method} {plain(route.path)}".lower())),
        "summary": (inspect.getdoc(route.handler) or route.handler.__name__).splitlines()[0],
        "tags": [tag_of(route)],
        "responses": _answers(route, schemas) | _problems(route),
    }
    if parameters := [*_in_path(route), *_in_query(route)]:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = _request_body(route.body, schemas)
    if route.who != ANYONE:
        operation["security"] = [{"login": []}] if route.who in (LOGIN, OWNER) else [{"login": []}, {"token": []}]
        operation["x-who"] = route.who
    return operation


def _in_path(route: Route) -> Iterator[dict[str, Any]]:
    for name, pattern in PARAMETER.findall(route.path):
        schema = {"type": "integer", "minimum": 0} if name == "id" and pattern else {"type": "string"}
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _in_query(route: Route) -> Iterator[dict[str, Any]]:
    if route.query is None:
        return
    _, components = msgspec.json.schema_components([route.query])
    for name, schema in components[route.query.__name__]["properties"].items():
        yield {"name": name, "in": "query", "schema": schema}


def _request_body(body: Any, schemas: Schemas) -> dict[str, Any]:
    if isinstance(body, tuple):
        return {"required": True, "content": {media: {"schema": {"type": "object" if media == JSON else "string"}} for media in body}}
    return {"required": not issubclass(body, OptionalBody), "content": {JSON: {"schema": schemas.of(body)}}}


def _answers(route: Route, schemas: Schemas) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for given in route.gives:
        response: dict[str, Any] = {"description": HTTPStatus(given.status).phrase}
        answers[str(given.status)] = response
        if given.media:
            response["content"] = {media: _content(given, schemas) for media in given.media}
        if given.headers:
            response["headers"] = _headers(*given.headers)
    return answers


def _content(given: Given, schemas: Schemas) -> dict[str, Any]:
    return {} if given.shape is None else {"schema": schemas.of(given.shape)}


def _problems(route: Route) -> dict[str, Any]:
    codes: dict[str, list[str]] = {}
    for each in ", ".join(filter(None, [route.problems, *_shared(route)])).split(", "):
        status, code = each.split(" ")
        codes.setdefault(status, []).append(code)
    return {status: _problem(status, sorted(set(told))) for status, told in sorted(codes.items())}


def _problem(status: str, codes: list[str]) -> dict[str, Any]:
    schema = {"allOf": [{"$ref": REFERENCE.format(name="Problem")}, {"properties": {"code": {"enum": codes}}}]}
    response: dict[str, Any] = {"description": HTTPStatus(int(status)).phrase, "content": {PROBLEM_TYPE: {"schema": schema}}}
    if status in HEADERS:
        response["headers"] = _headers(HEADERS[status])
    return response


def _headers(*names: str) -> dict[str, Any]:
    return {str(name): {"schema": {"type": "string"}} for name in names}  # aiohttp's names are of a class of their own


def _shared(route: Route) -> Iterator[str]:
    """Problems that many routes share."""
    yield ALWAYS
    if route.who != ANYONE:
        yield SIGNED_IN
    if route.method not in SAFE and is_guarded(route.path):
        yield GUARDED
    if route.path.startswith("/ws/"):  # a wrong query is refused by a close code
        yield NO_SOCKET
    elif route.reads or route.query is not None:
        yield INVALID
    if "{" in route.path:  # a name with NUL
        yield "404 not_found"
