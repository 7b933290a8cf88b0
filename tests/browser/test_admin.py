"""The owner's page, a reset link, recovery codes: as people use them."""

import re
from typing import Any

from playwright.async_api import Page, expect

from tests.browser.accessible import faults, inspected
from tests.browser.people import register
from tests.browser.test_home import MODULES
from tests.support.people import PASSWORD as FIRST

PASSWORD = "another horse battery"


async def act(page: Page, name: str, what: str, yes: str) -> None:
    """Choose from somebody's menu, and confirm."""
    await page.get_by_label(f"What to do with {name}").click()
    await page.get_by_role("button", name=what, exact=True).click()
    await page.get_by_role("dialog").get_by_role("button", name=yes, exact=True).click()


async def test_the_owner_looks_after_an_account(server: Any, visit: Any) -> None:
    """Finds it, resets its password by a link, suspends it (its broadcast ends, its sockets close), and reads what was done."""
    house = await server({"denoise.default": "passthrough"})
    owner, ben = await inspected(await visit()), await visit()
    await register(owner, house.url, "Ada")
    await register(ben, house.url, "Ben")
    closed: list[str] = []
    ben.on("websocket", lambda socket: socket.on("close", lambda _: closed.append(socket.url)))
    await ben.reload()
    await ben.get_by_role("button", name="Start Streaming").click()
    await expect(ben.get_by_role("button", name="Stop Streaming")).to_be_visible()
    assert await ben.get_by_role("link", name="Server", exact=True).count() == 0

    await owner.get_by_role("link", name="Server", exact=True).click()
    await owner.get_by_label("Part of a name").fill("be")
    accounts = owner.get_by_role("list", name="Accounts")
    await expect(accounts.get_by_role("listitem")).to_have_count(1)
    await expect(owner.get_by_role("region", name="On air")).to_contain_text("Ben")
    await owner.get_by_label("What to do with Ben").click()
    assert await faults(owner, "admin") == []
    await owner.keyboard.press("Escape")
    await act(owner, "Ben", "Reset the password", "Make the link")
    url = await owner.get_by_role("textbox", name="The link").input_value()
    await owner.get_by_role("button", name="Close", exact=True).click()
    menu = accounts.get_by_label("What to do with Ben")
    await expect(menu).to_be_focused()

    await act(owner, "Ben", "Suspend", "Suspend")
    await expect(accounts).to_contain_text("Suspended")
    await expect(menu).to_be_focused()
    await expect(ben.get_by_role("button", name="Log in")).to_be_visible()
    assert any("/ws/presence" in each for each in closed)
    await expect(owner.get_by_role("region", name="On air")).to_contain_text("Nobody is on air.")
    log = owner.get_by_role("region", name="What was done").get_by_role("listitem")
    await expect(log).to_contain_text(["Ada suspended Ben", "Ada made a reset link for Ben"])
    await act(owner, "Ben", "Lift the suspension", "Lift it")
    await expect(log.first).to_contain_text("Ada let Ben in again")

    guest = await inspected(await visit())
    await guest.goto(url)
    await expect(guest.get_by_text("For the account Ben.")).to_be_visible()
    assert await faults(guest, "reset") == []
    await guest.get_by_label("New password").fill(PASSWORD)
    await guest.get_by_role("button", name="Set the password").click()
    await guest.get_by_label("Username").fill("Ben")
    await guest.get_by_label("Password", exact=True).fill(PASSWORD)
    await guest.get_by_role("button", name="Log in").click()
    await expect(guest.get_by_role("link", name="Open your studio")).to_be_visible()
    lost = await guest.goto(f"{house.url}/admin")
    assert lost is not None and lost.status == 404
    await expect(guest.get_by_role("heading", name="Nothing here")).to_be_visible()

    await act(owner, "Ben", "Reset the password", "Make the link")
    await owner.goto(await owner.get_by_role("textbox", name="The link").input_value())
    await owner.get_by_label("New password").fill(PASSWORD)
    await owner.get_by_role("button", name="Set the password").click()
    await expect(owner.get_by_role("region", name="Note").get_by_text("The password is set.")).to_be_visible()
    await expect(owner.get_by_role("link", name="Open your studio")).to_be_visible()  # Ada stays signed in


async def test_an_owner_who_leaves_names_the_next(server: Any, visit: Any) -> None:
    """What is wrong with the next owner stands at that field; with a right one the account is gone and the server is handed over."""
    house = await server(MODULES)
    owner, ben = await inspected(await visit()), await visit()
    await register(owner, house.url, "Ada")
    await register(ben, house.url, "Ben")
    await owner.get_by_role("link", name="Settings").click()
    await owner.get_by_role("button", name="Delete my account").click()
    dialog = owner.get_by_role("dialog")
    after = dialog.get_by_label("Next owner")
    await dialog.get_by_label("Password").fill(FIRST)
    for name, why in (("", "Others have accounts here."), ("Nobody", "There is nobody of that name here."), ("x", re.compile("^This "))):
        await after.fill(name)
        await dialog.get_by_role("button", name="Delete everything").click()
        await expect(dialog.get_by_text(why)).to_be_visible()
        await expect(after).to_be_focused()
        await expect(after).to_have_attribute("aria-invalid", "true")
    assert await faults(owner, "leaving") == []
    await after.fill("Ben")
    await dialog.get_by_role("button", name="Delete everything").click()
    await expect(owner.get_by_role("button", name="Log in")).to_be_visible()
    await ben.reload()
    await expect(ben.get_by_role("link", name="Server", exact=True)).to_be_visible()


async def test_the_owners_page_comes_when_the_server_is_back(server: Any, visit: Any) -> None:
    """Opened while nothing is reached it says so, and is there as soon as it can be; what it shows is asked for again by itself."""
    house = await server(MODULES)
    owner = await visit()
    await owner.clock.install()
    await register(owner, house.url, "Ada")
    await owner.context.set_offline(True)
    await owner.get_by_role("link", name="Server", exact=True).click()
    main = owner.get_by_role("main")
    away = main.get_by_text("The server does not answer. Trying again.")
    await expect(away).to_be_visible()
    await owner.context.set_offline(False)
    await expect(main.get_by_role("list", name="Accounts").get_by_role("listitem")).to_have_count(1, timeout=30_000)
    await expect(away).to_have_count(0)
    async with owner.expect_response("**/api/admin/live") as answer:
        await owner.clock.fast_forward(16_000)
    assert (await answer.value).status == 200


async def test_recovery_codes_let_somebody_in(server: Any, visit: Any) -> None:
    """Made in the settings with the password; one of them sets a new one at the sign-in page, once."""
    house = await server({"denoise.default": "passthrough"})
    page = await visit()
    await register(page, house.url, "Ada")
    await page.get_by_role("link", name="Settings").click()
    await page.get_by_role("button", name="Make ten codes").click()
    await page.get_by_role("dialog").get_by_label("Password").fill(FIRST)
    await page.get_by_role("button", name="Make them").click()
    made = page.get_by_role("dialog").get_by_role("listitem")
    await expect(made).to_have_count(10)
    codes = await made.all_inner_texts()
    assert len(set(codes)) == 10
    await page.get_by_role("button", name="Close", exact=True).click()
    await expect(page.get_by_text("10 of 10 are unused.")).to_be_visible()
    guest = await visit(f"{house.url}/login")
    await guest.get_by_role("link", name="Use a recovery code").click()
    for wanted in ("Log in", "Open your studio"):
        await guest.get_by_label("Username").fill("Ada")
        await guest.get_by_label("Recovery code").fill(codes[0] if wanted != "Log in" else "wrong")
        await guest.get_by_label("New password").fill(PASSWORD)
        await guest.get_by_role("button", name="Set the password").click()
        if wanted == "Log in":
            await expect(guest.get_by_text("Name or recovery code is wrong")).to_be_visible()
    await expect(guest.get_by_role("link", name="Open your studio")).to_be_visible()
