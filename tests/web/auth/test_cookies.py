"""The login's cookie among stale and foreign ones."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import ClientSession, CookieJar, web
from multidict import CIMultiDict

from tests.web.conftest import PASSWORD, Guest, House, OpenHouse
from web.auth.cookies import MOST, NEIGHBOURS, cookies_of, secrets_in, with_neighbours

STALE = "x" * 43


def values(*lines: str) -> list[str]:
    request = cast(web.BaseRequest, SimpleNamespace(headers=CIMultiDict(("Cookie", line) for line in lines)))
    return cookies_of(request, "own")


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["own=a"], ["a"]),
        (['own="a"'], ["a"]),
        (["own=a; own=b; own=a"], ["a", "b"]),
        (["x=1", "own=a", "own=b"], ["a", "b"]),
        (['prefs={"a":1,"b":[2]}; x="open; flag; ;=y;own=a'], ["a"]),
        (["not-own=a; own; own=; Own=b"], []),
        (["own=a=b"], ["a=b"]),
        ([], []),
    ],
)
def test_values_among_others(lines: list[str], found: list[str]) -> None:
    """Every value of the name in every Cookie line is found, whatever other cookies hold."""
    assert values(*lines) == found


def test_bounds() -> None:
    """The number of values that are read, and of other servers' secrets that are kept, is bounded; only well-formed secrets count."""
    assert len(values(";".join(f"own={number}" for number in range(1000)))) == MOST
    assert len(secrets_in([".".join(f"{number:043}" for number in range(1000))])) == MOST
    assert secrets_in(["short", f"{STALE}.{STALE}", "evil value that is long enough"]) == [STALE]
    assert with_neighbours("mine", map(str, range(9))).count(".") == NEIGHBOURS
    assert with_neighbours("", ["a", "b"]) == "a.b" and with_neighbours("a", ["a"]) == "a" and with_neighbours("", []) == ""


def secret_of(guest: Guest) -> str:
    [cookie] = [cookie for cookie in guest.session.cookie_jar if cookie.key == "hushcast"]
    return cookie.value


async def status_of(house: House, *lines: str) -> int:
    """The answer of /api/me to these raw Cookie lines."""
    reader, writer = await asyncio.open_connection("127.0.0.1", house.server.port)
    said = "".join(f"Cookie: {line}\r\n" for line in lines)
    writer.write(f"GET /api/me HTTP/1.1\r\nHost: a\r\n{said}\r\n".encode())
    async with asyncio.timeout(20):
        status = int((await reader.readuntil(b"\r\n")).split()[1])
    writer.close()
    return status


async def test_the_good_one_counts(house: House) -> None:
    """A good cookie counts before or after a stale one, in one line or several."""
    mine = secret_of(await house.user("alice"))
    for lines in ([f"hushcast={mine}; hushcast={STALE}"], [f"hushcast={STALE}; hushcast={mine}"], ["a=b", f"hushcast={mine}"]):
        assert await status_of(house, *lines) == 200, lines
    assert await status_of(house, f"hushcast={STALE}; hushcast=rubbish") == 401


async def test_two_servers_on_one_host(open_house: OpenHouse) -> None:
    """Signing in or out at one server leaves the login at another port of the host, to which browsers send the same cookie."""
    one, other = await open_house(), await open_house()
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as browser:
        here, there = Guest(one.server, browser), Guest(other.server, browser)
        await here.register("alice")
        await there.register("alice")
        assert (await here.ask("GET", "/api/me"))[0] == (await there.ask("GET", "/api/me"))[0] == 200
        assert (await there.ask("POST", "/api/login", {"username": "alice", "password": PASSWORD}))[0] == 200
        assert secret_of(there).count(".") == 1, "the login that was is not kept"
        assert (await there.ask("POST", "/api/logout"))[0] == 204
        assert (await there.ask("GET", "/api/me"))[0] == 401 and (await here.ask("GET", "/api/me"))[0] == 200
        assert (await here.ask("POST", "/api/logout"))[0] == 204
        assert not [cookie for cookie in browser.cookie_jar if cookie.key == "hushcast"]


async def test_a_device_with_a_stale_pass_beside_the_good_one(house: House) -> None:
    """Of several cookies of a companion device too the good one counts."""
    alice, device = await house.user("alice"), house.guest()
    made: dict[str, Any] = (await alice.ask("POST", "/api/companions", {"kind": "practice"}))[1]
    code = made["join_url"].partition("#")[2]
    assert (await device.ask("POST", f"/api/companions/{made['id']}/join", {"code": code}))[0] == 200
    [cookie] = list(device.session.cookie_jar)
    headers = {"Origin": device.origin, "Cookie": f"{cookie.key}={cookie.value}; {cookie.key}={STALE}"}
    async with ClientSession() as again:
        socket = await again.ws_connect(house.server.make_url(f"/ws/session/{made['id']}"), headers=headers)
        assert (await socket.receive_json(timeout=20))["type"] in ("desk", "connection_update")
        await socket.close()
