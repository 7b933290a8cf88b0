"""Paths of older designs."""

import re

import pytest

from tests.support.running import ROOT
from tests.web.conftest import House
from web.http.older_paths import REPLACED
from web.http.openapi import plain
from web.routes import ROUTES


@pytest.mark.parametrize("older", REPLACED)
async def test_each_says_what_replaces_it(house: House, older: str) -> None:
    """Whatever the method, the login, the origin and what follows: 410 `moved` as a problem document that names the replacement."""
    guest = house.guest()
    for method, path in (("GET", older), ("POST", f"{older}/"), ("PUT", f"{older}/7/"), ("GET", f"{older}/a/b")):
        async with guest.session.request(method, house.server.make_url(path)) as response:
            said = await response.json()
            assert (response.status, response.content_type) == (410, "application/problem+json"), (method, path)
            assert said["code"] == "moved" and REPLACED[older] in said["detail"] and said["status"] == 410


async def test_a_browser_and_a_handshake_are_told_too(house: House) -> None:
    """Who asks for a page or a WebSocket gets the same answer."""
    guest = house.guest()
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    for headers in ({"Accept": "text/html"}, upgrade, upgrade | {"Origin": "https://elsewhere.example"}):
        async with guest.session.get(house.server.make_url("/ws/guitar/7/"), headers=headers) as response:
            assert (response.status, (await response.json())["code"]) == (410, "moved")


async def test_what_is_in_use_comes_first(house: House) -> None:
    """A friend may be called as the last word of an older path, and a path that only begins alike is none."""
    alice, _ = await house.friends("alice", "request")
    assert (await alice.ask("DELETE", "/api/friends/request"))[0] == 204
    for near in ("/api/stream/starting", "/ws/guitars", "/api/webrtc"):
        async with alice.session.get(house.server.make_url(near)) as response:
            assert response.status == 404, near


def test_what_replaces_them_is_there() -> None:
    """Each path that a replacement names is a route, with its method."""
    routes = {(route.method, plain(route.path)) for route in ROUTES}
    for text in REPLACED.values():
        named = re.findall(r"(POST|WebSocket) (/[\w/{}-]+)", text)
        assert named and {("GET" if method == "WebSocket" else method, path) for method, path in named} <= routes


def test_the_table_for_readers_is_the_same() -> None:
    """docs/older_names.md has each path with its replacement, and no others."""
    rows = re.findall(r"^\| `(/[\w/]+)/` \| (.+) \|$", (ROOT / "docs/older_names.md").read_text(), re.MULTILINE)
    assert dict(rows) == dict(REPLACED)
