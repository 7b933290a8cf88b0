"""The database cannot be used: what is answered, to whom, and that nothing else is held up."""

import asyncio
import re
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest

from db.tables import Login, Token, now
from tests.web.conftest import House
from web.app import DATABASE
from web.keys import CONFIG, DB
from web.recordings.archive import ARCHIVE


def seen_long_ago() -> None:
    Login.update(seen_at=now() - timedelta(hours=2)).execute()
    Token.update(last_used_at=now() - timedelta(hours=2)).execute()


async def test_a_backup_that_holds_the_database(house: House) -> None:
    """Whoever reads notices nothing, who writes gets 503 and when to come again, /readyz says why; then all is as before."""
    alice, _ = await house.friends("alice", "bob")
    token = (await alice.ask("POST", "/api/tokens", {"name": "obs", "scopes": ["listen"]}))[1]["token"]
    await house.app[DB].run(seen_long_ago)
    with closing(sqlite3.connect(house.app[CONFIG].storage.path / DATABASE, isolation_level=None)) as backup:
        backup.execute("BEGIN EXCLUSIVE")
        for path in ("/api/me", "/api/friends", "/api/recordings/bob", "/api/search?q=b", "/api/me/sessions"):
            assert (await alice.ask("GET", path))[0] == 200, path
        bearer = {"Authorization": f"Bearer {token}"}
        assert (await house.guest().raw("GET", "/api/stream/status/alice", headers=bearer)).status == 200
        socket = await alice.socket("/ws/presence")
        assert (await socket.receive_json())["type"] == "all_statuses"
        await socket.close()
        answers = await asyncio.gather(*(alice.raw("POST", "/api/listen-links", json={}) for _ in range(10)))
        assert {(each.status, each.headers["Retry-After"]) for each in answers} == {(503, "5")}
        assert (await answers[0].json())["code"] == "database_busy"
        ready = await alice.raw("GET", "/readyz")
        assert ready.status == 503 and (await ready.json())["code"] == "database_busy"
        figures = await (await alice.raw("GET", "/metrics")).text()
        assert re.search(r'^hushcast_database_refused_total\{code="database_busy",deed="write"\} [1-9]', figures, re.MULTILINE)
    await asyncio.sleep(1.1)
    assert (await alice.raw("GET", "/readyz")).status == 200
    assert (await alice.ask("POST", "/api/listen-links", {}))[0] == 201
    assert (await alice.ask("GET", "/api/me"))[0] == 200


async def test_a_database_that_is_gone(house: House) -> None:
    """Moved away under a running server: 503 for all, and the word that asks the host to look."""
    alice = await house.user("alice")
    file = house.app[CONFIG].storage.path / DATABASE
    file.rename(file.with_name("moved"))
    for method, path in (("GET", "/api/me"), ("POST", "/api/logout"), ("GET", "/readyz")):
        status, answer = await alice.ask(method, path)
        assert (status, answer["code"]) == (503, "database_away"), path
    file.with_name("moved").rename(file)
    assert (await alice.ask("GET", "/api/me"))[0] == 200


async def test_a_chapter_waits_for_the_database(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mark made while the database is held is kept, and written when it is let go."""
    monkeypatch.setattr("web.recordings.archive.RETRY_S", 0.1)
    alice = await house.user("alice")
    archive = house.app[ARCHIVE]
    live, _ = await archive.begin("alice", "live", None, now())
    with closing(sqlite3.connect(house.app[CONFIG].storage.path / DATABASE, isolation_level=None)) as backup:
        backup.execute("BEGIN IMMEDIATE")
        await archive.chapter(live, 1.5, "chord", "Am")
        with pytest.raises(OSError, match="database_busy"):
            await archive.begin("alice", "another", None, now())
    async with asyncio.timeout(20):
        while not (await alice.ask("GET", "/api/recordings"))[1][0]["chapters"]:
            await asyncio.sleep(0.05)
