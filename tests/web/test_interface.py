"""Every route, asked well and badly: each answer is compared with the OpenAPI document (`Guest` does that with all it gets)."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from aiohttp import WSMsgType
from aiortc import RTCCertificate
from openapi_spec_validator import validate

from db.tables import now
from tests.support.softphone import Softphone, offer
from tests.support.sound import encode
from tests.support.spoken import sound_of
from tests.web.asked import ASKED, SDP, Ask
from tests.web.conftest import Guest, House
from tests.web.interface import compare, interface, unnoticed
from tests.web.recordings.test_recordings import tape, until
from web.http.openapi import plain
from web.http.shapes import Answer
from web.recordings.archive import ARCHIVE
from web.routes import ROUTES

# Properties that an answer may lack: a problem's own, what a client has stored, and the documents themselves.
MAY_LACK = {"errors", "known"}
FREE = ("/api/me/preferences", "/api/openapi.json", "/api/asyncapi.json")


async def ask(guest: Guest, method: str, path: str, question: Ask, made: dict[str, str]) -> int:
    """The status; what the answer has made is kept."""
    if question.status == 101:
        socket = await guest.socket(path)
        said = await socket.receive(timeout=20)
        await socket.close()
        return 101 if said.type is WSMsgType.TEXT else int(socket.close_code or 0)
    more: dict[str, Any] = {"headers": {name: _filled(value, made) for name, value in question.headers.items()}}
    if question.offer:
        more["headers"] |= SDP
        more["data"] = offer(RTCCertificate.generateCertificate(), question.offer, 7, ufrag="ufra", password="password-of-22-characters")
    elif isinstance(question.body, str):
        more["data"] = question.body
    elif question.body is not None:
        more["json"] = {name: _filled(value, made) if isinstance(value, str) else value for name, value in question.body.items()}
    response = await guest.raw(method, path, **more)
    if response.url.path not in FREE:
        lost = unnoticed(method, response.url.path, response.status, response.headers, await response.read())
        assert lost <= MAY_LACK, f"{method} {path}: without {lost - MAY_LACK} the answer would pass"
    if question.makes and "Location" in response.headers:
        made[question.makes] = response.headers["Location"]
    elif question.makes:
        answer = await response.json()
        made[question.makes] = str(answer.get("id"))
        made[f"{question.makes}_token"] = str(answer.get("url", "")).rpartition("#")[2]
        made[f"{question.makes}_first"] = str(next(iter(answer.get("codes", ())), ""))
        made[f"{question.makes}_secret"] = str(answer.get("url", "")).rpartition("/")[2]
        made[f"{question.makes}_code"] = str(answer.get("join_url", "")).rpartition("#")[2] or str(answer.get("url", "")).rpartition("=")[2]
    return response.status


def _filled(text: str, made: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda name: made.get(name[1], "none"), text)


async def test_every_answer_is_as_the_document_says(live_house: House) -> None:
    """Good questions and bad ones, by friends, strangers and nobody: each has the status it should, and each answer its shape."""
    alice, bob = await live_house.friends("alice", "bob")
    people = {"alice": alice, "bob": bob, "zoe": live_house.guest(), "guest": live_house.guest()}
    people["carl"] = await live_house.user("carl")
    recording = await tape(live_house, "alice", seconds=1)
    await until(alice, recording)
    going_on, _ = await live_house.app[ARCHIVE].begin("alice", "going on", None, now())
    made = {"username": "alice", "id": "999", "recording": str(recording), "going_on": str(going_on)}
    wrong: list[tuple[str, str, Ask, int]] = []
    async with Softphone(alice.session, alice.origin) as phone:
        await phone.publish("alice", "?denoise=0&record=0")
        phone.send(0, 0, encode(sound_of(0.1))[0])
        for (method, pattern), questions in ASKED.items():
            for question in questions:
                path = _filled(question.path or pattern, made)
                status = await ask(people[question.by], method, path, question, made)
                if status != question.status:
                    wrong.append((method, path, question, status))
    assert wrong == []


def test_every_route_is_asked() -> None:
    """The table above has each line of the table of routes, and no others."""
    assert {(route.method, plain(route.path)) for route in ROUTES} == ASKED.keys()


def test_every_answer_without_a_problem_is_asked_for() -> None:
    """Of each route all that it gives, but for what is not changed (304), and the claim link of a server that has an owner."""
    asked = {(*row, question.status) for row, questions in ASKED.items() for question in questions}
    given = {(route.method, plain(route.path), given.status) for route in ROUTES for given in route.gives if given.status != 304}
    left = {("GET", "/api/claim", 204), ("POST", "/api/claim", 204), ("DELETE", "/api/friends/{username}", 204)}
    left |= {("DELETE", "/api/me/sessions/{id}", 204)}
    assert given - asked == left


def test_the_document_is_openapi() -> None:
    """A validator of OpenAPI 3.1 finds nothing."""
    validate(interface())


def test_a_field_that_is_gone_or_new_is_noticed() -> None:
    """The comparison of answers fails for each field of each struct that is missing, and for one that the document does not know."""
    schemas = interface()["components"]["schemas"]
    answers = [kind for kind in _answers(Answer) if kind.__name__ in schemas]
    assert len(answers) > 20
    for kind in answers:
        fields = {field.encode_name for field in msgspec.structs.fields(kind)}
        assert set(schemas[kind.__name__]["required"]) == fields and schemas[kind.__name__]["additionalProperties"] is False
    with pytest.raises(AssertionError, match="required"):
        compare("GET", "/api/storage", 200, {"Content-Type": "application/json"}, b'{"used_bytes": 1, "keep_days": null}')


def _answers(kind: type[Answer]) -> list[type[Answer]]:
    return [each for one in kind.__subclasses__() for each in (one, *_answers(one))]
