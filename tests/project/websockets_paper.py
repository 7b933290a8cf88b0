"""Writes docs/websockets.md from the document of the sockets: prose, close codes, and a row for each message."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from web.http.schema_words import in_words

HEAD = """\
# WebSockets

Messages are JSON texts `{"type": "…", "data": {…}}`, in both directions, at most 64 KiB. The same for programs is the server's own
`GET /api/asyncapi.json` (AsyncAPI 3), of which this page is made: `HUSHCAST_DOCS=docs python3 run.py test tests/project/test_docs.py`. The
answers to HTTP requests are in `GET /api/openapi.json`, media in [protocol.md](protocol.md).
"""
Document = Mapping[str, Any]


def paper(document: Document, answered: Mapping[str, str]) -> str:
    """The whole text. answered: a schema's name -> the GET route that answers with it, to which a row then refers."""
    channels = list(document["channels"].values())
    shared = [name for name in channels[0]["messages"] if all(name in channel["messages"] for channel in channels)]
    parts = [HEAD, _table("path | who may | what it is for", (_overview(channel) for channel in channels))]
    closes = ((f"{each['code']}", each["meaning"], each["again"]) for each in channels[0]["x-close-codes"])
    parts += [f"## Life of a socket\n\n{document['info']['description']}\n", _table("close code | meaning | come back?", closes)]
    parts += ["## On every socket\n", _messages(document, shared, _senders(document), answered)]
    for channel in channels:
        own = [name for name in channel["messages"] if name not in shared]
        parts += [f"## {channel['address']}\n\n{channel['description']}\n", _messages(document, own, _senders(document), answered)]
    return "\n".join(parts)


def _overview(channel: Document) -> tuple[str, ...]:
    first = channel["title"].rstrip(".")
    return f"`{channel['address']}`", channel["x-who"], first[0].lower() + first[1:]


def _senders(document: Document) -> dict[str, str]:
    """Message -> who gets it."""
    ends = {"receive": "to the server", "send": "to the client"}
    return {
        message["$ref"].rpartition("/")[2]: ends[operation["action"]]
        for operation in document["operations"].values()
        for message in operation["messages"]
    }


def _messages(document: Document, names: list[str], senders: Mapping[str, str], answered: Mapping[str, str]) -> str:
    rows = []
    for name in names:
        message = document["components"]["messages"][name]
        data = f"as `GET {answered[name]}` answers" if name in answered else _fields(document, name)
        rows.append((f"`{message['name']}`", senders[name], data, message["summary"]))
    return _table("type | direction | data | what it says", rows)


def _fields(document: Document, name: str) -> str:
    schema = document["components"]["schemas"][name]
    inner = partial(_inner, document)
    return "; ".join(f"`{field}`: {in_words(kind, inner)}" for field, kind in schema["properties"].items())


def _inner(document: Document, name: str) -> str:
    return f"{{{_fields(document, name)}}}"


def _table(head: str, rows: Iterator[tuple[str, ...]] | list[tuple[str, ...]]) -> str:
    columns = head.count("|") + 1
    return "\n".join([f"| {head} |", "|---" * columns + "|", *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"
