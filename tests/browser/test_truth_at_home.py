"""What home, the friends beside it and the frame say is in force: each state is made true first, then the page is read."""

import asyncio
import re
from typing import Any

from playwright.async_api import Locator, Page, expect

from tests.browser.listening import TOLD, listening, on_air, two
from tests.browser.people import arrive, register, shoot, studio, watched
from tests.browser.recorded import until
from tests.browser.test_hearing import link_of, post, told
from tests.browser.test_home import MODULES, befriended, live
from tests.support.people import Person, signed_up
from tests.support.running import Server

DESK = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 780}
AWAY = "The server does not answer. Trying again."
SAID = "(text) => window.__told.includes(text)"
UNLIT = "(radios) => radios.every((radio) => !radio.checked)"


def shown(place: Page | Locator, text: str | re.Pattern[str], **options: Any) -> Locator:
    return place.get_by_text(text, **options).locator("visible=true")


def card(page: Page, name: str) -> Locator:
    """The friend's row of those who are on air."""
    return page.get_by_role("list", name="On air").get_by_role("listitem").filter(has=page.get_by_role("heading", name=name))


async def two_at_home(server: Any, visit: Any) -> tuple[Server, Page, Page]:
    """A server, Ada who is on air, and Ben, her friend, at home."""
    house, ada, ben = await two(server, visit, viewport=DESK)
    await ben.get_by_role("link", name="Home", exact=True).click()
    await expect(card(ben, "Ada")).to_be_visible()
    return house, ada, ben


async def test_a_server_that_is_away_leaves_nothing_said_as_if_it_were_so(server, visit) -> None:
    """Heading, card, badges, title and count claim nothing, and what cannot be done cannot be pressed; then all is back."""
    house = await server(MODULES)
    ada = await visit(viewport=DESK)
    await arrive(ada, house.url, "Ada")
    async with (
        signed_up(house.url, "Ben") as ben,
        signed_up(house.url, "Cem") as cem,
        signed_up(house.url, "Dora") as dora,
        ben.phone() as phone,
    ):
        await befriended(ada, ben, cem)
        await live(phone, "Ben", "Fan on")
        await dora.call("POST", "/api/friend-request/send", {"username": "Ada"}, status=201)
        await expect(ada.get_by_role("heading", name="Ben is on air")).to_be_visible()
        accept, start = ada.get_by_role("button", name="Accept Dora"), ada.get_by_role("button", name="Start Listening to Ben")
        pressed = [
            accept,
            start,
            ada.get_by_role("button", name="Invite a friend"),
            ada.get_by_role("button", name="Search"),
            ada.get_by_role("button", name="Sign out"),
        ]
        for each in pressed:
            await expect(each).to_be_enabled()
        friends = ada.get_by_role("list", name="Friends").locator("visible=true")
        for word in ("Streaming", "Offline"):
            await expect(friends.get_by_text(word)).to_be_visible()
        own = ada.get_by_role("navigation", name="You")
        await expect(own.get_by_text("Offline")).to_be_visible()
        await asyncio.to_thread(house.kill)
        await expect(ada.get_by_role("heading", name="It is not known who is on air")).to_be_visible()
        await expect(shown(ada, f"{AWAY} Before that, Ben was on air.")).to_be_visible()
        await expect(card(ada, "Ben").get_by_text("Not known")).to_be_visible()
        await expect(shown(ada, "It is not known whether you are on air.")).to_be_visible()
        await expect(ada).to_have_title("Home – Hushcast")
        for word in ("Streaming", "Offline", "LIVE", "Fan on", re.compile("^since "), "Nobody is on air"):
            await expect(shown(ada, word, **({} if isinstance(word, re.Pattern) else {"exact": True}))).to_have_count(0)
        for each in pressed:
            await expect(each).to_be_disabled()
        await shoot(ada, "home-away-desk")
        await ada.set_viewport_size(PHONE)  # type: ignore[arg-type]
        await expect(shown(ada, re.compile("^1 live"))).to_have_count(0)
        await shoot(ada, "home-away-phone", full_page=True)
        await ada.set_viewport_size(DESK)  # type: ignore[arg-type]
        await house.start()
        for each in (accept, pressed[2], pressed[3]):
            await expect(each).to_be_enabled(timeout=30_000)
        await expect(own.get_by_text("Offline")).to_be_visible(timeout=30_000)
        await expect(shown(ada, AWAY)).to_have_count(0)


async def test_without_a_network_the_page_says_so(server, visit) -> None:
    """The browser knows it, and then the server does not answer: what was told is not said as if it were so, until it is back."""
    house = await server(MODULES)
    ada = await visit(viewport=DESK)
    await arrive(ada, house.url, "Ada")
    await expect(ada.get_by_role("heading", name="Nobody is on air")).to_be_visible()
    invite = ada.get_by_role("main").get_by_role("button", name="Invite a friend")
    await expect(invite).to_be_enabled()  # beside the sentence that says to send one
    await ada.context.set_offline(True)
    await expect(invite).to_be_disabled()
    await expect(ada.get_by_role("heading", name="It is not known who is on air")).to_be_visible()
    await expect(shown(ada, "You have no network.").first).to_be_visible()
    await ada.context.set_offline(False)
    await expect(ada.get_by_role("heading", name="Nobody is on air")).to_be_visible()


async def test_a_browser_that_wrongly_believes_to_have_no_network_is_not_believed(server, visit) -> None:
    """The server answers, perhaps on the same computer: nothing is said to be lost, and all can be pressed."""
    _, _, ben = await two(server, visit, viewport=DESK)
    await listening(ben)
    await expect(told(ben, "You hear Ada, cleaned.")).to_be_visible()
    await ben.evaluate("Object.defineProperty(navigator, 'onLine', { get: () => false })")
    async with ben.expect_response("**/api/friends") as answer:
        await ben.evaluate("dispatchEvent(new Event('offline'))")
    await answer.value
    await ben.wait_for_timeout(1000)
    await expect(told(ben, "You hear Ada, cleaned.")).to_be_visible()
    await ben.get_by_role("link", name="Home", exact=True).click()
    await expect(ben.get_by_role("heading", name="Ada is on air")).to_be_visible()
    await expect(shown(ben, "You have no network.")).to_have_count(0)
    await ben.get_by_role("button", name="Stop Listening to Ada").click()
    await ben.get_by_role("button", name="Start Listening to Ada").click()
    await expect(ben.get_by_role("button", name="Stop Listening to Ada")).to_be_visible()
    await expect(card(ben, "Ada").get_by_text("Clean")).to_be_visible()
    said = await ben.evaluate("window.__told")
    assert not [text for text in said if "network" in text or "does not answer" in text], said


async def test_one_who_is_on_air_without_a_server_is_not_said_to_be(server, visit) -> None:
    """Neither the own corner nor the line at the bottom says that one is on air while the server is away."""
    house = await server({"denoise.default": "rnnoise"})
    ada = await watched(await visit(viewport=DESK))
    await register(ada, house.url, "Ada")
    await on_air(ada)
    await ada.get_by_role("link", name="Library").click()
    bar, own = ada.get_by_role("region", name="Going on now"), ada.get_by_role("navigation", name="You")
    await expect(bar.get_by_text("LIVE")).to_be_visible()
    await expect(own.get_by_text("Streaming")).to_be_visible()
    await asyncio.to_thread(house.kill)
    await expect(bar.get_by_text("Your connection dropped. Trying again.")).to_be_visible()
    await expect(bar.get_by_text("LIVE")).to_have_count(0)
    for place in (bar, own):
        await expect(place.get_by_text("Reconnecting", exact=True)).to_be_visible()
    await expect(own.get_by_text("Streaming")).to_have_count(0)
    await shoot(ada, "line-dropped")
    await house.start()
    await expect(bar.get_by_text("LIVE")).to_be_visible(timeout=30_000)
    await ada.get_by_role("button", name="Stop Streaming").click()


async def test_a_card_says_whether_it_is_clean_and_recorded(server, visit) -> None:
    """From the status, and again when that changes, without a press and without a socket of that broadcast."""
    _, ada, ben = await two_at_home(server, visit)
    row = card(ben, "Ada")
    await expect(row.get_by_text("Clean · recorded")).to_be_visible(timeout=30_000)
    await shoot(ben, "card-clean")
    await ada.get_by_role("switch", name="Denoise").click()
    await expect(row.get_by_text("Raw · recorded")).to_be_visible()
    await post(ada, "/api/stream/recording", {"on": False})
    await expect(row.get_by_text("Raw · not recorded")).to_be_visible()
    await shoot(ben, "card-raw")
    await ada.get_by_role("button", name="Mute").click()
    await expect(row.get_by_text("Muted for now")).to_be_visible()
    await expect(row.get_by_text(re.compile("Clean|Raw"))).to_have_count(0)
    await ada.get_by_role("button", name="Mute").click()
    await ada.get_by_role("switch", name="Denoise").click()
    await expect(row.get_by_text("Clean · not recorded")).to_be_visible()
    await ada.goto("about:blank")
    await expect(row.get_by_text("Their connection dropped; they may come back")).to_be_visible()
    await expect(row.get_by_text(re.compile("Clean|Raw"))).to_have_count(0)


async def test_a_card_says_what_is_heard_here(server, visit) -> None:
    """Whoever has chosen raw reads Raw, also where the broadcast is cleaned."""
    _, _, ben = await two_at_home(server, visit)
    row = card(ben, "Ada")
    await ben.evaluate("() => { window.__connections ??= []; }")
    await row.get_by_role("link", name="Ada").click()
    await listening(ben)
    await expect(ben.get_by_role("radio", name="Clean")).to_be_checked()  # while it starts Raw is lit, and checked already
    await ben.get_by_role("radio", name="Raw").check()
    await expect(told(ben, "You hear Ada raw, as you have chosen.")).to_be_visible()
    await ben.get_by_role("link", name="Home", exact=True).click()
    await expect(row.get_by_text("Raw · recorded")).to_be_visible()
    await row.get_by_role("button", name="Stop Listening to Ada").click()
    await expect(row.get_by_text("Clean · recorded")).to_be_visible()


async def test_a_friend_who_listens_is_not_called_offline(server, visit) -> None:
    """Beside "Ben can hear you" the row of Ben says that he listens; afterwards it says Offline again."""
    _, ada, ben = await two(server, visit)
    row = ada.get_by_role("list", name="Friends").get_by_role("listitem").filter(has_text="Ben").locator("visible=true")
    await expect(row.get_by_text("Offline")).to_be_visible()
    await listening(ben)
    await expect(shown(ada, "Ben can hear you.").first).to_be_visible()
    await expect(row.get_by_text("Listening to you")).to_be_visible()
    await expect(row.get_by_text("Offline")).to_have_count(0)
    await shoot(ada, "listened-to")
    await ben.get_by_role("button", name="Stop Listening").click()
    await expect(row.get_by_text("Offline")).to_be_visible()


async def test_nothing_is_lit_while_nothing_is_heard(server, visit) -> None:
    """Neither Clean nor Raw while one is muted here, they are muted, away or gone, or the server is; the sentence says why."""
    house, ada, ben = await two(server, visit)
    radios = ben.get_by_role("radio")
    await listening(ben)
    clean = ben.get_by_role("radio", name="Clean")
    await expect(clean).to_be_checked(timeout=30_000)
    await ben.get_by_role("heading", name="Ada").click()
    await ben.keyboard.press("m")
    await expect(told(ben, "You have muted Ada here. Stop and start listening to turn the sound on again.")).to_be_visible()
    assert await radios.evaluate_all(UNLIT)
    await shoot(ben, "unlit-muted")
    await ben.keyboard.press("m")
    await expect(clean).to_be_checked()
    volume = ben.get_by_role("spinbutton")
    await volume.fill("0")
    await volume.press("Enter")
    await expect(told(ben, "The volume of Ada is 0, so you hear nothing.")).to_be_visible()
    assert await radios.evaluate_all(UNLIT)
    await volume.fill("100")
    await volume.press("Enter")
    await expect(clean).to_be_checked()
    await ada.get_by_role("button", name="Mute").click()
    await expect(told(ben, "Ada is muted. There is nothing to hear until that ends.")).to_be_visible()
    assert await radios.evaluate_all(UNLIT)
    await ada.get_by_role("button", name="Mute").click()
    await expect(clean).to_be_checked()
    await asyncio.to_thread(house.kill)
    await expect(told(ben, "The server does not answer. You hear Ada again when it is back.")).to_be_visible()
    assert await radios.evaluate_all(UNLIT)
    await house.start()
    await expect(told(ben, "You hear Ada, cleaned.")).to_be_visible(timeout=60_000)
    await expect(clean).to_be_checked()
    await ada.get_by_role("button", name="Stop Streaming").click()
    await expect(told(ben, "Ada has stopped. If Ada goes on now, you hear it.")).to_be_visible()
    assert await radios.evaluate_all(UNLIT)


async def test_an_accepted_request_is_told_on_every_page(server, visit) -> None:
    """Who has asked sees and hears it, wherever in the page; and who has accepted is not told twice."""
    house = await server(MODULES)
    ada = await visit(viewport=DESK)
    await arrive(ada, house.url, "Ada")
    await ada.evaluate(TOLD)

    async def accepted(other: Person) -> None:
        asked = (await other.call("GET", "/api/friend-requests/pending"))["incoming"][0]["id"]
        await other.call("POST", f"/api/friend-request/{asked}/respond", {"action": "accept"})

    async def asks(name: str) -> None:
        await ada.get_by_role("searchbox", name="Find somebody").fill(name)
        await ada.get_by_role("button", name="Search").click()
        await ada.get_by_role("button", name=f"Ask {name} to be friends").click()

    note = ada.get_by_role("region", name="Note")
    async with signed_up(house.url, "Ben") as ben, signed_up(house.url, "Cem") as cem, signed_up(house.url, "Dora") as dora:
        for place, other in (("Settings", ben), ("Library", cem)):
            await asks(other.name)
            await ada.get_by_role("link", name=place).click()
            await accepted(other)
            await expect(note.get_by_text(f"{other.name} is your friend.")).to_be_visible()
            await until(ada, SAID, f"{other.name} is your friend.")
        await shoot(ada, "befriended")
        await note.get_by_role("button", name="Close this note").click()
        await dora.call("POST", "/api/friend-request/send", {"username": "Ada"}, status=201)
        await ada.get_by_role("button", name="Accept Dora").click()
        await until(ada, SAID, "Dora is your friend.")
        await ada.wait_for_timeout(1000)  # a second one would come in this time
        assert (await ada.evaluate("window.__told")).count("Dora is your friend.") == 1
        await expect(note).to_be_hidden()


async def test_requests_stand_in_home_itself(server, visit) -> None:
    """On a wide screen they are in the page, above the friends, and only there; on other pages they stand in the column."""
    house = await server(MODULES)
    ada = await visit(viewport=DESK)
    await arrive(ada, house.url, "Ada")
    async with signed_up(house.url, "Ben") as ben:
        await ben.call("POST", "/api/friend-request/send", {"username": "Ada"}, status=201)
        accept = ada.get_by_role("button", name="Accept Ben")
        await expect(ada.get_by_role("main").get_by_role("button", name="Accept Ben")).to_be_visible()
        await expect(accept).to_have_count(1)
        await shoot(ada, "home-request-desk")
        await ada.get_by_role("link", name="Library").click()
        await expect(ada.get_by_role("complementary").get_by_role("button", name="Accept Ben")).to_be_visible()
        await ada.get_by_role("link", name="Home", exact=True).click()
        await accept.click()
        await expect(ada.get_by_role("heading", name="Nobody is on air")).to_be_focused()


async def test_a_killed_server_is_told_by_guests_and_friends(server, visit) -> None:
    """Neither the link's page nor the friend's says LIVE, recorded or quiet while it cannot be known; both are right again afterwards."""
    house = await server({"denoise.default": "rnnoise"})
    ada = await watched(await visit())
    await register(ada, house.url, "Ada")
    async with signed_up(house.url, "Ben") as ben:
        await ada.get_by_role("link", name="Home", exact=True).click()
        await befriended(ada, ben)
        await studio(ada)
        await on_air(ada)
        guest, friend = await visit(viewport=PHONE), await visit(viewport=DESK)
        await guest.goto(await link_of(ada, house.url))
        await friend.goto(f"{house.url}/login?next=/user/Ada")
        await friend.get_by_label("Username").fill("Ben")
        await friend.get_by_label("Password").fill("correct horse battery")
        await friend.get_by_role("button", name="Log in").click()
        for page in (guest, friend):
            await expect(told(page, "Ada is on air. Press Start Listening to hear.")).to_be_visible()
            await expect(told(page, "This is recorded.")).to_be_visible()
        await asyncio.to_thread(house.kill)
        for page in (guest, friend):
            await expect(told(page, "The server does not answer, so it is not known whether Ada is on air.")).to_be_visible()
            for untrue in ("LIVE", "Offline", "This is recorded.", "This is not recorded."):
                await expect(told(page, untrue)).to_have_count(0)
        await shoot(guest, "link-away")
        await shoot(friend, "friend-away")
        await expect(friend.get_by_role("button", name="Block")).to_be_disabled()
        await house.start()
        for page in (guest, friend):
            await expect(told(page, "LIVE")).to_be_visible(timeout=30_000)
        await ada.get_by_role("button", name="Stop Streaming").click(timeout=60_000)
        for page in (guest, friend):
            await expect(told(page, "Offline")).to_be_visible()
            await expect(told(page, "LIVE")).to_have_count(0)
