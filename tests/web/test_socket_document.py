"""The document of the sockets: valid, complete, and true of what is sent (`Guest` compares each message that it gets)."""

import json
import os
import re
from typing import Any

import msgspec
import pytest
from jsonschema import Draft7Validator

from tests.project.test_docs import messages
from tests.web.conftest import House
from tests.web.interface import compare_message, sockets
from web.events.socket_messages import Pong, text_of
from web.http.openapi import plain
from web.http.shapes import ClientMessage, ServerMessage
from web.install.tools import NODE_MODULES
from web.live.socket_table import SOCKET_TABLE
from web.routes import ROUTES

SPECIFICATION = NODE_MODULES / "@asyncapi" / "specs" / "schemas" / "3.0.0-without-$id.json"


def faults(document: dict[str, Any]) -> list[str]:
    """What AsyncAPI's own schema finds."""
    if not SPECIFICATION.is_file() and not os.environ.get("CI"):
        pytest.skip("npm's @asyncapi/specs is not there")
    return [f"{error.json_path}: {error.message}" for error in Draft7Validator(json.loads(SPECIFICATION.read_text())).iter_errors(document)]


async def test_it_is_asyncapi(house: House) -> None:
    """What the server answers is valid by AsyncAPI 3's own schema, which notices a fault, and each reference in it leads somewhere."""
    document = await (await house.guest().raw("GET", "/api/asyncapi.json")).json()
    assert faults(document) == []
    assert document == json.loads(json.dumps(sockets()))
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document))):
        place: Any = document
        for step in reference.split("/"):
            place = place[step]
    document["operations"]["presence_send"]["action"] = "shout"
    assert faults(document)


def test_it_has_every_socket_and_message() -> None:
    """Each route below /ws/ with its handler, and each struct of a message, in its direction."""
    assert {(plain(route.path), route.handler) for route in ROUTES if route.path.startswith("/ws/")} == {
        (row.path, row.handler) for row in SOCKET_TABLE.rows
    }
    for action, base in (("send", ServerMessage), ("receive", ClientMessage)):
        operations = [operation for operation in sockets()["operations"].values() if operation["action"] == action]
        names = {message["$ref"].rpartition("/")[2] for operation in operations for message in operation["messages"]}
        known = sockets()["components"]
        assert {known["messages"][name]["name"]: set(known["schemas"][name]["properties"]) for name in names} == messages(base)


def test_the_comparison_can_fail() -> None:
    """Another socket's message, a missing field and one too many are noticed."""
    compare_message("/ws/presence", text_of(Pong(timestamp=msgspec.Raw(b"1"))))
    for text in ('{"type": "level", "data": {}}', '{"type": "pong", "data": {}}', '{"type": "pong", "data": {"timestamp": 1, "more": 2}}'):
        with pytest.raises(AssertionError):
            compare_message("/ws/presence", text)
