"""docs/websockets.md names every message that the code sends or takes, with its fields, and none besides."""

import importlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from tests.project.websockets_paper import paper
from tests.support.running import ROOT
from web.http.asyncapi import socket_document
from web.http.openapi import plain
from web.http.shapes import ClientMessage, ServerMessage
from web.live.companion_messages import Action
from web.live.socket_table import SOCKET_TABLE
from web.routes import ROUTES

ROW = re.compile(r"^\| `(\w+)` \| to the (server|client) \| (.*) \|$", re.MULTILINE)
ELSEWHERE = "as `GET /api/"  # a row that says so leaves its fields to the document of the routes
OWN = {"open", "down", "refused", "online"}  # events of the page's Socket that are no messages
Fields = set[str]
PLACES = ("web.events.socket_messages", "web.events.stream_status", "web.live.companion_messages")


def messages(base: type[ServerMessage] | type[ClientMessage]) -> dict[str, Fields]:
    """Type -> fields of each message, from the structs."""
    for place in PLACES:
        importlib.import_module(place)
    kinds = [kind for kind in _descendants(base) if kind.__module__ in PLACES and hasattr(kind, "type")]
    return {kind.type: set(kind.__struct_fields__) for kind in kinds}


def _descendants(base: type[Any]) -> list[type[Any]]:
    return [each for kind in base.__subclasses__() for each in (kind, *_descendants(kind))]


def of_the_page(root: Path) -> tuple[set[str], set[str]]:
    """Types that the page sends, and those that it listens for."""
    text = "\n".join(file.read_text() for file in sorted((root / "web/client/js").rglob("*.js")))
    calls = re.findall(r"(?:session|socket|this)\.send\(([^,]*),", text)
    listened = set(re.findall(r"(?:session|socket)\.addEventListener\(\"(\w+)\"", text))
    listened |= set(re.findall(r"#forward\(socket, name, \"(\w+)\"", text))
    return {kind for call in calls for kind in re.findall(r"\"(\w+)\"", call)}, listened - OWN


def documented(text: str) -> dict[str, dict[str, str]]:
    """ "server" and "client" -> type -> what its row says of the data."""
    rows: dict[str, dict[str, str]] = {"server": {}, "client": {}}
    for kind, end, data in ROW.findall(text):
        rows[end][kind] = data
    return rows


def differences(text: str, out: Mapping[str, Fields], into: Mapping[str, Fields], page: tuple[set[str], set[str]]) -> list[str]:
    """What the document, the server's structs (sent, taken) and the page (sent, listened for) say differently."""
    rows, (page_sends, page_hears) = documented(text), page
    wrong = [f"{kind}: sent, but not documented" for kind in sorted(set(out) - set(rows["client"]))]
    wrong += [f"{kind}: taken, but not documented" for kind in sorted(set(into) - set(rows["server"]))]
    wrong += [f"{kind}: documented, but nobody sends it" for kind in sorted(set(rows["client"]) - set(out))]
    wrong += [f"{kind}: documented, but nobody takes it" for kind in sorted(set(rows["server"]) - set(into))]
    wrong += [f"{kind}: the page sends it, the server takes it not" for kind in sorted(page_sends - set(into))]
    wrong += [f"{kind}: the page listens for it, the server sends it not" for kind in sorted(page_hears - set(out))]
    for end, known in (("client", out), ("server", into)):
        for kind, fields in sorted(known.items()):
            row = rows[end].get(kind, ELSEWHERE)
            if ELSEWHERE not in row:
                wrong += [f"{kind}: its field {field} is not documented" for field in sorted(fields) if f"`{field}`" not in row]
    return wrong


def test_the_paper_is_made_of_the_document() -> None:
    """docs/websockets.md is what the document of the sockets gives. HUSHCAST_DOCS=docs writes it anew first."""
    answered = {
        given.shape.__name__: plain(route.path)
        for route in ROUTES
        if route.method == "GET" and route.path.startswith("/api/stream/")
        for given in route.gives
        if isinstance(given.shape, type)
    }
    made = paper(socket_document(SOCKET_TABLE), answered)
    if folder := os.environ.get("HUSHCAST_DOCS"):
        (ROOT / folder / "websockets.md").write_text(made)
    assert (ROOT / "docs/websockets.md").read_text() == made


def test_websockets_are_documented() -> None:
    """Every message type both ways, with every field."""
    text = (ROOT / "docs/websockets.md").read_text()
    assert not differences(text, messages(ServerMessage), messages(ClientMessage), of_the_page(ROOT))


def test_each_action_of_a_remote_is_documented() -> None:
    """The row of `remote` names the actions that the server takes, and no others."""
    row = documented((ROOT / "docs/websockets.md").read_text())["server"]["remote"]
    assert set(re.findall(r"`(\w+)`", row)) - {"action"} == set(get_args(Action))


def test_what_the_page_says_and_hears_is_found() -> None:
    """The law finds what the page's modules send and listen for in each of their ways of writing it."""
    sends, hears = of_the_page(ROOT)
    assert {"ping", "remote", "chord_change"} <= sends, "send(...)"
    assert {"level", "all_statuses", "connection_update"} <= hears, "socket.addEventListener"
    assert {"stream_state", "ended", "cue", "packet"} <= hears, "#forward"


def test_every_message_is_defined_where_this_law_looks() -> None:
    """Each module of web with a message among its classes is one of PLACES."""
    bases = re.compile(r"^class \w+\((?:Server|Client)Message,", re.MULTILINE)
    found = {
        str(file.relative_to(ROOT).with_suffix("")).replace("/", ".")
        for file in (ROOT / "web").rglob("*.py")
        if bases.search(file.read_text())
    }
    assert found == set(PLACES)


def test_this_law_can_fail(tmp_path: Path) -> None:
    """A type or field that the document lacks, one that nobody sends, and a page that asks for the wrong thing are seen."""
    script = tmp_path / "web/client/js/a.js"
    script.parent.mkdir(parents=True)
    script.write_text(
        'socket.addEventListener("open", f);\nsocket.addEventListener("gone", f);\nsocket.send("nod", {});\n'
        'this.#forward(socket, name, "lost", "left");\n'
    )
    rows = "| `ping` | to the server | nothing |\n| `pong` | to the client | nothing |\n| `old` | to the client | x |\n"
    rows += "| `state` | to the client | as `GET /api/x` answers |\n"
    out = {"chords": {"chord"}, "pong": {"timestamp"}, "state": {"live"}}
    assert differences(rows, out, {"ping": {"timestamp"}, "chord": {"chord"}}, of_the_page(tmp_path)) == [
        "chords: sent, but not documented",
        "chord: taken, but not documented",
        "old: documented, but nobody sends it",
        "nod: the page sends it, the server takes it not",
        "gone: the page listens for it, the server sends it not",
        "lost: the page listens for it, the server sends it not",
        "pong: its field timestamp is not documented",
        "ping: its field timestamp is not documented",
    ]
