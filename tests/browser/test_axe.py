"""axe-core finds nothing on the pages that need nobody on air: at the door, of a user with and without friends."""

from contextlib import AsyncExitStack

from playwright.async_api import Page, expect

from tests.browser.accessible import faults, inspected
from tests.browser.people import register
from tests.support.people import signed_up

ASK = """(username) => fetch('/api/friend-request/send', {
  method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ username }),
}).then((response) => response.json()).then(({ id }) => id)"""


async def went(page: Page, url: str) -> None:
    await page.goto(url)
    await page.locator("main h1").wait_for()


async def test_at_the_door(server, visit) -> None:
    """Signing in, registering, both with what was refused, and an address that leads nowhere."""
    house = await server()
    page = await inspected(await visit())
    found = []
    for place in ("login", "register"):
        await went(page, f"{house.url}/{place}")
        found += await faults(page, place)
    await page.get_by_label("Username").fill("Ada")
    await page.get_by_label("Password").fill("short")
    await page.get_by_role("button", name="Register").click()
    await expect(page.get_by_label("Password")).to_have_attribute("aria-invalid", "true")
    found += await faults(page, "register, refused")
    await went(page, f"{house.url}/login")
    await page.get_by_label("Username").fill("Ada")
    await page.get_by_label("Password").fill("never the right one")
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_text("Name or password is wrong.")).to_be_visible()
    found += await faults(page, "login, refused")
    assert not found, "\n".join(found)


async def test_the_pages_of_somebody_alone(server, visit) -> None:
    """Every page of a new account, a stranger's page, the search, what dialogs ask, the keys, and an address that leads nowhere."""
    house = await server()
    page = await inspected(await visit())
    async with signed_up(house.url, "Ben"):
        await register(page, house.url, "Ada")
        found = await faults(page, "studio")
        for place in (
            "",
            "#friends",
            "library",
            "settings",
            "search",
            "search?q=ben",
            "search?q=nobody",
            "user/Ben",
            "user/Nobody",
            "doctor",
            "else",
        ):
            await page.goto("about:blank")  # so that a change of the fragment is a load as well
            await went(page, f"{house.url}/{place}")
            await page.wait_for_load_state("networkidle")
            found += await faults(page, place or "home")
        await went(page, f"{house.url}/library")
        await page.keyboard.press("?")
        await expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
        found += await faults(page, "keys")
        await page.keyboard.press("Escape")
        await page.get_by_role("button", name="Invite a friend").first.click()
        await expect(page.get_by_role("dialog")).to_be_visible()
        found += await faults(page, "invite")
        await went(page, f"{house.url}/settings")
        await page.get_by_role("button", name="Make a listen link").click()
        await expect(page.get_by_role("dialog")).to_be_visible()
        found += await faults(page, "a new link")
        await page.get_by_role("button", name="Close").click()
        found += await faults(page, "settings with a link")
        await page.get_by_role("button", name="Delete my account").click()
        await expect(page.get_by_role("dialog")).to_be_visible()
        found += await faults(page, "deleting the account")
    assert not found, "\n".join(found)


async def test_the_pages_of_somebody_with_friends(server, visit) -> None:
    """24 friends and three who ask: beside every page, as a page of its own, and a friend who is quiet."""
    house = await server()
    page = await inspected(await visit())
    await register(page, house.url, "Ada")
    async with AsyncExitStack() as stack:
        for number in range(24):
            friend = await stack.enter_async_context(signed_up(house.url, f"Friend_with_a_long_name_{number:02}"))
            asked = await page.evaluate(ASK, friend.name)
            await friend.call("POST", f"/api/friend-request/{asked}/respond", {"action": "accept"})
        for name in ("Ben", "Cem", "Dora"):
            asker = await stack.enter_async_context(signed_up(house.url, name))
            await asker.call("POST", "/api/friend-request/send", {"username": "Ada"})
        waiting = await stack.enter_async_context(signed_up(house.url, "Eva"))
        await page.evaluate(ASK, waiting.name)
        found = []
        for place in ("", "#friends", "user/Friend_with_a_long_name_03", "user/Ben", "user/Eva", "search?q=e"):
            await page.goto("about:blank")
            await went(page, f"{house.url}/{place}")
            await page.wait_for_load_state("networkidle")
            found += await faults(page, f"24 friends, {place or 'home'}")
        await went(page, f"{house.url}/user/Friend_with_a_long_name_03")
        await page.get_by_role("button", name="Remove from friends").click()
        await expect(page.get_by_role("dialog")).to_be_visible()
        found += await faults(page, "removing a friend")
    assert not found, "\n".join(found)


async def test_an_invite(server, visit) -> None:
    """Its page for somebody without an account and for somebody with one; and one that is not good."""
    house = await server()
    found = []
    async with signed_up(house.url, "Ada") as ada:
        url = house.url + (await ada.call("POST", "/api/invites", {}))["url"]
    guest, ben = await inspected(await visit()), await inspected(await visit())
    await went(guest, url)
    await expect(guest.get_by_text("Ada", exact=False).first).to_be_visible()
    found += await faults(guest, "an invite, without an account")
    await went(guest, f"{house.url}/register?invite=wrong")
    await expect(guest.get_by_role("alert").first).not_to_be_empty()
    found += await faults(guest, "a wrong invite")
    await register(ben, house.url, "Ben")
    await went(ben, url)
    await expect(ben.get_by_text("Ada", exact=False).first).to_be_visible()
    found += await faults(ben, "an invite, with an account")
    assert not found, "\n".join(found)
