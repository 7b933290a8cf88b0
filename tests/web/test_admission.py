"""Who may, asked again: what a request was allowed may have ended before it acts, and must end what it began."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import pytest
from aiortc import RTCCertificate

from tests.conftest import StartServer
from tests.support.people import PASSWORD, Person, friends, signed_up
from tests.support.running import ROOT
from tests.support.softphone import Softphone, offer

SILENCE = [b"\xfc\xff\xfe"] * 2000  # Opus packets of nothing, 40 s


@asynccontextmanager
async def talking(mic: Softphone) -> AsyncIterator[None]:
    """Somebody who talks all the while."""
    task = asyncio.create_task(mic.talk(SILENCE))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def slowly(person: Person, path: str, direction: str, meanwhile: asyncio.Event, begun: asyncio.Event) -> int:
    """Post an offer whose second half comes after `meanwhile`; the status."""
    body = offer(RTCCertificate.generateCertificate(), direction, 1, ufrag="abcd", password="x" * 24).encode()

    async def halves() -> AsyncIterator[bytes]:
        yield body[:100]
        begun.set()
        await meanwhile.wait()
        yield body[100:]

    headers = {"Origin": person.url, "Content-Type": "application/sdp"}
    async with person.http.post(person.url + path, data=halves(), headers=headers) as response:
        return response.status


async def test_an_offer_that_takes_its_time(server: StartServer, stretch: float) -> None:
    """A friend who is one no longer when the offer is complete hears nothing, and an account that is gone sends nothing."""
    running = await server()
    async with friends(running.url, "ada", "bob") as (ada, bob), ada.phone() as mic:
        await mic.publish("ada")
        async with talking(mic):
            await ada.until("ada", live=True)
            for person, path, direction, end, status in (
                (bob, "/whep/ada", "recvonly", ("DELETE", "/api/friends/ada", None), 403),
                (bob, "/whip/bob", "sendonly", ("DELETE", "/api/me", {"password": PASSWORD}), 401),
            ):
                meanwhile, begun = asyncio.Event(), asyncio.Event()
                asking = asyncio.create_task(slowly(person, path, direction, meanwhile, begun))
                await begun.wait()
                await asyncio.sleep(0.1 * stretch)  # the server has asked once who this is
                await person.call(*end, status=204)
                meanwhile.set()
                assert await asking == status
            assert (await ada.status())["listeners"] == 0


@pytest.mark.real_time(pair=True)
async def test_the_end_of_a_listen_link_ends_the_listening(server: StartServer) -> None:
    """Who hears by a link that expires hears until then."""
    running = await server()
    async with AsyncExitStack() as opened:
        ada = await opened.enter_async_context(signed_up(running.url, "ada"))
        mic = await opened.enter_async_context(ada.phone())
        await mic.publish("ada")
        await opened.enter_async_context(talking(mic))
        await ada.until("ada", live=True)
        link = await ada.call("POST", "/api/listen-links", {"expires_s": 5})
        http = await opened.enter_async_context(aiohttp.ClientSession())
        secret = link["url"].rpartition("/")[2]
        ear = await opened.enter_async_context(Softphone(http, running.url, {"Authorization": f"Bearer {secret}"}))
        await ear.listen("ada")
        await ear.heard(3)
        await ada.until("ada", listeners=0)
        await ada.until("ada", live=True)


@asynccontextmanager
async def elsewhere(person: Person) -> AsyncIterator[Person]:
    """The same person in another browser."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        other = Person(person.name, person.url, http)
        await other.call("POST", "/api/login", {"username": person.name, "password": PASSWORD}, status=200)
        yield other


async def token_phone(person: Person, http: aiohttp.ClientSession) -> tuple[Softphone, int]:
    """A phone that has nothing but a token, and the token's id."""
    made = await person.call("POST", "/api/tokens", {"name": "obs", "scopes": ["publish", "listen"]}, status=201)
    return Softphone(http, person.url, {"Authorization": f"Bearer {made['token']}"}), made["id"]


@pytest.mark.parametrize("way", ["logout", "other", "password", "command line"])
async def test_the_end_of_a_login_ends_its_broadcast(server: StartServer, way: str) -> None:
    """However a login ends, what it sends ends with it."""
    running = await server()
    async with friends(running.url, "ada", "bob") as (ada, bob), elsewhere(ada) as other, ada.phone() as mic:
        await mic.publish("ada")
        async with talking(mic):
            await bob.until("ada", live=True)
            match way:
                case "logout":
                    await ada.call("POST", "/api/logout", status=204)
                case "other":
                    [row] = [each for each in await other.call("GET", "/api/me/sessions") if not each["current"]]
                    await other.call("DELETE", f"/api/me/sessions/{row['id']}", status=204)
                case "password":
                    await other.call("POST", "/api/me/password", {"old": PASSWORD, "new": PASSWORD + "!"}, status=204)
                case "command line":
                    command = [
                        sys.executable,
                        "-m",
                        "web.cli.accounts",
                        "--config",
                        str(running.folder / "config.toml"),
                        "user",
                        "passwd",
                        "ada",
                    ]
                    await asyncio.to_thread(subprocess.run, command, cwd=ROOT, input=b"another battery\n", check=True)
                    await bob.until("ada", live=False)
            assert not (await bob.status("ada"))["live"]


@pytest.mark.parametrize("then", ["logout", "another"])
async def test_signing_in_again_interrupts_nobody(server: StartServer, then: str) -> None:
    """The same person's voice goes on under the new login, and ends with it; for another person it ends."""
    running = await server()
    async with friends(running.url, "ada", "bob") as (ada, bob), ada.phone() as mic:
        await mic.publish("ada")
        async with talking(mic):
            await bob.until("ada", live=True)
            await ada.call("POST", "/api/login", {"username": "ada", "password": PASSWORD}, status=200)
            assert (await bob.status("ada"))["live"]
            if then == "logout":
                await ada.call("POST", "/api/logout", status=204)
            else:
                await ada.call("POST", "/api/login", {"username": "bob", "password": PASSWORD}, status=200)
            assert not (await bob.status("ada"))["live"]


async def test_the_end_of_a_login_or_token_ends_what_it_hears(server: StartServer) -> None:
    """And nothing that the same person hears otherwise; a token that is revoked no longer sends either."""
    running = await server()
    async with friends(running.url, "ada", "bob") as (ada, bob), aiohttp.ClientSession() as http:
        first, by_first = await token_phone(bob, http)
        second, by_second = await token_phone(ada, http)
        async with ada.phone() as mic, bob.phone() as ear, elsewhere(bob) as other, other.phone() as spare, first, second:
            await mic.publish("ada")
            async with talking(mic):
                await ada.until("ada", live=True)
                for phone in (ear, spare, first):
                    await phone.listen("ada")
                    await phone.heard(1)
                await bob.call("POST", "/api/logout", status=204)
                assert (await ada.status())["listeners"] == 2
                await other.call("DELETE", f"/api/tokens/{by_first}", status=204)
                assert (await ada.status())["listeners"] == 1
                await second.publish("ada")
                async with talking(second):
                    await mic.hang_up()
                    await ada.until("ada", state="live")
                    spare.received.clear()
                    await spare.heard(5)
                    await ada.call("DELETE", f"/api/tokens/{by_second}", status=204)
                    assert not (await ada.status())["live"]


async def test_an_account_that_is_deleted_from_the_command_line(server: StartServer, stretch: float) -> None:
    """The server that runs is not told, and yet soon ends the sockets, the broadcast, and what others hear of it."""
    running = await server()
    async with friends(running.url, "ada", "bob") as (ada, bob), ada.phone() as mic, bob.phone() as ear:
        await mic.publish("ada")
        async with talking(mic):
            await ada.until("ada", live=True)
            await ear.listen("ada")
            socket = await ada.http.ws_connect(f"{running.url}/ws/presence", headers={"Origin": running.url})
            assert (await socket.receive()).type is aiohttp.WSMsgType.TEXT
            command = [
                sys.executable,
                "-m",
                "web.cli.accounts",
                "--config",
                str(running.folder / "config.toml"),
                "user",
                "delete",
                "ada",
                "--yes",
            ]
            await asyncio.to_thread(subprocess.run, command, cwd=ROOT, check=True)
            while (message := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                pass
            assert message.data == 4401
            await ear.heard(1)
            async with asyncio.timeout(20 * stretch):
                while ear.received:
                    ear.received.clear()
                    await asyncio.sleep(1.0)


async def test_an_account_that_goes_takes_its_reservation_along(server: StartServer) -> None:
    """Nobody goes live under the name of an account that is gone, least of all under that of the next one so called."""
    running = await server()
    async with signed_up(running.url, "ada") as ada, ada.phone() as mic:
        await mic.publish("ada")
        await ada.call("DELETE", "/api/me", {"password": PASSWORD}, status=204)
        async with talking(mic), signed_up(running.url, "ada") as another:
            await asyncio.sleep(0.3)
            assert not (await another.status())["live"]
