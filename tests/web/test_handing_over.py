"""Signing in again, and out, while an offer is being answered: the real app, held at the moment that matters."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from aiortc import RTCCertificate

from db import links, logins
from db.connection import Database
from sfu.broadcast.broadcast import Broadcast
from sfu.broadcast.grants import Grants
from sfu.broadcast.services import PublishOptions
from sfu.errors import NotSignedIn
from sfu.wire.candidates import UNUSED
from tests.support.softphone import Softphone, offer
from tests.web.conftest import PASSWORD, Guest, House, settings
from web.app import make_app
from web.auth.login_storage import first_of
from web.keys import DB, SWITCHBOARD
from web.live.revocation import look_round

pytestmark = pytest.mark.tolerates("loop")  # server and client are one process here


class Held:
    """Something that has been done, and whoever asked for it is not told before `go`."""

    def __init__(self) -> None:
        self.reached, self._gone_on = asyncio.Event(), asyncio.Event()

    async def wait(self) -> None:
        self.reached.set()
        await self._gone_on.wait()

    def go(self) -> None:
        self._gone_on.set()


@pytest.fixture
async def aired(tmp_path: Path) -> AsyncIterator[House]:
    """A house with its media plane."""
    server = TestServer(make_app(settings(tmp_path / "house")))
    await server.start_server()
    house = House(server)
    yield house
    await house.close()


def held_at_the_check(database: Database, monkeypatch: pytest.MonkeyPatch, find: Callable[..., Any] = logins.find) -> Held:
    """The next request is held when it is known for the second time, and for good, that its login is, or what else `find` finds."""
    held, read, asked = Held(), database.read, 0

    async def held_read(function: Callable[..., Any], *arguments: Any) -> Any:
        nonlocal asked
        answer = await read(function, *arguments)
        finding = function is find or (find is logins.find and function is first_of)
        asked += finding
        if finding and asked == 2:
            await held.wait()
        return answer

    monkeypatch.setattr(database, "read", held_read)
    return held


def held_at_the_opening(monkeypatch: pytest.MonkeyPatch) -> Held:
    """The next broadcast is held while it opens."""
    held, enter = Held(), Broadcast.__aenter__

    async def held_enter(broadcast: Broadcast) -> Broadcast:
        await held.wait()
        return await enter(broadcast)

    monkeypatch.setattr(Broadcast, "__aenter__", held_enter)
    return held


def an_offer(direction: str = "sendonly") -> str:
    return offer(RTCCertificate.generateCertificate(), direction, 1, ufrag="abcd", password="x" * 24)


async def asked(guest: Guest, path: str, direction: str, **headers: str) -> int:
    return (await guest.raw("POST", path, data=an_offer(direction), headers={"Content-Type": "application/sdp"} | headers)).status


@asynccontextmanager
async def answering(asking: Coroutine[Any, Any, int], held: Held) -> AsyncIterator[asyncio.Task[int]]:
    """What happens in here happens while the request is held; the status that it gets afterwards."""
    task = asyncio.create_task(asking)
    async with asyncio.timeout(30):
        await held.reached.wait()
    try:
        yield task
    finally:
        held.go()
        await asyncio.wait({task})


@asynccontextmanager
async def on_air(house: House, guest: Guest, stretch: float) -> AsyncIterator[None]:
    """Ada is live, by the login of `guest`."""
    async with Softphone(guest.session, guest.origin) as mic:
        await mic.publish("ada", "?denoise=0&record=0")
        mic.send(0, 0, b"\xfc\xff\xfe")
        async with asyncio.timeout(10 * stretch):
            while house.app[SWITCHBOARD].live_since("ada") is None:
                await asyncio.sleep(0.01)
        yield


async def sign_in_again(guest: Guest) -> None:
    assert (await guest.ask("POST", "/api/login", {"username": "ada", "password": PASSWORD}))[0] == 200


async def sign_out(guest: Guest) -> None:
    assert (await guest.ask("POST", "/api/logout"))[0] == 204


@pytest.fixture(params=["check", "opening"])
def moment(request: pytest.FixtureRequest, aired: House, monkeypatch: pytest.MonkeyPatch) -> Held:
    """Where an offer of a voice is held: between what may change."""
    return held_at_the_opening(monkeypatch) if request.param == "opening" else held_at_the_check(aired.app[DB], monkeypatch)


async def test_signed_in_again_while_answered(aired: House, moment: Held) -> None:
    """What is offered by the old login is the new one's: it goes on, and ends with that one."""
    ada = await aired.user("ada")
    async with answering(asked(ada, "/whip/ada", "sendonly"), moment) as answer:
        await sign_in_again(ada)
    assert answer.result() == 201
    await look_round(aired.app)
    assert aired.app[SWITCHBOARD].media_sessions == 1
    await sign_out(ada)
    assert aired.app[SWITCHBOARD].media_sessions == 0


async def test_signed_out_while_answered(aired: House, moment: Held) -> None:
    """Who is no longer signed in when the answer is there does not get it, and nothing is kept for them."""
    ada = await aired.user("ada")
    async with answering(asked(ada, "/whip/ada", "sendonly"), moment) as answer:
        await sign_out(ada)
    assert answer.result() == 401
    assert aired.app[SWITCHBOARD].media_sessions == 0 and not aired.app[SWITCHBOARD].people()


@pytest.mark.parametrize(("then", "status", "left"), [(sign_in_again, 201, 2), (sign_out, 401, 0)])
async def test_a_listener(
    aired: House, monkeypatch: pytest.MonkeyPatch, stretch: float, then: Callable[[Guest], Any], status: int, left: int
) -> None:
    """The same of who listens."""
    ada = await aired.user("ada")
    async with on_air(aired, ada, stretch):
        held = held_at_the_check(aired.app[DB], monkeypatch)
        async with answering(asked(ada, "/whep/ada", "recvonly"), held) as answer:
            await then(ada)
        assert answer.result() == status
        await look_round(aired.app)
        assert aired.app[SWITCHBOARD].media_sessions == left


async def test_a_link_that_is_revoked_while_answered(aired: House, monkeypatch: pytest.MonkeyPatch, stretch: float) -> None:
    """Who listens by it and who is about to: neither hears anything from then on."""
    ada, guest = await aired.user("ada"), aired.guest()
    _, link = await ada.ask("POST", "/api/listen-links", {})
    bearer = {"Authorization": f"Bearer {link['url'].removeprefix('/l/')}"}
    async with on_air(aired, ada, stretch):
        assert await asked(guest, "/whep/ada", "recvonly", **bearer) == 201
        held = held_at_the_check(aired.app[DB], monkeypatch, links.find)
        async with answering(asked(guest, "/whep/ada", "recvonly", **bearer), held) as answer:
            assert (await ada.ask("DELETE", f"/api/listen-links/{link['id']}"))[0] == 204
            assert aired.app[SWITCHBOARD].listeners == 0
        assert answer.result() == 401
        assert aired.app[SWITCHBOARD].listeners == 0


async def test_who_asked_has_gone_when_it_is_open(aired: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """An offer that is given up while the broadcast opens breaks nothing: the next one finds it open."""
    held, board = held_at_the_opening(monkeypatch), aired.app[SWITCHBOARD]
    with board.answering("login:1") as grant:
        asking = asyncio.create_task(board.publish("ada", "user:ada", an_offer(), PublishOptions(), UNUSED, grant))
        await held.reached.wait()
        asking.cancel()
        await asyncio.wait({asking})
        held.go()
        for _ in range(10):
            await asyncio.sleep(0)
        await board.publish("ada", "user:ada", an_offer(), PublishOptions(), UNUSED, grant)
    assert board.media_sessions == 1


def test_what_begins_while_one_passes() -> None:
    """It is the successor's already, and the end of the first, that comes after, is not its own."""
    grants = Grants()
    with grants.answering("old") as before:
        with grants.passing("old", "new", []), grants.answering("old") as meanwhile:
            grants.revoke({"old"})
            assert (before.name, meanwhile.name) == ("new", "new")
            with grants.passing("new", "newer", []):
                assert (before.name, meanwhile.name) == ("newer", "newer")
            meanwhile.check()
            grants.revoke({"newer"})
            with pytest.raises(NotSignedIn):
                meanwhile.check()
        with grants.answering("old") as after:
            assert after.name == "old"
