"""Where no WebSocket gets through the page asks over HTTP, says nothing alarming, and goes back to sockets by itself."""

import asyncio

from playwright.async_api import Page, Request, expect

from tests.browser.people import arrive
from tests.browser.test_home import MODULES, befriended, live
from tests.support.people import signed_up

BLOCKED = """() => {
  window.__blocked = true;
  const Real = window.WebSocket;
  window.WebSocket = class extends Real { constructor(url) { super(window.__blocked ? url.replace("/ws/", "/nothing/") : url); } };
}"""


def asked(page: Page, path: str) -> list[Request]:
    """All requests for that path from now on, as they are sent."""
    requests: list[Request] = []
    page.on("request", lambda request: requests.append(request) if path in request.url else None)
    return requests


async def test_without_websockets_the_page_still_knows(server, visit) -> None:
    """Friends, requests and a broadcast are followed by asking, the statuses in one request that is answered 304 where nothing is new."""
    house = await server(MODULES)
    ada = await visit()
    await ada.add_init_script(f"({BLOCKED})()")
    polls, statuses = asked(ada, "/api/friends"), asked(ada, "/api/statuses")
    await arrive(ada, house.url, "Ada")
    async with signed_up(house.url, "Ben") as ben, ben.phone() as phone:
        await befriended(ada, ben)
        await live(phone, "Ben", "Fan on")
        await expect(ada.get_by_role("heading", name="Ben is on air")).to_be_visible()
        await expect(ada.get_by_text("Fan on")).to_be_visible()
        await ada.get_by_role("heading", name="Ben", exact=True).get_by_role("link").click()
        await expect(ada.get_by_text("LIVE", exact=True).first).to_be_visible()
        await ada.wait_for_event(
            "response", lambda answer: "/api/statuses?users=Ada,Ben" in answer.url and answer.status == 304, timeout=30_000
        )
        await ben.call("POST", "/api/stream/stop")
        await expect(ada.get_by_text("Ben is quiet", exact=False).first).to_be_visible()
        await expect(ada.get_by_text("The server does not answer", exact=False).locator("visible=true")).to_have_count(0)
        async with signed_up(house.url, "Cem") as cem:
            await cem.call("POST", "/api/friend-request/send", {"username": "Ada"}, status=201)
            await expect(ada.get_by_role("button", name="Accept Cem")).to_be_visible(timeout=40_000)
        sockets: list[str] = []
        ada.on("websocket", lambda socket: sockets.append(socket.url))
        await ada.evaluate("window.__blocked = false")
        async with asyncio.timeout(40):
            while not all(any(path in url for url in sockets) for path in ("/ws/presence", "/ws/stream/Ada", "/ws/stream/Ben")):
                await asyncio.sleep(0.05)
        await ada.wait_for_timeout(1000)
        so_far = len(polls) + len(statuses)
        await ada.wait_for_timeout(7000)  # two polls and more would come in this time
        assert len(polls) + len(statuses) == so_far


async def test_a_server_that_is_away_is_told_and_comes_back(server, visit) -> None:
    """The sentence comes where HTTP is not answered either, and goes as soon as it is; the page is not left."""
    house = await server(MODULES)
    ada = await visit(viewport={"width": 1280, "height": 800})
    await arrive(ada, house.url, "Ada")
    away = ada.get_by_text("The server does not answer. Trying again.").locator("visible=true")
    await ada.context.set_offline(True)
    await ada.evaluate("() => undefined")
    await expect(away).to_have_count(0)
    await ada.context.set_offline(False)
    await ada.context.route("**/api/**", lambda route: route.abort())
    await ada.reload()
    await expect(away).to_be_visible()
    await ada.context.unroute("**/api/**")
    await expect(ada.get_by_role("heading", name="Nobody is on air")).to_be_visible()
    await expect(away).to_have_count(0)


async def test_without_websockets_each_is_asked_for_once(server, visit) -> None:
    """The status of whom one waits for and the own one come with one request every 3 s, and nothing asks beside it."""
    house = await server(MODULES)
    ada = await visit()
    await ada.add_init_script(f"({BLOCKED})()")
    alone, together = asked(ada, "/api/stream/status/"), asked(ada, "/api/statuses")
    await arrive(ada, house.url, "Ada")
    async with signed_up(house.url, "Ben") as ben, ben.phone() as phone:
        await befriended(ada, ben)
        await live(phone, "Ben")
        await ada.get_by_role("button", name="Start Listening to Ben").click()
        await ada.get_by_role("heading", name="Ben", exact=True).get_by_role("link").click()
        await expect(ada.get_by_role("button", name="Stop Listening")).to_be_visible()
        await ben.call("POST", "/api/stream/stop")
        main = ada.get_by_role("main")
        await expect(main.get_by_text("You hear Ben as soon as that changes").or_(main.get_by_text("Ben has stopped"))).to_be_visible()
        await ada.wait_for_timeout(1000)
        alone.clear()
        together.clear()
        await ada.wait_for_timeout(10_000)  # three polls, or four
        assert not alone, [request.url for request in alone]
        assert {request.url for request in together} == {f"{house.url}/api/statuses?users=Ada,Ben"}
        assert 2 <= len(together) <= 4, len(together)
        async with ben.phone() as again:
            await live(again, "Ben")
            await expect(main.get_by_text("LIVE", exact=True)).to_be_visible()


async def test_without_websockets_a_refusal_is_noticed(server, visit) -> None:
    """Whoever is no friend any more, or whose listen link has ended, is told so and hears nothing."""
    house = await server(MODULES)
    ada, guest = await visit(), await visit()
    for page in (ada, guest):
        await page.add_init_script(f"({BLOCKED})()")
    await arrive(ada, house.url, "Ada")
    async with signed_up(house.url, "Ben") as ben, ben.phone() as phone:
        await befriended(ada, ben)
        await live(phone, "Ben")
        link = await ben.call("POST", "/api/listen-links", {})
        await guest.goto(house.url + link["url"])
        await ada.get_by_role("heading", name="Ben", exact=True).get_by_role("link").click()
        for page in (ada, guest):
            await page.get_by_role("button", name="Start Listening").click()
            await expect(page.get_by_role("button", name="Stop Listening")).to_be_visible()
        await ben.call("DELETE", f"/api/listen-links/{link['id']}")
        await expect(guest.get_by_role("main").get_by_text("This link does not work any more. Ask for a new one.")).to_be_visible()
        await ben.call("DELETE", "/api/friends/Ada")
        await expect(ada.get_by_role("button", name="Ask to be friends")).to_be_visible()
        await expect(ada.get_by_role("button", name="Stop Listening")).to_be_hidden()
        await expect(ada.get_by_role("main").get_by_text("LIVE", exact=True)).to_have_count(0)
