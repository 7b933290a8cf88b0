"""Polling, where WebSockets fail: one question for all that is watched, answered in full only where something has changed."""

from typing import Any

import pytest

from tests.web.conftest import Guest, House
from web.keys import SWITCHBOARD


async def watched(guest: Guest, users: str, tag: str = "") -> tuple[int, Any, str]:
    """Status, names with their states, and the tag."""
    response = await guest.raw("GET", f"/api/statuses?users={users}", headers={"If-None-Match": tag} if tag else {})
    rows = await response.json() if response.status == 200 else []
    return response.status, {row["username"]: row for row in rows}, response.headers["ETag"]


async def test_friends_and_oneself(house: House) -> None:
    """By name, regardless of case and order, each once; strangers and nobody are left out; no more than a hundred names."""
    alice, _ = await house.friends("alice", "bob")
    await house.user("carl")
    status, found, _ = await watched(alice, "BOB,alice,bob,carl,nobody,,")
    assert (status, list(found)) == (200, ["alice", "bob"])
    for name, row in found.items():
        assert row == (await alice.ask("GET", f"/api/stream/status/{name}"))[1]
    assert (await watched(alice, ""))[1] == {}
    assert (await alice.ask("GET", "/api/statuses?users=" + ",".join(f"p{n}" for n in range(101))))[1]["errors"].keys() == {"users"}
    assert (await alice.ask("GET", "/api/statuses?users=" + "x" * 4000))[1]["errors"].keys() == {"users"}


async def test_what_has_not_changed_is_not_told_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """304 until a state changes; that time passes and packets come is no change."""
    alice, _ = await house.friends("alice", "bob")
    air = house.app[SWITCHBOARD]
    quiet = air.status

    def becomes(**changed: Any) -> None:
        monkeypatch.setattr(air, "status", lambda username, *, names: quiet(username, names=names) | changed)

    _, _, tag = await watched(alice, "bob")
    assert tag.startswith('W/"') and await watched(alice, "bob", tag) == (304, {}, tag)
    becomes(live=True, duration_s=1.0, muted=True)
    status, found, live = await watched(alice, "bob", tag)
    assert status == 200 and found["bob"]["muted"] and live != tag
    becomes(live=True, duration_s=2.0, muted=True, loss={"received": 50, "lost": 1, "concealed": 1})
    assert (await watched(alice, "bob", f'"other", {live}'))[0] == 304
    becomes(live=True, duration_s=3.0, muted=False)
    assert (await watched(alice, "bob", live))[1]["bob"]["muted"] is False


async def test_the_list_of_friends_has_a_tag(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """304 until somebody goes live, or is no friend any more."""
    alice, bob = await house.friends("alice", "bob")

    async def asked(tag: str) -> tuple[int, str]:
        response = await alice.raw("GET", "/api/friends", headers={"If-None-Match": tag} if tag else {})
        return response.status, response.headers["ETag"]

    _, tag = await asked("")
    assert await asked(tag) == (304, tag)
    await bob.ask("DELETE", "/api/friends/alice")
    status, none = await asked(tag)
    assert status == 200 and none != tag
