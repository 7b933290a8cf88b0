"""Compares answers with the OpenAPI document, which is made from the structs that the handlers read and send."""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from web.http.openapi import PARAMETER, PROBLEM_TYPE, document, plain
from web.http.route import JSON, Route
from web.routes import ROUTES


@cache
def interface() -> dict[str, Any]:
    """The document."""
    return document(ROUTES)


def route_of(method: str, path: str) -> Route | None:
    """The row of the table that answers a request; None where there is none."""
    wanted = "GET" if method == "HEAD" else method
    return next((route for route in ROUTES if route.method == wanted and _pattern(route.path).fullmatch(path.rstrip("/") or "/")), None)


def compare(method: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Raises AssertionError where an answer is not as the document says. Requests that no route answers are left alone."""
    route = route_of(method, path)
    if route is None:
        return
    told = interface()["paths"][plain(route.path)][route.method.lower()]["responses"]
    asked = f"{method} {path}"
    assert str(status) in told, f"{asked}: the document knows no {status}: {body[:200]!r}"
    response, media = told[str(status)], headers.get("Content-Type", "").partition(";")[0]
    missing = [name for name in response.get("headers", ()) if name not in headers and (name != "Link")]
    assert not missing, f"{asked}: {status} has not the headers {missing}"
    if method == "HEAD" or not body:
        assert method == "HEAD" or "content" not in response or status == 304, f"{asked}: {status} has no body"
        return
    assert media in response.get("content", ()), f"{asked}: {status} is {media}, of which the document does not know"
    if media in (JSON, PROBLEM_TYPE):
        wrong = [error.message for error in _validator(route, status, media).iter_errors(json.loads(body))]
        assert not wrong, f"{asked}: {status} is not as the document says: {wrong[:3]}"


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(
        "".join(f"(?:{PARAMETER.fullmatch(part)[2] or '[^/]+'})" if part.startswith("{") else re.escape(part) for part in _parts(path))
    )


def _parts(path: str) -> list[str]:
    """The fixed parts of a path and its parameters, in turn."""
    parts, end = [], 0
    for parameter in PARAMETER.finditer(path):
        parts += [path[end : parameter.start()], parameter[0]]
        end = parameter.end()
    return [*parts, path[end:]]


@cache
def _validator(route: Route, status: int, media: str) -> Draft202012Validator:
    told = interface()["paths"][plain(route.path)][route.method.lower()]["responses"][str(status)]
    schema = told["content"][media].get("schema", {})
    return Draft202012Validator({**schema, "components": interface()["components"]})
