"""The first page: who is on air, one press to listen, requests above friends, the own studio one press away."""

import asyncio
import re
from typing import Any
from urllib.parse import quote

import pytest
from playwright.async_api import Locator, Page, Route, expect

from tests.browser.people import HEARD, arrive, register, shoot, studio, watched
from tests.support.people import Person, signed_up
from tests.support.softphone import Softphone
from tests.support.spoken import packets_of

MODULES = {"http.modules": True, "denoise.default": "passthrough"}
DESK = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
ACCEPT_ALL = """async () => {
  const { incoming } = await (await fetch("/api/friend-requests/pending")).json();
  const headers = { "Content-Type": "application/json" }, body = JSON.stringify({ action: "accept" });
  for (const { id } of incoming) await fetch(`/api/friend-request/${id}/respond`, { method: "POST", headers, body });
}"""


async def befriended(page: Page, *others: Person) -> None:
    """Ada, whose page it is, becomes the friend of them all."""
    for other in others:
        await other.call("POST", "/api/friend-request/send", {"username": "Ada"}, status=201)
    await page.evaluate(ACCEPT_ALL)


async def live(phone: Softphone, name: str, title: str = "") -> None:
    """That person goes on air."""
    await phone.publish(name, f"?denoise=0&record=0&title={quote(title)}")
    phone.send(0, 0, packets_of(1)[0])


async def above(upper: Locator, lower: Locator) -> bool:
    """Whether the first is shown above the second, and both are there."""
    boxes = [await each.bounding_box() for each in (upper, lower)]
    assert boxes[0] and boxes[1]
    return boxes[0]["y"] < boxes[1]["y"]


LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": DESK, "color_scheme": "light"},
    "dark": {"viewport": PHONE, "color_scheme": "dark"},
    "own-colours": {"viewport": PHONE, "forced_colors": "active", "reduced_motion": "reduce"},
}


@pytest.mark.parametrize("look", LOOKS)
async def test_home_begins_with_who_is_on_air(server, visit, look: str) -> None:
    """Nobody lands under a red button; a friend who goes live is named in heading and title, with the broadcast's; one press listens."""
    house = await server(MODULES)
    ada = await watched(await visit(**LOOKS[look]))
    await arrive(ada, house.url, "Ada")
    await expect(ada.get_by_role("heading", name="Nobody is on air")).to_be_visible()
    await expect(ada.get_by_role("button", name="Start Streaming")).to_have_count(0)
    await expect(ada).to_have_title("Home – Hushcast")
    await shoot(ada, f"home-first-{look}")
    async with signed_up(house.url, "Ben") as ben, signed_up(house.url, "Cem") as cem, ben.phone() as phone:
        await befriended(ada, ben, cem)
        await live(phone, "Ben", "Fan on, window open")
        await expect(ada.get_by_role("heading", name="Ben is on air")).to_be_visible()
        await expect(ada).to_have_title("Ben is live – Home – Hushcast")
        row = ada.get_by_role("list", name="On air").get_by_role("listitem")
        await expect(row).to_have_count(1)
        await expect(row.get_by_text("Fan on, window open")).to_be_visible()
        await expect(row.get_by_text(re.compile(r"^since \d\d:\d\d$"))).to_be_visible()
        await shoot(ada, f"home-one-{look}")
        press = row.get_by_role("button", name="Start Listening to Ben")
        await press.click()
        stop = row.get_by_role("button", name="Stop Listening to Ben")
        await expect(stop).to_be_focused()
        await stop.click()
        await expect(press).to_be_focused()
        await row.get_by_role("link", name="Ben").click()
        await expect(ada).to_have_title("Ben – Hushcast")
        await ada.get_by_role("link", name="Hushcast, home").locator("visible=true").click()
        await ben.call("POST", "/api/stream/stop")
        await expect(ada.get_by_role("heading", name="Nobody is on air")).to_be_visible()
        await expect(ada).to_have_title("Home – Hushcast")
    await studio(ada)


async def test_one_press_at_home_is_heard(server, visit) -> None:
    """The sound comes without another page, and goes on while one looks elsewhere."""
    house = await server(MODULES)
    ben, ada = await visit(), await watched(await visit(viewport=DESK))
    await register(ben, house.url, "Ben")
    await arrive(ada, house.url, "Ada")
    await ada.goto(f"{house.url}/search?q=Ben")
    await ada.get_by_role("button", name="Ask Ben to be friends").click()
    await ben.get_by_role("button", name="Accept Ada").click()
    await ben.get_by_role("button", name="Start Streaming").click()
    await ada.get_by_role("link", name="Home", exact=True).click()
    await ada.get_by_role("button", name="Start Listening to Ben").click()
    await ada.evaluate(HEARD)
    await ada.get_by_role("link", name="Library").click()
    await expect(ada.get_by_role("button", name="Stop Listening")).to_be_visible()
    await expect(ben.get_by_role("link", name="Home", exact=True)).to_be_visible()
    await ben.get_by_role("link", name="Home", exact=True).click()
    await expect(ben.get_by_text(re.compile(r"^You are on air since \d\d:\d\d\.$"))).to_be_visible()
    await ben.get_by_role("button", name="Sign out").click()
    asked = ben.get_by_role("dialog", name="Sign out while you are on air?")
    await asked.get_by_role("button", name="Keep it so").click()
    await expect(ben.get_by_text("You are on air", exact=True)).to_be_visible()
    await ben.get_by_role("button", name="Sign out").click()
    await asked.get_by_role("button", name="Stop and sign out").click()
    await expect(ben).to_have_url(re.compile("/login$"))
    await expect(ada.get_by_role("link", name="Ben").get_by_text("Offline")).to_be_visible()


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
async def test_requests_stand_above_friends_and_can_be_taken_back(server, visit, size: dict[str, int]) -> None:
    """Those that came are answered with the focus kept; one's own are listed and withdrawn; the search page follows both."""
    house = await server(MODULES)
    ada = await visit(viewport=size)
    await arrive(ada, house.url, "Ada")
    async with signed_up(house.url, "Ben") as ben, signed_up(house.url, "Cem") as cem, signed_up(house.url, "Dora") as dora:
        await befriended(ada, ben)
        for each in (cem, dora):
            await each.call("POST", "/api/friend-request/send", {"username": "Ada"}, status=201)
        asking, head = ada.get_by_role("list", name="Friend requests"), ada.get_by_role("heading", name="Friends", exact=True)
        await expect(asking.get_by_role("listitem")).to_have_count(2)
        assert await above(asking, head)
        await expect(ada.get_by_role("button", name="Accept Cem")).to_be_in_viewport()
        await shoot(ada, f"home-requests-{size['width']}")
        await ada.get_by_role("button", name="Accept Cem").click()
        await expect(ada.get_by_role("button", name="Accept Dora")).to_be_focused()
        await ada.get_by_role("button", name="Not now: Dora").click()
        await expect(head if size == PHONE else ada.get_by_role("heading", name="Nobody is on air")).to_be_focused()
        async with signed_up(house.url, "Emil") as emil:
            await ada.goto(f"{house.url}/search?q=em")
            found = ada.get_by_role("list", name="People found")
            await found.get_by_role("button", name="Ask Emil to be friends").click()
            await expect(found.get_by_role("button", name="Withdraw the request to Emil")).to_be_focused()
            await found.get_by_role("button", name="Withdraw the request to Emil").click()
            await expect(found.get_by_role("button", name="Ask Emil to be friends")).to_be_focused()
            assert (await emil.call("GET", "/api/friend-requests/pending"))["incoming"] == []
            await emil.call("POST", "/api/friend-request/send", {"username": "Ada"}, status=201)
            await found.get_by_role("button", name="Accept Emil").click()
            await expect(found.get_by_text("Your friend").first).to_be_visible()
            await emil.call("DELETE", "/api/friends/Ada", status=204)
            await expect(found.get_by_role("button", name="Ask Emil to be friends")).to_be_visible()


# Where the link to the studio is while it is shown, in px from the top.
PLACES = """() => {
  window.__places = new Set();
  const look = () => {
    const link = [...document.querySelectorAll("main a")].find((each) => each.textContent === "Open your studio");
    if (link?.checkVisibility()) window.__places.add(Math.round(link.getBoundingClientRect().top));
    requestAnimationFrame(look);
  };
  look();
}"""


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
async def test_nothing_moves_away_from_under_a_press(server, visit, size: dict[str, int]) -> None:
    """What is asked for comes before what is below it can be pressed, however late: a press that begins on a link ends on it."""
    house = await server(MODULES)
    ada = await visit(viewport=size)
    await arrive(ada, house.url, "Ada")

    async def late(route: Route) -> None:
        await asyncio.sleep(1)
        await route.continue_()

    async with signed_up(house.url, "Ben") as ben, signed_up(house.url, "Cem") as cem:
        await befriended(ada, ben)
        await cem.call("POST", "/api/friend-request/send", {"username": "Ada"}, status=201)
        await ada.add_init_script(f"({PLACES})()")
        await ada.route("**/api/friend-requests/pending", late)
        await ada.reload()
        await expect(ada.get_by_role("button", name="Accept Cem").locator("visible=true")).to_be_visible()
        await expect(ada.get_by_role("link", name="Open your studio")).to_be_visible()
        await ada.wait_for_timeout(300)
        assert await ada.evaluate("window.__places.size") == 1
        await ada.unroute_all(behavior="wait")


async def test_many_friends_fit(server, visit) -> None:
    """With 24 friends, at 320 px and text of 200 %, nothing scrolls sideways; live ones come first and can be pressed."""
    house = await server(MODULES)
    ada = await visit(viewport=DESK)
    await arrive(ada, house.url, "Ada")
    for number in range(23):
        async with signed_up(house.url, f"friend_{number:02}_with_a_long_name") as friend:
            await befriended(ada, friend)
    async with signed_up(house.url, "Zoe") as zoe, zoe.phone() as phone:
        await befriended(ada, zoe)
        await live(phone, "Zoe", "w" * 96)
        await expect(ada.get_by_role("heading", name="Zoe is on air")).to_be_visible()
        await expect(ada.get_by_role("list", name="Friends").get_by_role("listitem").locator("visible=true")).to_have_count(24)
        await shoot(ada, "home-many-desk")
        await expect(ada.get_by_text("w" * 96)).to_be_visible()
        for width, text in ((320, "100%"), (320, "200%"), (390, "100%"), (1280, "200%")):
            await ada.set_viewport_size({"width": width, "height": 740})
            await ada.evaluate("(size) => { document.documentElement.style.fontSize = size }", text)
            for place in ("/", "/#friends"):
                await ada.evaluate("(path) => { location.hash = path.slice(2) }", place)
                await ada.locator("main h1").wait_for()
                assert await ada.evaluate(TOO_WIDE) <= 0, (width, text, place)
            await shoot(ada, f"home-many-{width}-{text.strip('%')}")
            await ada.evaluate("() => { location.hash = '' }")
            await ada.get_by_role("button", name="Start Listening to Zoe").scroll_into_view_if_needed()
