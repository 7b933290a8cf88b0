"""Nobody's tables hold the loop: every route is asked once by a user who has tens of thousands of rows in each."""

import asyncio
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from aiohttp import WSMsgType
from aiortc import RTCCertificate

from tests.support.loop_watch import LoopWatch
from tests.support.softphone import offer
from tests.web.conftest import PASSWORD, Guest, House
from web.app import CLIENT_FOLDER, DATABASE
from web.keys import CONFIG
from web.pages import Client, page
from web.routes import ROUTES

ROWS = 30_000
SDP, FRAGMENT = {"Content-Type": "application/sdp"}, {"Content-Type": "application/trickle-ice-sdpfrag"}
PAGES = tuple(route.path for route in ROUTES if route.handler is page)
ASSET = next(route.path for route in ROUTES if "{asset" in route.path)
BUNDLED = next(route.path for route in ROUTES if route.path.startswith("/dist/"))


class Question(NamedTuple):
    """How a route is asked. `path`: where it is not the table's own, with `{whip}` and the like for what was made before."""

    path: str = ""
    body: Any = None
    offer: str = ""  # sendonly or recvonly
    headers: Mapping[str, str] = MappingProxyType({})
    status: int = 200


# Whoever adds a route adds a line: the test fails without. In the order of the asking: what ends something comes last.
QUESTIONS: dict[tuple[str, str], Question] = {
    ("GET", "/api/me"): Question(),
    ("GET", "/api/me/preferences"): Question(),
    ("PUT", "/api/me/preferences"): Question(body={"theme": "dark"}, headers={"If-Match": "*"}),
    ("GET", "/api/me/sessions"): Question(),
    ("GET", "/api/tokens"): Question(),
    ("POST", "/api/tokens"): Question(body={"name": "obs", "scopes": ["listen"]}, status=409),
    ("DELETE", "/api/tokens/{id}"): Question("/api/tokens/1", status=204),
    ("GET", "/api/invites"): Question(),
    ("GET", "/api/invite"): Question(headers={"Authorization": "Bearer wrong"}, status=404),
    ("POST", "/api/invite"): Question(body={"invite": "wrong"}, status=404),
    ("POST", "/api/invites"): Question(body={}, status=409),
    ("DELETE", "/api/invites/{id}"): Question("/api/invites/1", status=204),
    ("GET", "/api/search"): Question("/api/search?q=1"),
    ("GET", "/api/friends"): Question(),
    ("DELETE", "/api/friends/{username}"): Question("/api/friends/p3", status=204),
    ("POST", "/api/friend-request/send"): Question(body={"username": "p3"}, status=409),
    ("POST", "/api/friend-request/{id}/respond"): Question("/api/friend-request/{asked}/respond", {"action": "reject"}),
    ("GET", "/api/friend-requests/pending"): Question(),
    ("GET", "/api/blocks"): Question(),
    ("DELETE", "/api/friend-request/{id}"): Question("/api/friend-request/2", status=204),
    ("PUT", "/api/blocks/{username}"): Question("/api/blocks/p4", status=204),
    ("DELETE", "/api/blocks/{username}"): Question("/api/blocks/p4", status=204),
    ("GET", "/api/listen-links"): Question(),
    ("POST", "/api/listen-links"): Question(body={}, status=409),
    ("DELETE", "/api/listen-links/{id}"): Question("/api/listen-links/1", status=204),
    ("GET", "/api/listen-link"): Question(status=401, headers={"Authorization": "Bearer nothing"}),
    ("GET", "/api/claim"): Question(status=403),
    ("POST", "/api/claim"): Question(body={"claim": "wrong"}, status=403),
    ("GET", "/api/denoisers"): Question(),
    ("GET", "/api/statuses"): Question("/api/statuses?users=" + ",".join(f"p{number}" for number in range(3, 103))),
    ("POST", "/api/hear-yourself"): Question(status=201),
    ("GET", "/api/hear-yourself"): Question(),
    ("POST", "/whip/{username}"): Question("/whip/alice", offer="sendonly", status=201),
    ("PATCH", "/whip/{username}/{identity}"): Question("{whip}", "a=end-of-candidates\r\n", headers=FRAGMENT, status=204),
    ("POST", "/whep/{username}"): Question("/whep/alice", offer="recvonly", status=404),
    ("PATCH", "/whep/{username}/{identity}"): Question("/whep/alice/x", "a=end-of-candidates\r\n", headers=FRAGMENT, status=404),
    ("PUT", "/whep/{username}/{identity}/variant"): Question("/whep/alice/x/variant", {"variant": "auto"}, status=404),
    ("DELETE", "/whep/{username}/{identity}"): Question("/whep/alice/x", status=404),
    ("POST", "/api/stream/denoise"): Question(body={"enabled": True}, status=409),
    ("POST", "/api/stream/recording"): Question(body={"on": True}, status=409),
    ("POST", "/api/stream/mute"): Question(body={"muted": True}, status=409),
    ("POST", "/api/stream/park"): Question(status=204),
    ("GET", "/api/stream/status/{username}"): Question("/api/stream/status/alice"),
    ("POST", "/api/stream/stop"): Question(status=409),
    ("DELETE", "/whip/{username}/{identity}"): Question("{whip}"),
    **{
        ("GET", path): Question(path.format(username="alice", identity="x"), status=204)
        for path in ("/whip/{username}", "/whep/{username}")
    },
    **{("GET", f"/{kind}/{{username}}/{{identity}}"): Question(f"/{kind}/alice/x", status=204) for kind in ("whip", "whep")},
    **{("OPTIONS", f"/{kind}/{{username}}"): Question(f"/{kind}/alice", status=204) for kind in ("whip", "whep")},
    **{("OPTIONS", f"/{kind}/{{username}}/{{identity}}"): Question(f"/{kind}/alice/x", status=204) for kind in ("whip", "whep")},
    ("OPTIONS", "/whep/{username}/{identity}/variant"): Question("/whep/alice/x/variant", status=204),
    ("GET", "/api/recordings"): Question("/api/recordings?limit=200"),
    ("GET", "/api/recordings/{username}"): Question("/api/recordings/alice?limit=200&before=200"),
    ("GET", "/api/recording/{id}/audio"): Question("/api/recording/2/audio", status=404),
    ("GET", "/api/recording/{id}/peaks"): Question("/api/recording/2/peaks", status=404),
    ("PATCH", "/api/recording/{id}"): Question("/api/recording/2", {"title": "Monday"}),
    ("DELETE", "/api/recording/{id}"): Question("/api/recording/2", status=204),
    ("POST", "/api/recording/{id}/restore"): Question("/api/recording/2/restore", status=204),
    ("GET", "/api/storage"): Question(),
    ("GET", "/api/trash"): Question(),
    ("GET", "/ws/presence"): Question(status=101),
    ("GET", "/ws/stream/{username}"): Question("/ws/stream/alice", status=101),
    ("POST", "/api/companions"): Question(body={"kind": "practice"}, status=201),
    ("GET", "/api/companions/{id}/qr.svg"): Question("/api/companions/{companion}/qr.svg"),
    ("POST", "/api/companions/{id}/join"): Question("/api/companions/{companion}/join", {"code": "wrong"}, status=403),
    ("GET", "/ws/session/{id}"): Question("/ws/session/{companion}", status=101),
    ("DELETE", "/api/companions/{id}"): Question("/api/companions/{companion}", status=204),
    ("GET", "/healthz"): Question(),
    ("GET", "/readyz"): Question(),
    ("GET", "/metrics"): Question(),
    ("GET", "/api/self-test"): Question(),
    ("POST", "/api/self-test"): Question(offer="recvonly"),
    ("GET", "/api/openapi.json"): Question(),
    ("GET", "/api/asyncapi.json"): Question(),
    ("GET", "/api"): Question(),
    **{("GET", path): Question(path.format(username="alice", id="x", token="x")) for path in PAGES},
    ("GET", BUNDLED): Question(next(iter(Client(CLIENT_FOLDER, modules=False).files))),
    ("GET", ASSET): Question("/favicon.svg"),
    ("GET", "/admin"): Question(),
    **{("GET", f"/api/admin/{name}"): Question() for name in ("users", "live", "system", "invites", "audit")},
    ("POST", "/api/admin/users/{username}/reset"): Question("/api/admin/users/p13/reset", status=201),
    ("PUT", "/api/admin/users/{username}/suspended"): Question("/api/admin/users/p14/suspended", {"suspended": True}, status=204),
    ("POST", "/api/admin/users/{username}/logout"): Question("/api/admin/users/p15/logout", status=204),
    ("DELETE", "/api/admin/users/{username}"): Question("/api/admin/users/p16", status=204),
    ("POST", "/api/admin/owner"): Question(body={"username": "nobody"}, status=404),
    ("GET", "/api/reset"): Question(status=404),
    ("POST", "/api/reset"): Question(body={"token": "wrong", "password": PASSWORD}, status=404),
    ("GET", "/api/me/recovery-codes"): Question(),
    ("POST", "/api/me/recovery-codes"): Question(body={"password": PASSWORD}, status=201),
    ("POST", "/api/recover"): Question(body={"username": "alice", "code": "wrong", "password": PASSWORD}, status=401),
    ("DELETE", "/api/me/sessions/{id}"): Question("/api/me/sessions/2", status=204),
    ("POST", "/api/login"): Question(body={"username": "alice", "password": PASSWORD}),
    ("POST", "/api/me/password"): Question(body={"old": PASSWORD, "new": "another horse", "revoke": True}, status=204),
    ("POST", "/api/logout"): Question(status=204),
    ("POST", "/api/register"): Question(body={"username": "zoe", "password": PASSWORD}, status=201),
    ("DELETE", "/api/me"): Question(body={"password": PASSWORD}, status=204),
}

AT = "'2026-01-01T00:00:00.000000Z'"
NOW = "strftime('%Y-%m-%dT%H:%M:%S.000000Z', 'now')"
FILL = (
    f"user (username, password_hash, created_at) SELECT 'p' || i, 'x', {AT} FROM n",
    f"login (user_id, digest, created_at, seen_at, address, agent) SELECT 1, 'd' || i, {NOW}, {NOW}, '203.0.113.7', 'Firefox' FROM n",
    f"friendship (first_id, second_id, created_at) SELECT 1, i + 1, {AT} FROM n",
    f"friend_request (asker_id, asked_id, status, created_at) SELECT 1, i + 1, 'pending', {AT} FROM n",
    f"friend_request (asker_id, asked_id, status, created_at) SELECT i + 1, 1, 'pending', {AT} FROM n",
    f"block (blocker_id, blocked_id, created_at) SELECT i + 1, 1, {AT} FROM n WHERE i > 4",
    f"token (user_id, name, scopes, digest, created_at) SELECT 1, 'obs', '[\"listen\"]', 'd' || i, {AT} FROM n",
    f"invite (user_id, digest, created_at) SELECT 1, 'd' || i, {AT} FROM n",
    f"listen_link (user_id, digest, created_at) SELECT 1, 'd' || i, {AT} FROM n",
    "recording (user_id, broadcast, state, started_at, duration_s, variants, size_bytes, folder)"
    f" SELECT 1, 'b' || i, 'ready', {AT}, 60, '[\"original\"]', 1000, 'recordings/' || i FROM n",
    "chapter (recording_id, place, at_s, kind, text) SELECT 1 + i % 250, i / 250, i / 10.0, 'chord', 'F♯m7' FROM n",
    f"chapter (recording_id, place, at_s, kind, text) SELECT {ROWS - 249} + i % 250, i / 250, i / 10.0, 'chord', 'F♯m7' FROM n",
)


def fill(file: Path) -> None:
    """Rows by the ten thousands, all of them alice's or with her."""
    with sqlite3.connect(file, timeout=20) as database:
        for rows in FILL:
            database.execute(f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS}) INSERT INTO {rows}")
    database.close()


async def ask(guest: Guest, method: str, path: str, question: Question) -> tuple[int, Any]:
    """Status, and what the answer says is there now: its Location, or its JSON."""
    if question.status == 101:
        socket = await guest.socket(path)
        said = await socket.receive(timeout=60)
        await socket.close()
        return (101, None) if said.type is WSMsgType.TEXT else (socket.close_code or 0, said)
    more: dict[str, Any] = {"headers": dict(question.headers)}
    if question.offer:
        more["headers"] |= SDP
        more["data"] = offer(RTCCertificate.generateCertificate(), question.offer, 7, ufrag="ufra", password="password-of-22-characters")
    elif isinstance(question.body, str):
        more["data"] = question.body
    elif question.body is not None:
        more["json"] = question.body
    response = await guest.raw(method, path, **more)
    text = await response.text()
    is_json = response.content_type == "application/json" and len(text) < 10_000
    return response.status, response.headers.get("Location") or (await response.json() if is_json else text[:200])


@pytest.mark.tolerates("loop")  # which is told of each route by itself, below
async def test_no_route_holds_the_loop(live_house: House, stretch: float) -> None:
    """Each answers as it should, and none of its callbacks holds the loop longer than any test may."""
    alice = await live_house.user("alice")
    await asyncio.to_thread(fill, Path(live_house.app[CONFIG].storage.path) / DATABASE)
    made = {"asked": str(ROWS + 5), "whip": "", "companion": ""}
    wrong: dict[str, Any] = {}
    for (method, pattern), question in QUESTIONS.items():
        path = question.path or pattern
        for name, value in made.items():
            path = path.replace(f"{{{name}}}", value)
        watch = LoopWatch(stretch)
        watch.start()
        try:
            status, said = await ask(alice, method, path, question)
        finally:
            held = watch.stop()
        if status != question.status or held:
            wrong[f"{method} {pattern}"] = (status, said, held)
        if pattern == "/whip/{username}" and method == "POST":
            made["whip"] = str(said)
        if pattern == "/api/companions":
            made["companion"] = said["id"]
    assert wrong == {}


def test_every_route_is_asked() -> None:
    """The table above has each line of the table of routes, and no others."""
    routes = {(route.method, route.path.replace(":[0-9]{1,18}", "")) for route in ROUTES}
    assert routes == QUESTIONS.keys()
