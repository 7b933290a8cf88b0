"""Companion sessions outlive the server's process, end as rows too, and are rows of digests only."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from db import companions, users
from db.companions import LIFE
from db.tables import CompanionPass, CompanionSession, User, now
from tests.conftest import StartServer
from tests.support.people import Person, signed_up
from tests.support.running import Server
from tests.web.conftest import House, OpenHouse
from tests.web.live.test_companions import open_companions
from tests.web.live.test_sockets import close_code, heard
from web.keys import CONFIG, DB
from web.live import companion_session as rules
from web.live.companion_session import COMPANIONS
from web.recordings.tidying import TIDYING


@asynccontextmanager
async def device(url: str, path: str, http: aiohttp.ClientSession) -> AsyncIterator[Any]:
    """A device's socket of a session, once it has been told that it is connected."""
    async with http.ws_connect(f"{url}/ws/session/{path}", headers={"Origin": url}) as socket:
        assert (await heard(socket, "connection_update"))["status"] == "connected"
        yield socket


async def last_code(socket: Any) -> int | None:
    """The code that the socket is closed with, whatever is said before."""
    while (await socket.receive(timeout=60)).type is aiohttp.WSMsgType.TEXT:
        pass
    return int(socket.close_code)


async def joined(url: str, session: str, code: str, http: aiohttp.ClientSession) -> int:
    async with http.post(f"{url}/api/companions/{session}/join", json={"code": code}, headers={"Origin": url}) as answer:
        return answer.status


async def plays(ada: Person, session: str, phone: aiohttp.ClientSession, chord: str) -> None:
    """A chord from the phone, which comes back by its cookie, arrives at the PC, which comes back by its login."""
    async with device(ada.url, session, ada.http) as desk, device(ada.url, session, phone) as hand:
        assert (await heard(desk, "connection_update"))["devices"] == 2
        await hand.send_json({"type": "chord_change", "data": {"chord": chord}})
        for socket in (desk, hand):
            assert await heard(socket, "chord_change") == {"chord": chord, "at_s": None}


def ended(running: Server, way: str) -> None:
    if way == "killed":
        running.kill()
    else:
        running.stop()


@pytest.mark.parametrize("way", ["killed", "stopped"])
async def test_a_session_outlives_the_server(server: StartServer, way: str) -> None:
    """After kill -9 and after SIGTERM the phone is back by its cookie, the PC by its login, another phone by the same code."""
    running = await server()
    jar = aiohttp.CookieJar(unsafe=True)
    async with signed_up(running.url, "ada") as ada, aiohttp.ClientSession(cookie_jar=jar) as phone:
        made = await ada.call("POST", "/api/companions", {"kind": "practice"}, status=201)
        session, code = made["id"], made["join_url"].partition("#")[2]
        async with ada.http.get(f"{ada.url}/api/companions/{session}/qr.svg") as answer:
            square = await answer.read()
        assert await joined(ada.url, session, code, phone) == 200
        async with device(ada.url, session, phone) as hand:
            _, code_of_close = await asyncio.gather(asyncio.to_thread(ended, running, way), last_code(hand))
            assert code_of_close == (1006 if way == "killed" else 1001)
        await running.start()
        await plays(ada, session, phone, "Am7")
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as other:
            assert await joined(ada.url, session, "wrong", other) == 403
            assert await joined(ada.url, session, code, other) == 200
            await plays(ada, session, other, "G")
            async with device(ada.url, f"{session}?code={code}", other):
                pass
        async with ada.http.get(f"{ada.url}/api/companions/{session}/qr.svg") as answer:
            assert answer.status == 200 and await answer.read() == square
        await ada.call("DELETE", f"/api/companions/{session}", status=204)
        await asyncio.to_thread(running.kill)
        await running.start()
        async with phone.ws_connect(f"{ada.url}/ws/session/{session}", headers={"Origin": ada.url}) as gone:
            assert await close_code(gone) == 4404


async def count(house: House) -> tuple[int, int]:
    """How many rows of sessions and of passes there are."""
    return await house.app[DB].run(lambda: (CompanionSession.select().count(), CompanionPass.select().count()))  # type: ignore[no-any-return]


async def test_nothing_but_digests_is_kept(house: House) -> None:
    """Neither the code nor the cookie is in the database; the key that codes are made with is readable by nobody else."""
    alice, phone = await house.user("alice"), house.guest()
    session, code = await open_companions(alice)
    assert (await phone.ask("POST", f"/api/companions/{session}/join", {"code": code}))[0] == 200
    (cookie,) = [cookie.value for cookie in phone.session.cookie_jar if cookie.key.startswith("hushcast-join-")]
    storage = house.app[CONFIG].storage.path
    kept = b"".join(file.read_bytes() for file in storage.glob("hushcast.db*"))
    assert session.encode() in kept and code.encode() not in kept and cookie.encode() not in kept
    key = storage / rules.KEY
    assert key.stat().st_mode & 0o777 == 0o600 and len(key.read_bytes()) == 32


@pytest.mark.parametrize("left", [b"", b"short"])
async def test_a_key_that_is_gone_shows_no_square(open_house: OpenHouse, left: bytes) -> None:
    """The square of an older session is 409; the code itself goes on being good, and so are the squares of new ones."""
    house = await open_house("same")
    alice = await house.user("alice")
    session, code = await open_companions(alice)
    key = house.app[CONFIG].storage.path / rules.KEY
    cookies = {cookie.key: cookie.value for cookie in alice.session.cookie_jar}
    await house.close()
    key.write_bytes(left) if left else key.unlink()
    house = await open_house("same")
    alice, phone = house.guest(), house.guest()
    alice.session.cookie_jar.update_cookies(cookies)
    status, answer = await alice.ask("GET", f"/api/companions/{session}/qr.svg")
    assert (status, answer["code"]) == (409, "code_unknown")
    assert (await phone.ask("POST", f"/api/companions/{session}/join", {"code": code}))[0] == 200
    later, _ = await open_companions(alice)
    assert (await alice.raw("GET", f"/api/companions/{later}/qr.svg")).status == 200


async def test_the_rows_end_with_the_session(house: House) -> None:
    """By DELETE, by the ninth of one owner, and with the account; a device's pass goes with its session."""
    alice, phone = await house.user("alice"), house.guest()
    first, code = await open_companions(alice)
    assert (await phone.ask("POST", f"/api/companions/{first}/join", {"code": code}))[0] == 200
    assert await count(house) == (1, 1)
    assert (await alice.ask("DELETE", f"/api/companions/{first}"))[0] == 204
    assert await count(house) == (0, 0)
    socket = None
    for number in range(rules.MOST_OF_ONE + 1):
        session, code = await open_companions(alice)
        if not number:
            assert (await phone.ask("POST", f"/api/companions/{session}/join", {"code": code}))[0] == 200
            socket = await phone.socket(f"/ws/session/{session}")
    assert await last_code(socket) == 4404 and await count(house) == (rules.MOST_OF_ONE, 0)
    last = await alice.socket(f"/ws/session/{session}")
    assert (await alice.ask("DELETE", "/api/me", {"password": "correct horse battery"}))[0] == 204
    assert await last_code(last) in (4401, 4404) and await count(house) == (0, 0)


async def test_an_account_deleted_elsewhere_disconnects_its_devices(house: House) -> None:
    """The command line deletes rows and tells no server; the server looks round every few seconds."""
    alice = await house.user("alice")
    session, code = await open_companions(alice)
    hand = await house.guest().socket(f"/ws/session/{session}?code={code}")
    await heard(hand, "connection_update")
    await heard(hand, "desk")
    await house.app[DB].run(users.remove, 1)
    assert await close_code(hand) == 4404
    assert not house.app[COMPANIONS]._connected


async def test_devices_are_bounded(house: House) -> None:
    """Of many that have joined those that joined last can come back; the seventeenth at once is refused."""
    alice = await house.user("alice")
    session, code = await open_companions(alice)
    opened = house.app[COMPANIONS]
    row = await opened.find(session)
    given = [await opened.admit(row, code) for _ in range(rules.MOST_PASSES + 3)]
    assert [await opened.is_pass(row, [each]) for each in given] == [False] * 3 + [True] * rules.MOST_PASSES
    sockets = [await house.guest().socket(f"/ws/session/{session}?code={code}") for _ in range(rules.MOST_DEVICES)]
    await heard(sockets[-1], "connection_update")
    assert await close_code(await house.guest().socket(f"/ws/session/{session}?code={code}")) == 4429
    for socket in sockets:
        await socket.close()
    async with asyncio.timeout(20):
        while opened._connected:  # nothing is kept of whom nobody is connected to
            await asyncio.sleep(0.02)


def moved(session: str, by: timedelta) -> None:
    row = CompanionSession.get_by_id(session)
    CompanionSession.update(expires_at=row.expires_at + by).where(CompanionSession.id == session).execute()


@pytest.mark.parametrize("off", [timedelta(hours=13), timedelta(days=40), timedelta(days=-40)])
async def test_a_session_is_refused_by_a_wrong_clock_and_good_by_a_right_one(house: House, off: timedelta) -> None:
    """Over by the clock, or made by one that was ahead: 404, but the row stays until a time that is trusted says so too."""
    alice = await house.user("alice")
    session, code = await open_companions(alice)
    run = house.app[DB].run
    await run(moved, session, -off)  # as seen by a clock that is off
    assert (await house.guest().ask("POST", f"/api/companions/{session}/join", {"code": code}))[0] == 404
    await house.app[TIDYING].tidy()
    assert await count(house) == (1, 0)
    await run(moved, session, off)
    assert (await house.guest().ask("POST", f"/api/companions/{session}/join", {"code": code}))[0] == 200
    await run(companions.remove_over, now() + LIFE - timedelta(minutes=1))
    assert await count(house) == (1, 1)
    await run(companions.remove_over, now() + off)
    assert await count(house) == (0, 0)


async def test_the_devices_leave_when_the_time_is_over(house: House) -> None:
    """A device that is connected is disconnected with 4404 when the twelve hours are over."""
    alice = await house.user("alice")
    session, code = await open_companions(alice)
    left = timedelta(seconds=1)
    expires_at = (await house.app[COMPANIONS].find(session)).expires_at
    await house.app[DB].run(moved, session, datetime.now(UTC) + left - expires_at)
    hand = await house.guest().socket(f"/ws/session/{session}?code={code}")
    assert await last_code(hand) == 4404
    assert not house.app[COMPANIONS]._connected


async def test_a_session_that_ended_while_a_device_joined(house: House) -> None:
    """The device gets no pass: the session is no more."""
    alice = await house.user("alice")
    session, code = await open_companions(alice)
    opened = house.app[COMPANIONS]
    row = await opened.find(session)
    assert isinstance(row.user, User)
    await opened.end(row)
    with pytest.raises(companions.Missing):
        await opened.admit(row, code)
