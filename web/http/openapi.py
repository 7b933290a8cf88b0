"""The table of routes as an OpenAPI document, made from what is really routed."""

import re
from functools import lru_cache
from typing import Any

from aiohttp import web

PARAMETER = re.compile(r"\{(\w+)(?::(?:[^{}]|\{[^{}]*\})*)?\}")  # a pattern may hold a quantifier in braces


def document(app: web.Application) -> dict[str, Any]:
    """OpenAPI 3.1: every path with its methods, who may, and the handler's own sentence."""
    from web.routes import ROUTES  # the table names this module's handler

    return _document(ROUTES)


@lru_cache(maxsize=1)
def _document(routes: tuple[Any, ...]) -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = PARAMETER.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Hushcast", "version": "1"},
        "components": {
            "securitySchemes": {
                "login": {"type": "apiKey", "in": "cookie", "name": "hushcast"},
                "token": {"type": "http", "scheme": "bearer"},
            },
            "responses": {"problem": {"description": "RFC 9457", "content": {"application/problem+json": {}}}},
        },
        "paths": paths,
    }


def _operation(route: Any) -> dict[str, Any]:
    summary = (route.handler.__doc__ or route.handler.__name__).strip().splitlines()[0]
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in PARAMETER.findall(route.path)]
    operation: dict[str, Any] = {
        "operationId": f"{route.handler.__module__.removeprefix('web.')}.{route.handler.__name__} {route.method} {route.path}",
        "summary": summary,
        "responses": {"default": {"$ref": "#/components/responses/problem"}},
    }
    if parameters:
        operation["parameters"] = parameters
    if route.who != "anyone":
        operation["security"] = [{"login": []}] if route.who == "login" else [{"login": []}, {"token": []}]
        operation["x-who"] = route.who
    return operation
