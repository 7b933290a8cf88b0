"""Fields of JSON bodies: unknown ones are refused everywhere, and texts that others see are plain."""

import inspect
import re
from pathlib import Path
from typing import Any

from db import recordings
from db.tables import now
from tests.web.conftest import PASSWORD, Guest, House
from web.http.fields import MOST_TOLD
from web.http.openapi import plain
from web.http.texts import is_blank, is_showable, showable
from web.keys import DB
from web.routes import ROUTES

SESSION = "{session}"
# Whatever takes a JSON body: method and path as the table has them, the path to ask, a body that is taken.
TAKEN: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {
    ("POST", "/api/register"): ("/api/register", {"username": "zoe", "password": PASSWORD}),
    ("POST", "/api/claim"): ("/api/claim", {"claim": "wrong"}),
    ("POST", "/api/login"): ("/api/login", {"username": "alice", "password": PASSWORD}),
    ("DELETE", "/api/me"): ("/api/me", {"password": PASSWORD}),
    ("POST", "/api/me/password"): ("/api/me/password", {"old": PASSWORD, "new": PASSWORD}),
    ("POST", "/api/tokens"): ("/api/tokens", {"name": "obs", "scopes": ["publish"]}),
    ("POST", "/api/invites"): ("/api/invites", {"uses": 1}),
    ("POST", "/api/invite"): ("/api/invite", {"invite": "wrong"}),
    ("POST", "/api/friend-request/send"): ("/api/friend-request/send", {"username": "bob"}),
    ("POST", "/api/friend-request/{id}/respond"): ("/api/friend-request/1/respond", {"action": "accept"}),
    ("PUT", "/whep/{username}/{identity}/variant"): ("/whep/alice/none/variant", {"variant": "auto"}),
    ("POST", "/api/stream/denoise"): ("/api/stream/denoise", {"enabled": True}),
    ("POST", "/api/stream/mute"): ("/api/stream/mute", {"muted": True}),
    ("POST", "/api/stream/recording"): ("/api/stream/recording", {"on": True}),
    ("POST", "/api/listen-links"): ("/api/listen-links", {"expires_s": 60}),
    ("PATCH", "/api/recording/{id}"): ("/api/recording/1", {"title": "Monday"}),
    ("POST", "/api/admin/owner"): ("/api/admin/owner", {"username": "nobody"}),
    ("PUT", "/api/admin/users/{username}/suspended"): ("/api/admin/users/bob/suspended", {"suspended": False}),
    ("POST", "/api/reset"): ("/api/reset", {"token": "none", "password": PASSWORD}),
    ("POST", "/api/recover"): ("/api/recover", {"username": "alice", "code": "none", "password": PASSWORD}),
    ("POST", "/api/me/recovery-codes"): ("/api/me/recovery-codes", {"password": PASSWORD}),
    ("POST", "/api/companions"): ("/api/companions", {"kind": "practice"}),
    ("POST", "/api/companions/{id}/join"): (f"/api/companions/{SESSION}/join", {"code": "wrong"}),
}
UNSHOWABLE = ("a\x00b", "a\nb", "a\tb", "a\x7fb", "a\x85b", "a\u2028b", "a\u202eb", "a\u2066b", "\u202dabc")


async def recorded(house: House, title: str | None = "Sunday") -> int:
    row = await house.app[DB].run(recordings.begin, "alice", "b1", title, now())
    return int(row.id)


async def title_of(guest: Guest) -> str | None:
    listed = (await guest.ask("GET", "/api/recordings"))[1]
    title: str | None = listed[0]["title"]
    return title


def test_every_handler_that_reads_fields_is_asked() -> None:
    """The table above has each route that takes a JSON body."""
    assert {(route.method, plain(route.path)) for route in ROUTES if route.reads} == TAKEN.keys()


def test_handlers_read_what_the_table_names() -> None:
    """Handlers read the structs that the table of routes names, and so the OpenAPI document is right."""
    for route in ROUTES:
        source = inspect.getsource(route.handler)
        read = dict(re.findall(r"(body_as|query_as)\(request, (\w+)\)", source))
        if "_listed(" in source:  # two lists of recordings have this in common
            read["query_as"] = "RecordingsPage"
        wanted = {"body_as": route.body if route.reads else None, "query_as": route.query}
        assert read == {how: kind.__name__ for how, kind in wanted.items() if isinstance(kind, type)}, (route.method, route.path)


async def test_an_unknown_field_is_refused(house: House) -> None:
    """An unknown field beside right ones is a 422 that names it, and nothing is done."""
    alice = await house.user("alice")
    await house.user("bob")
    await recorded(house)
    session = (await alice.ask("POST", "/api/companions", {"kind": "remote"}))[1]["id"]
    for (method, _), (path, body) in TAKEN.items():
        status, answer = await alice.ask(method, path.replace(SESSION, session), body | {"surplus": 1})
        assert (status, answer["code"], answer["errors"]) == (422, "bad_request", {"surplus": "is not known here"}), path
    assert (await alice.ask("GET", "/api/me"))[0] == 200 and await title_of(alice) == "Sunday"
    assert (await alice.ask("GET", "/api/tokens"))[1] == (await alice.ask("GET", "/api/listen-links"))[1] == []


async def test_many_unknown_fields_are_told_within_bounds(house: House) -> None:
    """The answer to many unknown fields with long or invalid names is short and valid."""
    body = {"username": "alice", "password": PASSWORD, "\ud800": 1, "x" * 5000: 2} | {f"more{n}": n for n in range(100)}
    status, answer = await house.guest().ask("POST", "/api/register", body)
    assert status == 422 and len(answer["errors"]) == MOST_TOLD and max(map(len, answer["errors"])) <= 100


async def test_a_title_is_replaced_only_by_a_title(house: House) -> None:
    """Nothing, blanks, unknown fields: a 422 that names the field, and the old title stays."""
    alice = await house.user("alice")
    recording = await recorded(house)
    bodies: tuple[dict[str, object], ...] = ({}, {"title": None}, {"title": ""}, {"title": " \u200b "}, {"titel": "Monday"}, {"title": 7})
    for body in bodies:
        status, answer = await alice.ask("PATCH", f"/api/recording/{recording}", body)
        assert (status, answer["code"]) == (422, "bad_request") and "title" in answer["errors"], body
        assert await title_of(alice) == "Sunday"
    assert (await alice.ask("PATCH", f"/api/recording/{recording}", {"title": " Monday "}))[1]["title"] == "Monday"


async def test_what_others_are_shown_is_plain(house: House) -> None:
    """Control and reordering characters in titles and names of tokens are a 422 that names the field."""
    alice = await house.user("alice")
    recording = await recorded(house)
    for text in (*UNSHOWABLE, "\u200b"):
        answers = {
            "a recording's title": await alice.ask("PATCH", f"/api/recording/{recording}", {"title": text}),
            "a token's name": await alice.ask("POST", "/api/tokens", {"name": text, "scopes": ["listen"]}),
            "a broadcast's title": await alice.ask("POST", "/whip/alice", params={"title": text}),
        }
        for what, (status, answer) in answers.items():
            assert status == 422 and what.endswith(*answer["errors"]), (what, text, answer)
    assert await title_of(alice) == "Sunday" and (await alice.ask("GET", "/api/tokens"))[1] == []


async def test_the_name_of_a_browser_is_shown_plain(house: House) -> None:
    """A User-Agent with control characters cannot put them into the list of logins."""
    alice = await house.user("alice")
    body, headers = {"username": "alice", "password": PASSWORD}, {"User-Agent": "Fire\u202efox"}
    await house.guest().ask("POST", "/api/login", body, headers=headers)
    agents = [row["agent"] for row in (await alice.ask("GET", "/api/me/sessions"))[1]]
    assert "Fire?fox" in agents and all(map(is_showable, agents))


def test_what_is_plain() -> None:
    """Letters of all writings, marks of direction, joiners and emoji are; blank is what nothing is to be seen of."""
    for text in ("Grüße, F♯m7", "שלום \u200eabc", "ا\u200dب", "👩\u200d🎤", ""):
        assert is_showable(text) and showable(text) == text
    assert not any(map(is_showable, UNSHOWABLE)) and not is_showable("\ud800")
    assert is_blank(" \u200b\u00a0\u3000") and not is_blank(" . ")


async def test_unknown_parameters_of_a_query_are_left_alone(house: House) -> None:
    """Unknown query parameters, which proxies and trackers add, are ignored; a wrong known one is refused."""
    alice = await house.user("alice")
    assert (await alice.ask("GET", "/api/recordings?utm_source=x&limit=5"))[0] == 200
    assert (await alice.ask("GET", "/api/recordings?limit=x"))[0] == 422
    assert (await alice.ask("POST", "/whip/alice?deviceid=7"))[1]["code"] == "unsupported_media_type"


def test_nothing_else_reads_json() -> None:
    """Only this module and the sockets' parse JSON of requests."""
    web = Path(inspect.getfile(House)).parents[2] / "web"
    reading = {file.name for file in web.rglob("*.py") if "json_of(" in file.read_text() or "request.json(" in file.read_text()}
    assert reading == {"json_body.py"}
