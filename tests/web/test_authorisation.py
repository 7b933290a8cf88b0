"""Who may what: every route and every socket, asked by everybody, as one table.

The thing that is asked about is alice's: her account, broadcast, recording, companion session. Requests are such that nothing changes
where they are let in: a body that is not valid (422), an id that there is not (404), a broadcast that is not live (409). A token
of no listen link is none on the stream socket.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from aiohttp import ClientSession, WSMsgType

from db.tables import now
from tests.web.conftest import Guest, House
from web.http.openapi import plain
from web.pages import page
from web.recordings.archive import ARCHIVE
from web.routes import ROUTES

NOT_FRIENDS = ("stranger", "requested", "ex_friend", "blocked", "host")  # host: owns the server, and is no friend
LOGINS = (*NOT_FRIENDS, "friend", "alice")
TOKENS = ("publish", "listen", "metrics")  # a friend's, by scope
WITHOUT = ("anonymous", "link", "device")  # no login: the bearer of alice's listen link, a device in her companion session
WHO = (*WITHOUT, *LOGINS, "suspended", *TOKENS)  # suspended: a friend of alice's

Answers = Mapping[str, int]


class Row(NamedTuple):
    """One route: what everybody is answered, and how it is asked."""

    answers: Answers
    path: str = ""
    body: Any = None
    headers: Mapping[str, str] = MappingProxyType({})


def all_get(status: int, **others: int) -> Answers:
    """Anyone may."""
    return dict.fromkeys(WHO, status) | others


def logins_get(status: int, **others: int) -> Answers:
    """Whoever is signed in may; programs with tokens may not."""
    return all_get(403, **dict.fromkeys(WITHOUT, 401), **dict.fromkeys(LOGINS, status)) | others


def friends_get(status: int, **others: int) -> Answers:
    """Alice and her friends may."""
    return logins_get(403, friend=status, alice=status) | others


def alice_gets(status: int, **others: int) -> Answers:
    """Alice may."""
    return logins_get(403, alice=status) | others


def host_gets(status: int) -> Answers:
    """The server's owner may."""
    return logins_get(403, host=status)


SOCKET = {"Upgrade": "websocket"}
BAD: dict[str, Any] = {}
USER, ADMIN = "/api/admin/users/{username}", "/api/admin"
RECORDING, COMPANION = "/api/recording/{id}", "/api/companions/{id}"
NONE = "/api/friend-request/999"

# By method and path, as in the table of routes. A route without its row fails.
TABLE: dict[tuple[str, str], Row] = {
    # accounts
    ("POST", "/api/register"): Row(all_get(422), body=BAD),
    ("POST", "/api/login"): Row(all_get(422), body=BAD),
    ("GET", "/api/claim"): Row(all_get(403)),
    ("POST", "/api/claim"): Row(logins_get(422), body=BAD),
    ("GET", "/api/me"): Row(logins_get(200)),
    ("DELETE", "/api/me"): Row(logins_get(422), body=BAD),
    ("POST", "/api/me/password"): Row(logins_get(422), body=BAD),
    ("GET", "/api/me/preferences"): Row(logins_get(200)),
    ("PUT", "/api/me/preferences"): Row(logins_get(428), body=BAD),
    ("GET", "/api/me/sessions"): Row(logins_get(200)),
    ("DELETE", "/api/me/sessions/{id}"): Row(logins_get(404), "/api/me/sessions/99999"),
    ("GET", "/api/reset"): Row(all_get(404)),
    ("POST", "/api/reset"): Row(all_get(422), body=BAD),
    ("POST", "/api/recover"): Row(all_get(422), body=BAD),
    ("GET", "/api/me/recovery-codes"): Row(logins_get(200)),
    ("POST", "/api/me/recovery-codes"): Row(logins_get(422), body=BAD),
    ("GET", "/api/tokens"): Row(logins_get(200)),
    ("POST", "/api/tokens"): Row(logins_get(422), body=BAD),
    ("DELETE", "/api/tokens/{id}"): Row(logins_get(404), "/api/tokens/99999"),
    ("GET", "/api/invites"): Row(logins_get(200)),
    ("POST", "/api/invites"): Row(logins_get(422), body={"uses": 0}),
    ("DELETE", "/api/invites/{id}"): Row(logins_get(404), "/api/invites/99999"),
    ("GET", "/api/invite"): Row(all_get(404)),
    ("POST", "/api/invite"): Row(logins_get(422), body=BAD),
    ("GET", "/api/listen-links"): Row(logins_get(200)),
    ("POST", "/api/listen-links"): Row(logins_get(422), body={"expires_s": -1}),
    ("DELETE", "/api/listen-links/{id}"): Row(logins_get(404), "/api/listen-links/99999"),
    ("GET", "/api/listen-link"): Row(all_get(401, link=200)),
    # friends
    ("GET", "/api/search"): Row(logins_get(200)),
    ("GET", "/api/friends"): Row(logins_get(200)),
    ("DELETE", "/api/friends/{username}"): Row(logins_get(404), "/api/friends/nobody"),
    ("POST", "/api/friend-request/send"): Row(logins_get(422), body=BAD),
    ("POST", "/api/friend-request/{id}/respond"): Row(logins_get(404), f"{NONE}/respond", {"action": "accept"}),
    ("DELETE", "/api/friend-request/{id}"): Row(logins_get(404), NONE),
    ("GET", "/api/friend-requests/pending"): Row(logins_get(200)),
    ("GET", "/api/blocks"): Row(logins_get(200)),
    ("PUT", "/api/blocks/{username}"): Row(logins_get(404), "/api/blocks/nobody"),
    ("DELETE", "/api/blocks/{username}"): Row(logins_get(404), "/api/blocks/nobody"),
    # live
    ("POST", "/whip/{username}"): Row(alice_gets(415)),
    ("PATCH", "/whip/{username}/{identity}"): Row(alice_gets(415)),
    ("DELETE", "/whip/{username}/{identity}"): Row(alice_gets(404)),
    ("POST", "/whep/{username}"): Row(friends_get(415, link=415, listen=415)),
    ("PATCH", "/whep/{username}/{identity}"): Row(friends_get(415, link=415, listen=415)),
    ("DELETE", "/whep/{username}/{identity}"): Row(friends_get(404, link=404, listen=404)),
    ("PUT", "/whep/{username}/{identity}/variant"): Row(friends_get(422, link=422, listen=422), body=BAD),
    ("POST", "/api/stream/denoise"): Row(logins_get(409), body=BAD),
    ("POST", "/api/stream/stop"): Row(logins_get(409)),
    ("POST", "/api/stream/mute"): Row(logins_get(422, publish=422), body=BAD),
    ("POST", "/api/stream/recording"): Row(logins_get(422), body=BAD),
    ("POST", "/api/stream/park"): Row(logins_get(204)),
    ("POST", "/api/hear-yourself"): Row(logins_get(201)),
    ("GET", "/api/hear-yourself"): Row(logins_get(200)),
    ("GET", "/api/stream/status/{username}"): Row(friends_get(200, link=200, listen=200)),
    ("GET", "/api/statuses"): Row(logins_get(200)),
    ("GET", "/api/denoisers"): Row(logins_get(200)),
    ("GET", "/api/self-test"): Row(logins_get(200)),
    ("POST", "/api/self-test"): Row(logins_get(415)),
    **{("GET", route.path): Row(all_get(204)) for route in ROUTES if route.method == "GET" and route.path.startswith("/wh")},
    **{("OPTIONS", route.path): Row(all_get(204)) for route in ROUTES if route.method == "OPTIONS"},
    # recordings
    ("GET", "/api/recordings"): Row(logins_get(200)),
    ("GET", "/api/recordings/{username}"): Row(friends_get(200)),
    ("GET", f"{RECORDING}/audio"): Row(friends_get(404)),
    ("GET", f"{RECORDING}/peaks"): Row(friends_get(409)),
    ("PATCH", RECORDING): Row(alice_gets(200), body={"title": "a title"}),
    ("DELETE", RECORDING): Row(alice_gets(409)),
    ("GET", "/api/trash"): Row(logins_get(200)),
    ("POST", f"{RECORDING}/restore"): Row(logins_get(404, alice=409)),
    ("GET", "/api/storage"): Row(logins_get(200)),
    # companion sessions
    ("POST", "/api/companions"): Row(logins_get(422), body=BAD),
    ("GET", f"{COMPANION}/qr.svg"): Row(alice_gets(200)),
    ("POST", f"{COMPANION}/join"): Row(all_get(422), body=BAD),
    ("DELETE", COMPANION): Row(logins_get(404), "/api/companions/none"),
    # sockets: 101, or the code with which they are closed
    ("GET", "/ws/presence"): Row(logins_get(101), headers=SOCKET),
    ("GET", "/ws/stream/{username}"): Row(friends_get(101, link=101, **dict.fromkeys(TOKENS, 401)), headers=SOCKET),
    ("GET", "/ws/session/{id}"): Row(alice_gets(101, device=101), headers=SOCKET),
    # the server's owner
    ("GET", "/admin"): Row(all_get(404, host=200)),
    ("GET", f"{ADMIN}/users"): Row(host_gets(200)),
    ("POST", f"{USER}/reset"): Row(host_gets(404), f"{ADMIN}/users/nobody/reset"),
    ("PUT", f"{USER}/suspended"): Row(host_gets(422), body=BAD),
    ("POST", f"{USER}/logout"): Row(host_gets(404), f"{ADMIN}/users/nobody/logout"),
    ("DELETE", USER): Row(host_gets(404), f"{ADMIN}/users/nobody"),
    ("POST", f"{ADMIN}/owner"): Row(host_gets(422), body=BAD),
    **{("GET", f"{ADMIN}/{name}"): Row(host_gets(200)) for name in ("live", "system", "invites", "audit")},
    # operations and pages
    **{("GET", path): Row(all_get(200)) for path in ("/healthz", "/readyz", "/api/openapi.json", "/api/asyncapi.json", "/api")},
    ("GET", "/metrics"): Row(all_get(200, link=401, publish=403, listen=403)),
    **{("GET", route.path): Row(all_get(200)) for route in ROUTES if route.handler is page},
    **{("GET", route.path): Row(all_get(404), "/dist/page.0123456789abcdef.js") for route in ROUTES if route.path.startswith("/dist/")},
    **{("GET", route.path): Row(all_get(200), "/favicon.svg") for route in ROUTES if "{asset" in route.path},
    ("POST", "/api/logout"): Row(logins_get(204, suspended=204)),  # last: it ends the asking
}
CLOSED = {4401: 401, 4403: 403, 4404: 404}


class Person(NamedTuple):
    """How somebody asks: by a browser, or with a bearer's secret."""

    guest: Guest
    secret: str = ""

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret}"} if self.secret else {}


async def everybody(house: House, made: dict[str, str]) -> dict[str, Person]:
    """All of `WHO`, and what is alice's: the id of her recording and companion session in `made`."""
    guests = {name: await house.user(name) for name in ("host", *(name for name in (*LOGINS, "suspended") if name != "host"))}
    alice, friend = guests["alice"], guests["friend"]
    for name in ("friend", "ex_friend", "suspended"):
        await guests[name].ask("POST", "/api/friend-request/send", {"username": "alice"})
        assert (await alice.ask("POST", "/api/friend-request/send", {"username": name}))[1]["status"] == "accepted"
    assert (await alice.ask("DELETE", "/api/friends/ex_friend"))[0] == 204
    assert (await alice.ask("PUT", "/api/blocks/blocked"))[0] == 204
    assert (await guests["requested"].ask("POST", "/api/friend-request/send", {"username": "alice"}))[0] == 201
    assert (await guests["host"].ask("PUT", f"{ADMIN}/users/suspended/suspended", {"suspended": True}))[0] == 204
    people = {name: Person(guest) for name, guest in guests.items()}
    for scope in TOKENS:
        _, token = await friend.ask("POST", "/api/tokens", {"name": scope, "scopes": [scope]})
        people[scope] = Person(house.guest(), token["token"])
    _, link = await alice.ask("POST", "/api/listen-links")
    people["link"] = Person(house.guest(), link["url"].rpartition("/")[2])
    _, session = await alice.ask("POST", "/api/companions", {"kind": "remote"})
    people["device"], people["anonymous"] = Person(house.guest()), Person(house.guest())
    code = session["join_url"].partition("#")[2]
    assert (await people["device"].guest.ask("POST", f"/api/companions/{session['id']}/join", {"code": code}))[0] == 200
    recording, _ = await house.app[ARCHIVE].begin("alice", "going on", None, now())
    made |= {"username": "alice", "recording": str(recording), "companion": session["id"]}
    return people


async def answered(person: Person, method: str, path: str, row: Row) -> int:
    """The status; of a socket 101, or what its close code says."""
    if row.headers is SOCKET:
        return await opened(person, path)
    more: dict[str, Any] = {} if row.body is None else {"json": row.body}
    return (await person.guest.raw(method, path, headers=person.headers, **more)).status


async def opened(person: Person, path: str) -> int:
    session: ClientSession = person.guest.session
    url, headers = person.guest.server.make_url(path), {"Origin": person.guest.origin, **person.headers}
    async with session.ws_connect(url, headers=headers if "/stream/" not in path else {"Origin": person.guest.origin}) as socket:
        if "/stream/" in path:
            await socket.send_json({"type": "hello", "data": {"token": person.secret or "wrong"}})
        message = await socket.receive(timeout=20)
        return 101 if message.type is WSMsgType.TEXT else CLOSED.get(int(socket.close_code or 0), 0)


def path_of(path: str, made: Mapping[str, str]) -> str:
    thing = made["companion"] if "/companions/" in path or "/session/" in path else made["recording"]
    return path.replace("{id}", thing).replace("{username}", made["username"]).replace("{identity}", "none").replace("{token}", "none")


async def test_everybody_is_answered_as_the_table_says(live_house: House) -> None:
    made: dict[str, str] = {}
    people = await everybody(live_house, made)
    assert people.keys() == set(WHO)
    wrong: list[str] = []
    for (method, path), row in TABLE.items():
        for who, wanted in row.answers.items():
            status = await answered(people[who], method, path_of(row.path or plain(path), made), row)
            if status != wanted:
                wrong.append(f"{method} {path}: {who} gets {status}, not {wanted}")
    assert not wrong, "\n".join(wrong)


def test_every_route_and_every_person_has_a_cell() -> None:
    """The table has each line of the table of routes, and no others; each of its rows answers everybody."""
    assert {(route.method, plain(route.path)) for route in ROUTES} == {(method, plain(path)) for method, path in TABLE}
    assert all(row.answers.keys() == set(WHO) for row in TABLE.values())
    assert all(row.headers is SOCKET for (_, path), row in TABLE.items() if path.startswith("/ws/"))
