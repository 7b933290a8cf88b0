"""The account's pages: what is remembered, what was handed out, and what is said where something is wrong."""

import asyncio
import re

from playwright.async_api import Page, expect

from tests.browser.people import arrive, shoot
from tests.browser.test_home import MODULES, befriended
from tests.support.people import PASSWORD, signed_up

PHONE = {"width": 390, "height": 844}
GROUND = "() => getComputedStyle(document.documentElement).backgroundColor"
DARK, LIGHT = "rgb(20, 19, 18)", "rgb(247, 244, 238)"


async def shown(page: Page, button: str) -> str:
    """The link behind that button."""
    await page.get_by_role("button", name=button).click()
    dialog = page.get_by_role("dialog")
    link = await dialog.get_by_role("textbox").input_value()
    await dialog.get_by_role("button", name="Close").click()
    return link


async def saved(page: Page, **wanted: object) -> None:
    """Wait until the server has these preferences, and no others."""
    async with asyncio.timeout(30):
        while await page.evaluate("async () => (await fetch('/api/me/preferences')).json()") != wanted:
            await asyncio.sleep(0.05)


async def test_colours_and_keys_belong_to_the_account(server, visit) -> None:
    """They are chosen at once, are there before the server has answered, in another browser, and in no other account."""
    house = await server(MODULES)
    ada, elsewhere = await visit(viewport=PHONE, color_scheme="light"), await visit(color_scheme="light")
    await arrive(ada, house.url, "Ada")
    await ada.goto(f"{house.url}/settings")
    assert await ada.evaluate(GROUND) == LIGHT
    await ada.get_by_role("radio", name="Dark").check()
    await ada.get_by_role("switch", name="Single keys").click()
    assert await ada.evaluate(GROUND) == DARK
    await saved(ada, theme="dark", keys=False)
    await ada.route("**/api/me/preferences", lambda route: route.abort())
    await ada.reload()
    await expect(ada.get_by_role("radio", name="Dark")).to_be_checked()
    assert await ada.evaluate(GROUND) == DARK
    await ada.unroute("**/api/me/preferences")
    await elsewhere.goto(f"{house.url}/login?next=/settings")
    await sign_in(elsewhere, "Ada")
    await expect(elsewhere.get_by_role("radio", name="Dark")).to_be_checked()
    await expect(elsewhere.get_by_role("switch", name="Single keys")).to_have_attribute("aria-checked", "false")
    assert await elsewhere.evaluate(GROUND) == DARK
    await elsewhere.get_by_role("button", name="Sign out", exact=True).first.click()
    await arrive(elsewhere, house.url, "Ben")
    await elsewhere.wait_for_function(f"() => ({GROUND})() === '{LIGHT}'")


async def test_two_tabs_keep_each_others_preferences(server, visit) -> None:
    """What one tab has changed is not lost by what the other one changes later."""
    house = await server(MODULES)
    one = await visit()
    await arrive(one, house.url, "Ada")
    await one.goto(f"{house.url}/settings")
    other = await one.context.new_page()
    await other.goto(f"{house.url}/settings")
    await expect(other.get_by_role("radio", name="As the system")).to_be_checked()
    await one.get_by_role("radio", name="Dark").check()
    await saved(one, theme="dark")
    await other.get_by_role("switch", name="Single keys").click()
    await saved(one, theme="dark", keys=False)
    await expect(other.get_by_role("radio", name="Dark")).to_be_checked()


async def sign_in(page: Page, name: str) -> None:
    await page.get_by_label("Username").fill(name)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()


async def test_an_invite_names_who_invites_and_works_for_everybody(server, visit) -> None:
    """A stranger registers, who is signed in presses a button, who has an account signs in first: friends at once. Then it is revoked."""
    house = await server(MODULES)
    ada, ben, cem = await visit(), await visit(viewport=PHONE), await visit(viewport=PHONE)
    await arrive(ada, house.url, "Ada")
    await ada.goto(f"{house.url}/settings")
    link = await shown(ada, "Make an invite")
    await ben.goto(link)
    await expect(ben.get_by_text("Ada invites you.", exact=False)).to_be_visible()
    await shoot(ben, "invite-stranger")
    await ben.get_by_label("Username").fill("Ben")
    await ben.get_by_label("Password").fill(PASSWORD)
    await ben.get_by_role("button", name="Register").click()
    await expect(ben.get_by_role("link", name="Ada").locator("visible=true")).to_be_visible()
    await arrive(cem, house.url, "Cem")
    await cem.goto(link)
    await expect(cem.get_by_role("heading", name="Ada invites you")).to_be_visible()
    await shoot(cem, "invite-signed-in")
    await cem.get_by_role("button", name="Be friends with Ada").click()
    await expect(cem).to_have_url(f"{house.url}/user/Ada")
    await expect(cem.get_by_text("Ada is quiet", exact=False)).to_be_visible()
    await cem.goto(link)
    await expect(cem.get_by_text("Ada is your friend already.")).to_be_visible()
    await cem.context.clear_cookies()
    async with signed_up(house.url, "Dora"):
        await cem.goto(link)
        await cem.get_by_role("link", name="I have an account").click()
        await sign_in(cem, "Dora")
        await cem.get_by_role("button", name="Be friends with Ada").click()
        await expect(cem).to_have_url(f"{house.url}/user/Ada")
    await ada.reload()
    row = ada.get_by_role("region", name="Invites").get_by_role("listitem")
    await expect(row).to_have_text(re.compile("used 3 times"))
    assert await shown(ada, "Show the address: Made") == link
    await ada.goto(link)
    await expect(ada.get_by_text("This is your own invite.", exact=False)).to_be_visible()
    await ada.goto(f"{house.url}/settings")
    await row.get_by_role("button", name=re.compile("^Revoke")).click()
    await expect(ada.get_by_text("No invites.")).to_be_focused()
    await ben.goto(link)
    await expect(ben.get_by_text("This invite is used up, expired or unknown.", exact=False)).to_be_visible()


async def test_links_and_blocks_can_be_seen_again_and_taken_back(server, visit) -> None:
    """The address of a listen link is shown again; whom one has blocked is listed and can be unblocked."""
    house = await server(MODULES)
    ada = await visit()
    await arrive(ada, house.url, "Ada")
    async with signed_up(house.url, "Ben") as ben:
        await befriended(ada, ben)
        await ada.evaluate("fetch('/api/blocks/Ben', {method: 'PUT'})")
        await ada.goto(f"{house.url}/settings")
        link = await shown(ada, "Make a listen link")
        assert await shown(ada, "Show the address: Made") == link
        blocked = ada.get_by_role("region", name="Blocked people")
        await expect(blocked.get_by_text("Ben", exact=True)).to_be_visible()
        await shoot(ada, "settings-handed-out", full_page=True)
        await blocked.get_by_role("button", name="Unblock: Ben").click()
        await expect(blocked.get_by_text("Nobody.")).to_be_focused()
        await ben.call("POST", "/api/friend-request/send", {"username": "Ada"}, status=201)
        await expect(ada.get_by_role("button", name="Accept Ben")).to_be_visible()


async def test_errors_stand_at_their_field(server, visit) -> None:
    """What is missing, too short, taken or wrong is said beside the field, as a sentence; the field has the focus."""
    house = await server(MODULES)
    ada = await visit(viewport=PHONE)
    async with signed_up(house.url, "Ben"):
        pass
    await ada.goto(f"{house.url}/register")
    name, password = ada.get_by_label("Username"), ada.get_by_label("Password")

    async def refused(field, said: str | re.Pattern[str]) -> None:
        await ada.get_by_role("button", name="Register").click()
        await expect(field).to_have_attribute("aria-invalid", "true")
        await expect(field).to_be_focused()
        await expect(field).to_have_accessible_description(said)

    await refused(name, "Please fill this in.")
    await name.fill("a<b>\u202e")
    await password.fill(PASSWORD)
    await refused(name, re.compile("^This may have letters"))
    await name.fill("BEN")
    await refused(name, "That name is taken.")
    await shoot(ada, "register-taken")
    await name.fill("Ada")
    await password.fill("password")
    await refused(password, re.compile("^This is one of the passwords"))
    await password.fill(PASSWORD)
    await ada.get_by_role("button", name="Register").click()
    await ada.get_by_role("link", name="Open your studio").wait_for()
    await ada.goto(f"{house.url}/settings")
    await ada.get_by_label("Password now").fill("never the right one")
    await ada.get_by_label("New password").fill("a quite new one 77")
    await ada.get_by_role("button", name="Change the password").click()
    await expect(ada.get_by_label("Password now")).to_have_accessible_description("That is not your password.")


async def test_a_new_password_ends_what_its_tick_names(server, visit) -> None:
    """Tokens, listen links, invites and recovery codes are named beside the tick, and none of them is left."""
    house = await server(MODULES)
    ada = await visit()
    await arrive(ada, house.url, "Ada")
    for path, body in (
        ("tokens", {"name": "player", "scopes": ["listen"]}),
        ("listen-links", {}),
        ("invites", {}),
        ("me/recovery-codes", {"password": PASSWORD}),
    ):
        answer = await ada.request.post(f"{house.url}/api/{path}", data=body, headers={"Origin": house.url})
        assert answer.ok, await answer.text()
    await ada.goto(f"{house.url}/settings")
    await expect(ada.get_by_role("checkbox", name="Also revoke tokens, links, invites and codes")).to_be_checked()
    await ada.get_by_label("Password now").fill(PASSWORD)
    await ada.get_by_label("New password").fill("a quite new one 77")
    await ada.get_by_role("button", name="Change the password").click()
    await expect(ada.get_by_role("region", name="Note").get_by_text("The password is changed.", exact=False)).to_be_visible()
    for path in ("tokens", "listen-links", "invites"):
        assert await (await ada.request.get(f"{house.url}/api/{path}")).json() == [], path
    assert (await (await ada.request.get(f"{house.url}/api/me/recovery-codes")).json())["left"] == 0


async def test_names_and_addresses_are_as_they_are(server, visit) -> None:
    """A name is written as its owner wrote it, also in the address; an address that leads nowhere is a page, signed in or not."""
    house = await server(MODULES)
    ada = await visit()
    await ada.goto(f"{house.url}/no/where")
    await expect(ada.get_by_role("heading", name="Nothing here")).to_be_visible()
    await arrive(ada, house.url, "Ada")
    await ada.goto(f"{house.url}/no/where")
    await expect(ada.get_by_role("heading", name="Nothing here")).to_be_visible()
    await expect(ada.get_by_role("link", name="Library")).to_be_visible()
    async with signed_up(house.url, "BenJamin"):
        await ada.goto(f"{house.url}/user/benjamin")
        await expect(ada).to_have_url(f"{house.url}/user/BenJamin")
        await expect(ada.get_by_role("heading", name="BenJamin")).to_be_visible()


async def test_a_session_that_has_ended_leads_back(server, visit) -> None:
    """On any page, by the socket's end alone: the sign-in page says why, and leads back to where one was."""
    house = await server(MODULES)
    ada = await visit()
    await arrive(ada, house.url, "Ada")
    for place in ("settings", "studio", "library", "user/Nobody"):
        await ada.goto(f"{house.url}/{place}")
        await ada.locator("main h1").wait_for()
        other = await ada.context.browser.new_context(ignore_https_errors=True, storage_state=await ada.context.storage_state())
        headers = {"Origin": house.url}
        assert (await other.request.post(f"{house.url}/api/logout", headers=headers)).status == 204
        await other.close()
        await expect(ada).to_have_url(f"{house.url}/login?next=%2F{place.replace('/', '%2F')}")
        await expect(ada.get_by_text("You were signed out.", exact=False).first).to_be_visible()
        await sign_in(ada, "Ada")
        await expect(ada).to_have_url(f"{house.url}/{place}")
