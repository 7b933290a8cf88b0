"""The table of sockets as an AsyncAPI document; its schemas are those of the structs that sockets take and send."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from aiohttp import web

from web.http.openapi import PARAMETER, REFERENCE, plain
from web.http.responses import encoded, ready
from web.http.route import JSON
from web.http.shapes import ClientMessage, Query, ServerMessage

MessageKind = type[ClientMessage] | type[ServerMessage]


class CloseCode(NamedTuple):
    """Why the server closes a socket. again: whether a client shall connect again."""

    code: int
    meaning: str
    again: str


class SocketRow(NamedTuple):
    """A row of the table of sockets. told: for readers, in paragraphs. takes, gives: beside what the table has for every socket."""

    path: str
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    who: str
    told: str
    takes: tuple[type[ClientMessage], ...]
    gives: tuple[type[ServerMessage], ...]
    query: type[Query] | None = None


class SocketTable(NamedTuple):
    """All sockets. takes, gives: on every socket. told: what holds of every socket, for readers."""

    rows: tuple[SocketRow, ...]
    takes: tuple[type[ClientMessage], ...]
    gives: tuple[type[ServerMessage], ...]
    closes: tuple[CloseCode, ...]
    told: str


SOCKETS: web.AppKey[SocketTable] = web.AppKey("SOCKETS")


async def answer_sockets(request: web.Request) -> web.Response:
    """The WebSockets of this interface as AsyncAPI."""
    return ready(await asyncio.to_thread(_written, request.app[SOCKETS]))


def socket_document(table: SocketTable) -> dict[str, Any]:
    """The document (AsyncAPI 3). The server is the application: it receives what clients send."""
    kinds = list(dict.fromkeys(kind for row in table.rows for kind in _kinds(table, row)))
    written, schemas = msgspec.json.schema_components(kinds, ref_template=REFERENCE)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Hushcast", "version": "1", "description": table.told},
        "defaultContentType": JSON,
        "channels": {_name(row): _channel(table, row) for row in table.rows},
        "operations": dict(operation for row in table.rows for operation in _operations(table, row)),
        "components": {
            "messages": {kind.__name__: _message(kind, schema) for kind, schema in zip(kinds, written, strict=True)},
            "schemas": schemas,
        },
    }


@lru_cache(maxsize=1)
def _written(table: SocketTable) -> bytes:
    return encoded(socket_document(table))


def _kinds(table: SocketTable, row: SocketRow) -> tuple[MessageKind, ...]:
    return (*table.takes, *row.takes, *table.gives, *row.gives)


def _name(row: SocketRow) -> str:
    return plain(row.path).split("/")[2]


def _channel(table: SocketTable, row: SocketRow) -> dict[str, Any]:
    channel: dict[str, Any] = {
        "address": plain(row.path),
        "title": (inspect.getdoc(row.handler) or row.handler.__name__).splitlines()[0],
        "description": row.told,
        "messages": {kind.__name__: {"$ref": f"#/components/messages/{kind.__name__}"} for kind in _kinds(table, row)},
        "bindings": {"ws": _handshake(row)},
        "x-who": row.who,
        "x-close-codes": [each._asdict() for each in table.closes],
    }
    if names := [name for name, _ in PARAMETER.findall(row.path)]:
        channel["parameters"] = {name: {"description": f"The {name} in the path."} for name in names}
    return channel


def _handshake(row: SocketRow) -> Mapping[str, Any]:
    binding: dict[str, Any] = {"method": "GET", "bindingVersion": "0.1.0"}
    if row.query is not None:
        _, components = msgspec.json.schema_components([row.query])
        binding["query"] = {"type": "object", "properties": components[row.query.__name__]["properties"]}
    return binding


def _operations(table: SocketTable, row: SocketRow) -> Iterator[tuple[str, dict[str, Any]]]:
    name = _name(row)
    for action, kinds in (("receive", (*table.takes, *row.takes)), ("send", (*table.gives, *row.gives))):
        yield (
            f"{name}_{action}",
            {
                "action": action,
                "channel": {"$ref": f"#/channels/{name}"},
                "messages": [{"$ref": f"#/channels/{name}/messages/{kind.__name__}"} for kind in kinds],
            },
        )


def _message(kind: MessageKind, schema: dict[str, Any]) -> dict[str, Any]:
    told = inspect.getdoc(kind) or ""
    return {
        "name": kind.type,
        "title": kind.__name__,
        "summary": " ".join(told.split()),
        "payload": {
            "type": "object",
            "properties": {"type": {"const": kind.type}, "data": schema},
            "required": ["type", "data"],
            "additionalProperties": issubclass(kind, ClientMessage),
        },
    }
