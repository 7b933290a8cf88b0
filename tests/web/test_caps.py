"""The caps as they are seen from outside: 409, pages, and what ends for a login too many."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from db import caps
from tests.web.conftest import PASSWORD, Guest, House
from tests.web.live.test_sockets import close_code, heard
from web.app import DATABASE
from web.keys import CONFIG

LISTS: dict[str, dict[str, Any]] = {
    "/api/listen-links": {},
    "/api/tokens": {"name": "obs", "scopes": ["listen"]},
    "/api/invites": {},
}


def rows(house: House) -> sqlite3.Connection:
    """The house's database by another connection, each statement a transaction."""
    return sqlite3.connect(Path(house.app[CONFIG].storage.path) / DATABASE, timeout=20, isolation_level=None)


async def numbers(guest: Guest, path: str) -> list[int]:
    status, answer = await guest.ask("GET", path)
    assert status == 200, answer
    return [row["id"] for row in answer]


@pytest.mark.parametrize("path", LISTS)
async def test_one_too_many_is_told(house: House, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """409 limit_reached, until one is deleted; lists come page by page, newest first."""
    alice = await house.user("alice")
    status = 201
    made = 0
    while status == 201:
        status, answer = await alice.ask("POST", path, LISTS[path])
        made += status == 201
    assert (made, status, answer["code"]) == (100, 409, "limit_reached")
    assert await numbers(alice, path) == list(range(100, 0, -1))
    assert await numbers(alice, f"{path}?limit=3") == [100, 99, 98]
    assert await numbers(alice, f"{path}?limit=3&before=98") == [97, 96, 95]
    for query in ("limit=0", "limit=x", "before=-1", "before=1e3"):
        assert (await alice.ask("GET", f"{path}?{query}"))[0] == 422
    assert (await alice.ask("DELETE", f"{path}/50"))[0] == 204
    assert (await alice.ask("POST", path, LISTS[path]))[0] == 201


async def test_a_login_too_many_ends_the_oldest(house: House) -> None:
    """The fifty-first signs the first browser out, and closes its socket."""
    alice = await house.user("alice")
    socket = await alice.socket("/ws/presence")
    await heard(socket, "all_statuses")
    with rows(house) as database:
        for number in range(caps.LOGINS - 2):
            row = "SELECT user_id, ?, created_at, seen_at, address, agent FROM login WHERE id = 1"
            database.execute(f"INSERT INTO login (user_id, digest, created_at, seen_at, address, agent) {row}", (f"d{number}",))
    database.close()
    body = {"username": "alice", "password": PASSWORD}
    second = house.guest()
    assert (await second.ask("POST", "/api/login", body))[0] == 200
    assert (await alice.ask("GET", "/api/me"))[0] == 200
    assert (await second.ask("POST", "/api/login", body))[0] == 200  # its own old login ends for it, and nobody else's
    assert (await alice.ask("GET", "/api/me"))[0] == 200
    assert (await house.guest().ask("POST", "/api/login", body))[0] == 200
    assert await close_code(socket) == 4401
    assert (await alice.ask("GET", "/api/me"))[0] == 401
    assert len(await numbers(second, "/api/me/sessions")) == caps.LOGINS
    assert len(await numbers(second, "/api/me/sessions?limit=7")) == 7


async def test_requests_and_friends_come_page_by_page(house: House) -> None:
    """Of three hundred who ask the newest 200, then the others; of friends those behind a name."""
    alice = await house.user("alice")
    with rows(house) as database:
        many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)"
        at = "'2026-01-01T00:00:00.000000Z'"
        database.execute(f"{many} INSERT INTO user (username, password_hash, created_at) SELECT printf('p%03d', i), 'x', {at} FROM n")
        asked = "INSERT INTO friend_request (asker_id, asked_id, status, created_at)"
        database.execute(f"{asked} SELECT id, 1, 'pending', {at} FROM user WHERE id > 1")
        database.execute(f"INSERT INTO friendship (first_id, second_id, created_at) SELECT 1, id, {at} FROM user WHERE id > 1")
    database.close()
    first = (await alice.ask("GET", "/api/friend-requests/pending"))[1]["incoming"]
    second = (await alice.ask("GET", f"/api/friend-requests/pending?before={first[-1]['id']}"))[1]["incoming"]
    assert [row["id"] for row in first + second] == list(range(300, 0, -1)) and len(first) == 200
    names = [row["username"] for row in (await alice.ask("GET", "/api/friends"))[1]]
    assert names == [f"p{number:03}" for number in range(1, 301)]
    page = (await alice.ask("GET", "/api/friends?before=p290&limit=4"))[1]
    assert [row["username"] for row in page] == ["p291", "p292", "p293", "p294"]
    assert (await alice.ask("GET", "/api/friends?limit=0"))[0] == 422
