"""Preferences: one JSON object an account, replaced as a whole by whoever knows the present one."""

from typing import Any

import pytest

from db.tables import Preferences
from tests.web.conftest import PASSWORD, Guest, House
from web.keys import DB

PATH = "/api/me/preferences"


async def kept(guest: Guest) -> tuple[Any, str]:
    """The preferences and their ETag."""
    response = await guest.raw("GET", PATH)
    assert response.status == 200
    return await response.json(), response.headers["ETag"]


async def put(guest: Guest, tag: str, text: str | bytes) -> int:
    return (await guest.raw("PUT", PATH, data=text, headers={"If-Match": tag})).status


async def test_what_was_stored_is_there_on_every_device(house: House) -> None:
    """An account begins with an empty object; what one login stores another one reads, with the ETag that PUT answered."""
    alice = await house.user("alice")
    assert (await kept(alice))[0] == {}
    wanted = {"profile": "voice", "strength_db": None, "volumes": {"bob": 150}, "theme": "dark", "words": "é"}
    response = await alice.raw("PUT", PATH, json=wanted, headers={"If-Match": (await kept(alice))[1]})
    assert (response.status, await response.json()) == (200, wanted)
    other = house.guest()
    await other.ask("POST", "/api/login", {"username": "alice", "password": PASSWORD})
    assert await kept(other) == (wanted, response.headers["ETag"])
    assert (await kept(await house.user("bob")))[0] == {}


async def test_two_tabs_do_not_overwrite_each_other(house: House) -> None:
    """Without If-Match 428; with the tag of what was there before, or a weak one, 412; then read again, changed and stored."""
    alice = await house.user("alice")
    _, first = await kept(alice)
    assert await put(alice, first, '{"theme": "dark"}') == 200
    assert await put(alice, first, '{"echo": true}') == 412
    there, second = await kept(alice)
    assert there == {"theme": "dark"} and second != first
    assert await put(alice, f"W/{second}", "{}") == 412
    assert await put(alice, f'"other", {second}', '{"theme": "dark", "echo": true}') == 200
    assert (await alice.ask("PUT", PATH, {}))[1]["code"] == "precondition_required"
    assert (await kept(alice))[0] == {"theme": "dark", "echo": True}


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"3", b"null", b'{"a": NaN}', b'{"a": 1e999}', b"\xff", b'{"a": "\x01"}', b'{"a": ' + b"[" * 8000]
)
async def test_what_is_no_object_is_refused(house: House, text: bytes) -> None:
    """422, and the former ones stay."""
    alice = await house.user("alice")
    assert await put(alice, "*", '{"theme": "dark"}') == 200
    assert await put(alice, "*", text) == 422
    assert (await kept(alice))[0] == {"theme": "dark"}


async def test_they_are_small(house: House) -> None:
    """8 KiB are stored as they came, a byte more is 413."""
    alice = await house.user("alice")
    full = '{"a":"' + "x" * (8192 - 8) + '"}'
    assert await put(alice, "*", full) == 200
    assert await put(alice, "*", full + " ") == 413
    assert await put(alice, "*", '{"half of a pair": "\\ud83d"}') == 200
    assert (await kept(alice))[0] == {"half of a pair": "\ud83d"}


async def test_they_go_with_the_account(house: House) -> None:
    """Deleting the account deletes them."""
    alice = await house.user("alice")
    assert await put(alice, "*", '{"theme": "dark"}') == 200
    assert await house.app[DB].read(lambda: Preferences.select().count()) == 1
    await alice.ask("DELETE", "/api/me", {"password": PASSWORD})
    assert await house.app[DB].read(lambda: Preferences.select().count()) == 0
