"""Takes the pictures of home and of those who only listen, beside those of test_pictures.py."""

import asyncio

import pytest
from playwright.async_api import expect

from tests.browser.listening import listening
from tests.browser.pictures import Camera
from tests.browser.recorded import aired, on_air
from tests.browser.test_hearing import link_of, post, told
from tests.browser.test_pictures import SHOWN_S, TITLE, pair
from tests.browser.test_truth_at_home import card
from tests.support.people import signed_up

pytestmark = pytest.mark.slow


async def test_at_home(server, visit) -> None:
    """A card whose sound is raw, a request that was accepted, a listener who has turned the sound off, and a server that is away."""
    with Camera("at_home") as shot:
        house, ada, ben = await pair(server, visit)
        await on_air(ada, TITLE)
        await ada.get_by_role("switch", name="Denoise").click()
        await post(ada, "/api/stream/recording", {"on": False})
        await shot(ben, "home-raw", card(ben, "Ada").get_by_text("Raw · not recorded"))
        await ada.get_by_role("switch", name="Denoise").click()
        async with signed_up(house.url, "Cem") as cem:
            await ben.get_by_role("searchbox", name="Find somebody").locator("visible=true").fill("Cem")
            await ben.get_by_role("button", name="Search").locator("visible=true").click()
            await ben.get_by_role("button", name="Ask Cem to be friends").click()
            await ben.get_by_role("link", name="Library").locator("visible=true").click()
            asked = (await cem.call("GET", "/api/friend-requests/pending"))["incoming"][0]["id"]
            await cem.call("POST", f"/api/friend-request/{asked}/respond", {"action": "accept"})
            await shot(ben, "befriended", ben.get_by_role("region", name="Note").get_by_text("Cem is your friend."))
        guest = await visit(await link_of(ada, house.url))
        await ben.goto(f"{house.url}/user/Ada")
        await listening(ben)
        await aired(ada, SHOWN_S)
        await ben.get_by_role("heading", name="Ada").click()
        await ben.keyboard.press("m")
        await shot(ben, "listener-muted-here", told(ben, "You have muted Ada here."))
        await ben.keyboard.press("m")
        await ben.get_by_role("button", name="Stop Listening").click()
        await expect(told(ben, "Ada is on air. Press Start Listening to hear.")).to_be_visible()
        await asyncio.to_thread(house.kill)
        await shot(ben, "friend-away", told(ben, "The server does not answer, so it is not known whether Ada is on air."))
        await shot(guest, "link-away", told(guest, "The server does not answer, so it is not known whether Ada is on air."))
