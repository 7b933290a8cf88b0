"""Compares answers and messages with the documents of the interface, which are made from the structs that are read and sent."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from aiohttp import ClientWebSocketResponse, WSMessage, WSMsgType
from jsonschema import Draft202012Validator

from web.http.asyncapi import socket_document
from web.http.openapi import PARAMETER, PROBLEM_TYPE, document, plain
from web.http.route import JSON, Route
from web.live.socket_table import SOCKET_TABLE
from web.routes import ROUTES

FREE = ("errors", "stats")  # objects whose members are named by what was sent, or were stored by an earlier version


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


def unnoticed(method: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> set[str]:
    """The properties of a JSON answer that could be taken out of it without `compare` noticing, at any depth."""
    if not body or headers.get("Content-Type", "").partition(";")[0] not in (JSON, PROBLEM_TYPE):
        return set()
    whole, found = json.loads(body), set()
    for holder in [each for each in _within(whole) if isinstance(each, dict)]:
        for name in list(holder):
            kept = dict(holder)
            del holder[name]
            try:
                compare(method, path, status, headers, json.dumps(whole).encode())
                found.add(name)
            except AssertionError:
                pass
            holder.update(kept)
    return found


def _within(value: Any) -> Iterator[Any]:
    """A JSON value and all that it holds, of each list the first two; but for what is in FREE."""
    yield value
    inner = [value[name] for name in value if name not in FREE] if isinstance(value, dict) else value[:2] if isinstance(value, list) else ()
    for each in inner:
        yield from _within(each)


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


@cache
def sockets() -> dict[str, Any]:
    """The document of the sockets."""
    return socket_document(SOCKET_TABLE)


class ComparedSocket(ClientWebSocketResponse):
    """A client's socket; each message that it is sent is compared with the document of the sockets."""

    async def receive(self, timeout: float | None = None) -> WSMessage:
        message = await super().receive(timeout)
        if message.type is WSMsgType.TEXT:
            compare_message(self._response.url.path, message.data)
        elif message.type is WSMsgType.CLOSE:
            known = {each["code"] for channel in sockets()["channels"].values() for each in channel["x-close-codes"]}
            assert message.data in {*known, 1000}, (
                f"{self._response.url.path}: closed with {message.data}, of which the document does not know"
            )
        return message


def compare_message(path: str, text: str) -> None:
    """Raises AssertionError where a message that a socket has sent is not as the document says."""
    name = path.split("/")[2]
    operation, said = sockets()["operations"][f"{name}_send"], json.loads(text)
    kinds = [each["$ref"].rpartition("/")[2] for each in operation["messages"]]
    messages = {sockets()["components"]["messages"][kind]["name"]: kind for kind in kinds}
    assert said["type"] in messages, f"{path}: the document knows no {said['type']}"
    wrong = [error.message for error in _of_message(messages[said["type"]]).iter_errors(said)]
    assert not wrong, f"{path}: {said['type']} is not as the document says: {wrong[:3]}"


@cache
def _of_message(kind: str) -> Draft202012Validator:
    return Draft202012Validator({**sockets()["components"]["messages"][kind]["payload"], "components": sockets()["components"]})
