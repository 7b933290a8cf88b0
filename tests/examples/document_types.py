"""Types for TypeScript, made of a server's documents by openapi-typescript: `python3 -m tests.examples.document_types URL FOLDER`.

Writes openapi.d.ts, of the routes, and asyncapi.d.ts, of the sockets' messages. `python3 run.py test` fetches what makes them.
"""

import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from web.install.tools import TYPE_MODULES

MAKER = TYPE_MODULES / "openapi-typescript" / "bin" / "cli.js"
MESSAGE = "#/components/messages/"
DIRECTIONS = {"receive": "takes", "send": "gives"}  # what the server does -> what a client says and hears


def write_types(folder: Path, routes: Mapping[str, Any], sockets: Mapping[str, Any]) -> None:
    """The two files. routes: an OpenAPI document; sockets: an AsyncAPI document. Raises CalledProcessError where that is no such thing."""
    write_route_types(folder, routes)
    write_socket_types(folder, sockets)


def write_route_types(folder: Path, routes: Mapping[str, Any]) -> None:
    """openapi.d.ts alone."""
    _write(folder / "openapi.d.ts", routes)


def write_socket_types(folder: Path, sockets: Mapping[str, Any]) -> None:
    """asyncapi.d.ts alone."""
    _write(folder / "asyncapi.d.ts", as_schemas(sockets))


def _write(file: Path, document: Mapping[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "document.json"
        source.write_text(json.dumps(document))
        subprocess.run(["node", MAKER, source, "--output", file], check=True, stdout=subprocess.DEVNULL)


def as_schemas(sockets: Mapping[str, Any]) -> dict[str, Any]:
    """The sockets' document as one of OpenAPI that has schemas only: openapi-typescript reads no AsyncAPI.

    Beside those of the data it has `Sockets`, an object with a member for each socket, by its path: `takes` is any of the messages that
    clients send, `gives` any of those that they are sent.
    """
    channels: dict[str, Any] = {}
    for operation in sockets["operations"].values():
        channel = place_of(sockets, operation["channel"]["$ref"])
        messages = [place_of(sockets, each["$ref"])["$ref"].removeprefix(MESSAGE) for each in operation["messages"]]
        payloads = [sockets["components"]["messages"][name]["payload"] for name in messages]
        channels.setdefault(channel["address"], {})[DIRECTIONS[operation["action"]]] = {"oneOf": payloads}
    members = {address: _object(directions) for address, directions in channels.items()}
    schemas = {**sockets["components"]["schemas"], "Sockets": _object(members)}
    return {"openapi": "3.1.0", "info": sockets["info"], "paths": {}, "components": {"schemas": schemas}}


def _object(members: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(members), "required": list(members), "additionalProperties": False}


def place_of(document: Mapping[str, Any], reference: str) -> Any:
    """What a reference within the document leads to."""
    place: Any = document
    for step in reference.removeprefix("#/").split("/"):
        place = place[step]
    return place


def main(url: str, folder: str) -> None:
    """Fetch both documents from a server and write the types of them."""
    documents = []
    for name in ("openapi", "asyncapi"):
        with urllib.request.urlopen(f"{url.rstrip('/')}/api/{name}.json") as answer:
            documents.append(json.load(answer))
    write_types(Path(folder), *documents)


if __name__ == "__main__":
    main(*sys.argv[1:])
