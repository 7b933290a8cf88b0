"""The phone beside the computer: it shows what the broadcast does, and the desk of its kind only."""

import re

from playwright.async_api import Page, expect

from tests.browser.people import register, shoot
from tests.browser.recorded import STATUS, aired, until

PHONE = {"width": 390, "height": 800}


async def started(page: Page) -> None:
    await page.get_by_role("button", name="Start Streaming").click()
    await expect(page.get_by_role("button", name="Stop Streaming")).to_be_visible()


async def link_for(page: Page, kind: str) -> str:
    """The link of a new companion session of that kind; its dialog is closed."""
    details = page.get_by_role("button", name=kind)
    if not await details.is_visible():
        await page.get_by_text("Sound details").click()
    await details.click()
    dialog = page.get_by_role("dialog", name=kind)
    link = await dialog.get_by_role("link").get_attribute("href")
    await dialog.get_by_role("button", name="Close").click()
    assert link
    return link


async def test_the_remote_mirrors_the_computer(server, visit) -> None:
    """What is switched on the computer is seen on the phone, and the other way round, also after either was loaded again; then it ends."""
    house = await server({"denoise.default": "passthrough"})
    ada = await visit(viewport={"width": 1280, "height": 800})
    await register(ada, house.url, "Ada")
    phone = await visit(await link_for(ada, "Phone as a remote"), viewport=PHONE)
    mute, denoise = phone.get_by_role("button", name="Mute"), phone.get_by_role("switch", name="Denoise")
    await expect(phone.get_by_text("You are not on air", exact=False)).to_be_visible()
    await expect(phone.get_by_role("button", name="Stop Streaming")).to_be_disabled()
    line = ada.get_by_role("main").get_by_role("status").filter(has_text=re.compile("[Yy]our phone"))
    await expect(line).to_have_text("Your phone is connected, and in use once you are on air.")
    await expect(phone.get_by_text("other device", exact=False)).to_have_count(0)
    await shoot(phone, "remote-before")
    await started(ada)
    await expect(denoise).to_have_attribute("aria-checked", "true")
    await expect(line).to_have_text("Your phone is connected.")
    await ada.get_by_role("switch", name="Denoise").click()
    await expect(denoise).to_have_attribute("aria-checked", "false")
    await ada.get_by_role("button", name="Mute").click()
    await expect(mute).to_have_attribute("aria-pressed", "true")
    await expect(phone.get_by_text("You are on air, and muted.")).to_be_visible()
    await phone.goto(re.sub("#.*", "", phone.url))  # by its cookie, without the code
    await expect(mute).to_have_attribute("aria-pressed", "true")
    await expect(denoise).to_have_attribute("aria-checked", "false")
    await expect(phone.get_by_role("group", name="Chords")).to_be_hidden()
    await shoot(phone, "remote-muted")
    await mute.click()
    await expect(mute).to_have_attribute("aria-pressed", "false")
    await expect(ada.get_by_role("button", name="Mute")).to_have_attribute("aria-pressed", "false")
    await ada.reload()
    await ada.get_by_role("button", name="Resume").click()
    await expect(ada.get_by_role("switch", name="Denoise")).to_have_attribute("aria-checked", "false")
    await denoise.click()
    await expect(ada.get_by_role("switch", name="Denoise")).to_have_attribute("aria-checked", "true")
    await expect(denoise).to_have_attribute("aria-checked", "true")
    await phone.get_by_role("button", name="Stop Streaming").click()
    await expect(phone.get_by_text("The broadcast has ended.")).to_be_visible()
    await expect(mute).to_be_disabled()
    await expect(ada.get_by_role("button", name="Start Streaming")).to_be_visible()
    await expect(line).to_have_text("Your phone is connected, and in use once you are on air.")
    await ada.close()
    await expect(phone.get_by_text("No other device is connected. Open your studio on the computer.")).to_be_visible()


async def test_a_practice_code_shows_chords_only(server, visit) -> None:
    """No Mute and no Stop there, with the code and by the cookie; chords and marks are seen on the broadcaster's page as they come."""
    house = await server({"denoise.default": "passthrough"})
    ada = await visit(viewport={"width": 1280, "height": 800})
    await register(ada, house.url, "Ada")
    phone = await visit(await link_for(ada, "Chords and practice"), viewport=PHONE)
    await expect(phone.get_by_text("nothing is kept", exact=False)).to_be_visible()
    await started(ada)
    marks = ada.get_by_role("region", name="Chords and practice")
    await expect(marks).to_be_hidden()
    await expect(phone.get_by_text("as a chapter", exact=False)).to_be_visible()
    await until(ada, f"async () => (await ({STATUS})()).recording.id !== null")  # what keeps the marks
    await aired(ada, 2)
    await phone.get_by_role("button", name="Am", exact=True).click()
    await expect(marks.get_by_text("Am").first).to_be_visible()
    await phone.get_by_role("button", name="Start practice").click()
    await expect(marks.get_by_text("Practice goes on.")).to_be_visible()
    await expect(marks.get_by_role("listitem")).to_have_count(2)
    await shoot(ada, "marks-live")
    await shoot(phone, "practice")
    await ada.reload()  # what was marked before is shown again
    await expect(marks.get_by_text("Am").first).to_be_visible()
    await expect(marks.get_by_text("Practice goes on.")).to_be_visible()
    await expect(marks.get_by_role("listitem")).to_have_count(2)
    await phone.get_by_role("button", name="End practice").click()
    await expect(marks.get_by_text("Practice has ended.")).to_be_visible()
    await phone.goto(re.sub("#.*", "", phone.url))
    await expect(phone.get_by_role("group", name="Chords")).to_be_visible()
    for name in ("Mute", "Stop Streaming"):
        await expect(phone.get_by_role("button", name=name)).to_be_hidden()
    await ada.get_by_role("button", name="Stop Streaming").click()
    await expect(phone.get_by_text("The broadcast has ended.")).to_be_visible()
    await expect(marks).to_be_hidden()


async def test_a_session_that_is_over_says_so(server, visit) -> None:
    """A new code ends the one before, and its phone says it."""
    house = await server({"denoise.default": "passthrough"})
    ada = await visit()
    await register(ada, house.url, "Ada")
    phone = await visit(await link_for(ada, "Phone as a remote"), viewport=PHONE)
    await expect(phone.get_by_role("button", name="Mute")).to_be_visible()
    await link_for(ada, "Phone as a remote")
    await expect(phone.get_by_text("This session is over.", exact=False)).to_be_visible()
    await expect(phone.get_by_role("button", name="Mute")).to_be_hidden()
