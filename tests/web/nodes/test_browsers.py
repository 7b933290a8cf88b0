"""Two people on a community of two servers, behind nginx, round robin and without stickiness: nobody notices that there are two."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from playwright.async_api import Locator, Page, expect

from tests.browser.people import HEARD, arrive, studio, watched
from tests.browser.recorded import STATUS, aired, until
from tests.browser.test_remote import PHONE
from tests.conftest import StartServer, Visit, missing_program
from tests.support.postgres import Postgres
from tests.support.proxies import NGINX, UPSTREAM, running
from tests.support.redis import RedisServer
from tests.support.running import Server
from tests.support.several import node_settings

QUICK: dict[str, object] = {
    "denoise__default": "rnnoise",
    "worker__max_delay_ms": 1000,
    "http__trusted_proxies": ["127.0.0.1"],
}
WAIT_S = 60
PRESENCE = "/ws/presence"
DRAWN = "(square) => Promise.all([1, 2, 3, 4].map(async () => (await fetch(square.src)).status))"


@asynccontextmanager
async def community(
    server: StartServer, redis: RedisServer, postgres_server: Postgres, folder: Path
) -> AsyncIterator[tuple[str, list[Server]]]:
    """The address of nginx, and the two servers behind it, which know each other."""
    with postgres_server.database("hushcast") as name:
        settings = [node_settings(each, redis, postgres_server.url(name), **QUICK) for each in ("one", "two")]
        nodes = await asyncio.gather(*map(server, settings))
        async with running(NGINX, folder, [node.url for node in nodes]) as url:
            async with asyncio.timeout(WAIT_S):
                while [await figure(node, "hushcast_nodes") for node in nodes] != [2, 2]:
                    await asyncio.sleep(0.05)
            yield url, nodes
        for node in nodes:
            node.stop()


async def figure(node: Server, name: str) -> int:
    """The value of a metric of that server."""
    async with aiohttp.ClientSession() as http, http.get(f"{node.url}/metrics") as answer:
        found = re.search(rf"^{name} (\d+)$", await answer.text(), re.MULTILINE)
    assert found
    return int(found[1])


async def followed(page: Page) -> dict[str, str]:
    """The page's WebSockets, by path, with the server at which each is: from now on."""
    asked: dict[str, str] = {}
    found: dict[str, str] = {}

    def answered(event: dict[str, Any]) -> None:
        headers = {name.lower(): value for name, value in event["response"]["headers"].items()}
        if UPSTREAM.lower() in headers:  # not when the page is at one server without nginx
            found[urlsplit(asked[event["requestId"]]).path] = headers[UPSTREAM.lower()]

    session = await page.context.new_cdp_session(page)
    session.on("Network.webSocketCreated", lambda event: asked.update({event["requestId"]: event["url"]}))
    session.on("Network.webSocketHandshakeResponseReceived", answered)
    await session.send("Network.enable")
    return found


async def at_different_nodes(page: Page, sockets: dict[str, str], others: dict[str, str]) -> None:
    """Load the page again until it hears of its friends from another server than that other page does."""
    async with asyncio.timeout(WAIT_S):
        while True:
            while PRESENCE not in sockets or PRESENCE not in others:
                await asyncio.sleep(0.02)
            if sockets[PRESENCE] != others[PRESENCE]:
                return
            sockets.clear()
            await page.reload()


def friend(page: Page, name: str) -> Locator:
    """The row of a friend, with the badge."""
    return page.get_by_role("list", name="Friends").get_by_role("listitem").filter(has_text=name).locator("visible=true")


async def befriend(ada: Page, ben: Page) -> None:
    """Ben asks; Ada is told, and accepts; both have each other."""
    await ben.get_by_role("searchbox", name="Find somebody").fill("Ada")
    await ben.get_by_role("button", name="Search").click()
    await ben.get_by_role("button", name="Ask Ada to be friends").click()
    await ada.get_by_role("button", name="Accept Ben").click()
    for page, name in ((ada, "Ben"), (ben, "Ada")):
        await expect(friend(page, name)).to_contain_text("Offline")


async def test_an_evening_on_two_nodes(
    server: StartServer, visit: Visit, redis: RedisServer, postgres_server: Postgres, tmp_path: Path
) -> None:
    """Register, befriend, go live, hear, Clean and Raw, a phone with chords, stop, and play what was recorded."""
    if NGINX.program is None:
        missing_program("nginx")
    async with community(server, redis, postgres_server, tmp_path / "nginx") as (url, nodes):
        ada, ben = await watched(await visit(viewport={"width": 1280, "height": 800})), await watched(await visit())
        adas, bens = await followed(ada), await followed(ben)
        await arrive(ada, url, "Ada")
        await arrive(ben, url, "Ben")
        await at_different_nodes(ben, bens, adas)
        await befriend(ada, ben)
        await studio(ada)
        await goes_live(ada, ben)
        await hears(ben)
        await plays_chords(ada, ben, await visit(await invited(ada), viewport=PHONE))
        await stops(ada, ben)
        assert sum([await figure(node, "hushcast_node_requests_total") for node in nodes]) > 0, "nothing went by the wrong node"
        for node in nodes:
            await plays(ben, f"{node.url}/user/Ada")


async def goes_live(ada: Page, ben: Page) -> None:
    """Ben's badge changes by itself, and so does the title of his page."""
    began = time.monotonic()
    await ada.get_by_role("textbox", name="Title").fill("Evening")
    await ada.get_by_role("button", name="Start Streaming").click()
    await expect(friend(ben, "Ada")).to_contain_text("Streaming")
    print(f"the badge changed {1000 * (time.monotonic() - began):.0f} ms after Start was pressed")
    await expect(ben).to_have_title(re.compile("^Ada is live"))
    await expect(ada.get_by_role("switch", name="Denoise")).to_be_enabled()


async def hears(ben: Page) -> None:
    """Ben listens, and what he chooses is what he gets."""
    await friend(ben, "Ada").get_by_role("link").click()
    await ben.get_by_role("button", name="Start Listening").click()
    main = ben.get_by_role("main")
    await expect(main.get_by_text("You hear Ada, cleaned.")).to_be_visible()
    assert await ben.evaluate(HEARD) > 0
    await ben.get_by_role("radio", name="Raw").check()
    await expect(main.get_by_text("You hear Ada raw, as you have chosen.")).to_be_visible()
    await ben.get_by_role("radio", name="Clean").check()
    await expect(main.get_by_text("You hear Ada, cleaned.")).to_be_visible()


async def invited(ada: Page) -> str:
    """The link in the square, which any server draws."""
    await ada.get_by_text("Sound details").click()
    await ada.get_by_role("button", name="Chords and practice").click()
    dialog = ada.get_by_role("dialog", name="Chords and practice")
    assert await dialog.get_by_role("img", name="A square to scan").evaluate(DRAWN) == [200] * 4
    link = await dialog.get_by_role("link").get_attribute("href")
    await dialog.get_by_role("button", name="Close").click()
    assert link
    return link


async def plays_chords(ada: Page, ben: Page, phone: Page) -> None:
    """What the phone presses is on Ada's page and on Ben's."""
    await expect(phone.get_by_text("as a chapter", exact=False)).to_be_visible()
    await until(ada, f"async () => (await ({STATUS})()).recording.id !== null")  # what keeps the marks
    await phone.get_by_role("button", name="Am", exact=True).click()
    await expect(ada.get_by_role("region", name="Chords and practice").get_by_text("Am").first).to_be_visible()
    await expect(ben.get_by_role("group", name="Chord and practice")).to_contain_text("Am")
    await aired(ada, 3)


async def stops(ada: Page, ben: Page) -> None:
    await ada.get_by_role("button", name="Stop Streaming").click()
    await expect(ada.get_by_role("button", name="Start Streaming")).to_be_visible()
    await expect(ben.get_by_role("main").get_by_text("Ada has stopped. If Ada goes on now, you hear it.")).to_be_visible()
    await expect(friend(ben, "Ada")).to_contain_text("Offline")


async def plays(ben: Page, url: str) -> None:
    """The recording sounds on the page at this address, with its chapter."""
    await ben.goto(url)
    await ben.get_by_role("button", name="Play Evening").click(timeout=1000 * WAIT_S)
    await expect(ben.get_by_role("region", name="Player").get_by_text(re.compile(r"^0:0[1-9] / 0:"))).to_be_visible()
    chapters = await ben.evaluate("async () => (await (await fetch('/api/recordings/Ada')).json())[0].chapters.map((each) => each.text)")
    assert chapters == ["Am"]
