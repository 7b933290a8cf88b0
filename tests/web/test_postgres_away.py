"""PostgreSQL ends under a running server and comes back: what is answered meanwhile, and that nobody has to do anything."""

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from db import friendships, logins, users
from db.errors import Unavailable
from db.tables import now
from sfu.errors import NotLive
from sfu.recording.recorder import Totals
from tests.support.postgres import Postgres, running
from tests.web.conftest import House
from web.auth.lately import KEPT_S, LATELY
from web.keys import DB, SWITCHBOARD
from web.live.revocation import look_round
from web.recordings.archive import ARCHIVE


@pytest.fixture
def own_server(postgres_server: Postgres, stretch: float) -> Iterator[Postgres]:
    """One that the test may end; the other is asked for because it is skipped where there is no PostgreSQL."""
    with running(stretch, "synchronous_commit=on") as server:
        yield server


@pytest.fixture
def database_of(own_server: Postgres) -> Callable[[Path], str]:
    return lambda _: own_server.url("postgres")


async def test_it_goes_and_comes_back(house: House, own_server: Postgres, stretch: float) -> None:
    """503 `database_away` and when to come again, for reads and writes, at once; alive all the while; then all is as before."""
    alice, _ = await house.friends("alice", "bob")
    stranger = await house.user("carl")
    house.app[LATELY].forget({f"user:{number}" for number in range(1, 4)})
    socket = await alice.socket("/ws/presence")
    await asyncio.to_thread(own_server.stop, signal.SIGQUIT)
    for _ in range(10):
        asked = [stranger.raw("GET", path) for path in ("/api/recordings", "/api/tokens", "/api/search?q=b")]
        asked += [
            stranger.raw("POST", "/api/listen-links", json={}),
            alice.raw("POST", "/api/friend-request/send", json={"username": "carl"}),
        ]
        async with asyncio.timeout(5 * stretch):
            answers = await asyncio.gather(*asked)
            assert (await alice.raw("GET", "/healthz")).status == 200
        assert {each.status for each in answers} == {503} and all(int(each.headers["Retry-After"]) >= 1 for each in answers)
        assert {(await each.json())["code"] for each in answers} == {"database_away"}
        ready = await alice.raw("GET", "/readyz")
        assert ready.status == 503 and (await ready.json())["code"] == "database_away"
        await asyncio.sleep(0.1)
    assert not socket.closed
    await asyncio.to_thread(own_server.start)
    async with asyncio.timeout(15 * stretch):
        while (await alice.raw("GET", "/readyz")).status != 200:
            await asyncio.sleep(0.1)
    assert (await alice.ask("GET", "/api/me"))[1]["username"] == "alice"
    assert (await stranger.ask("POST", "/api/listen-links", {}))[0] == 201
    await socket.close()


async def test_who_was_let_in_of_late_is_let_in(
    house: House, own_server: Postgres, monkeypatch: pytest.MonkeyPatch, stretch: float
) -> None:
    """Friends reload, hear and see each other while it is away, for ten minutes; strangers, writes and what had ended before do not."""
    alice, bob = await house.friends("alice", "bob")
    carl, dora = await house.friends("carl", "dora")
    eve = await house.user("eve")
    secret = (await alice.ask("POST", "/api/listen-links", {}))[1]["url"].removeprefix("/l/")
    bearers = [{"Authorization": f"Bearer {secret}"}]
    token = await alice.ask("POST", "/api/tokens", {"name": "obs", "scopes": ["listen"]})
    bearers.append({"Authorization": f"Bearer {token[1]['token']}"})
    for one, other in ((alice, "bob"), (bob, "alice"), (carl, "dora"), (dora, "carl")):
        for path in ("/api/me", "/api/friends", f"/api/stream/status/{other}"):
            assert (await one.ask("GET", path))[0] == 200
    await (await bob.socket("/ws/presence")).close()
    for headers in bearers:
        assert (await house.guest().raw("GET", "/api/stream/status/alice", headers=headers)).status == 200
    assert (await carl.ask("DELETE", "/api/friends/dora"))[0] == 204
    await house.app[DB].run(ended_elsewhere)
    await look_round(house.app)
    await asyncio.to_thread(own_server.stop, signal.SIGQUIT)
    for one, other in ((alice, "bob"), (bob, "alice")):
        for path in ("/api/me", "/api/friends", f"/api/stream/status/{other}"):
            assert (await one.ask("GET", path))[0] == 200, path
    monkeypatch.setattr(house.app[SWITCHBOARD], "subscribe", nobody_is_live, raising=False)
    named = {"Host": "hush.example", "Origin": "http://hush.example", "Content-Type": "application/sdp"}
    offered = await bob.raw("POST", "/whep/alice", data="v=0", headers=named)  # by a name whose address only the owner has looked up
    assert (offered.status, (await offered.json())["code"]) == (404, "not_live")
    socket = await bob.socket("/ws/presence")
    assert "alice" in (await socket.receive()).data  # who of one's friends is live
    await socket.close()
    for headers in bearers:
        assert (await house.guest().raw("GET", "/api/stream/status/alice", headers=headers)).status == 200
    for one, path in ((carl, "/api/stream/status/dora"), (eve, "/api/me"), (alice, "/api/stream/status/eve")):
        status, answer = await one.ask("GET", path)
        assert (status, answer["code"]) == (503, "database_away"), path
    assert (await alice.ask("POST", "/api/listen-links", {}))[0] == 503
    moment = time.monotonic()
    with monkeypatch.context() as later:
        later.setattr("web.auth.lately.time.monotonic", lambda: moment + KEPT_S + 600)
        assert (await alice.ask("GET", "/api/me"))[0] == 503


async def nobody_is_live(*asked: object) -> None:
    """In place of the media plane, which this house has not."""
    raise NotLive("alice is not live")


def ended_elsewhere() -> None:
    """By another server, which this one is not told of."""
    eve = users.find("eve")
    assert eve is not None
    logins.remove_others(eve.id, 0)


async def test_what_ends_while_it_is_asked_is_not_remembered(house: House, own_server: Postgres) -> None:
    """The answer was given before the end, and comes after it."""
    await house.friends("alice", "bob")
    lately = house.app[LATELY]
    asking = asyncio.create_task(lately.read(friendships.are_friends, 1, 2))
    await asyncio.sleep(0)
    lately.forget({"friends:1"})
    assert await asking
    await asyncio.to_thread(own_server.stop, signal.SIGQUIT)
    with pytest.raises(Unavailable):
        await lately.read(friendships.are_friends, 1, 2)


async def test_what_others_end_meanwhile_is_no_reason_to_forget(house: House, own_server: Postgres) -> None:
    """Each round of those who look after logins forgets those that are over, mostly none, while others ask."""
    await house.friends("alice", "bob")
    lately = house.app[LATELY]
    asking = asyncio.create_task(lately.read(friendships.are_friends, 1, 2))
    await asyncio.sleep(0)
    lately.forget({"login:7", "friends:3"})
    lately.forget(())
    assert await asking
    await asyncio.to_thread(own_server.stop, signal.SIGQUIT)
    assert await lately.read(friendships.are_friends, 1, 2)


async def test_what_is_recorded_meanwhile_is_written_down_afterwards(
    house: House, own_server: Postgres, monkeypatch: pytest.MonkeyPatch, stretch: float
) -> None:
    """A mark that is made and a recording that ends while it is away: both are in the rows when it is back, with the right length."""
    monkeypatch.setattr("web.recordings.archive.RETRY_S", 0.1)
    alice = await house.user("alice")
    archive = house.app[ARCHIVE]
    live, folder = await archive.begin("alice", "live", "Tape", now())
    await asyncio.to_thread(folder.mkdir, parents=True)
    await asyncio.to_thread(own_server.stop, signal.SIGQUIT)
    await archive.chapter(live, 1.5, "chord", "Am")
    await archive.finish(live, Totals(duration_s=12.5, packets=625, dropped=0, late=0, denoised=False, size_bytes=1000, failed=None))
    with pytest.raises(OSError, match="database_away"):
        await archive.begin("alice", "another", None, now())
    await asyncio.to_thread(own_server.start)
    async with asyncio.timeout(30 * stretch):
        while True:
            status, found = await alice.ask("GET", "/api/recordings")
            if status == 200 and found[0]["state"] in ("ready", "failed"):
                break
            await asyncio.sleep(0.1)
    assert [(mark["at_s"], mark["text"]) for mark in found[0]["chapters"]] == [(1.5, "Am")]
    assert (found[0]["title"], found[0]["stats"]["packets"]) == ("Tape", 625)
