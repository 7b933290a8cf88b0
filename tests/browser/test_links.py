"""Links that the page hands out lead others here as well, whatever name it is open by itself."""

from playwright.async_api import Page, expect

from tests.browser.people import register


async def shared(page: Page, button: str) -> tuple[str, str]:
    """The link behind that button, and all that its dialog says."""
    await page.get_by_role("button", name=button).click()
    dialog = page.get_by_role("dialog")
    link, text = await dialog.get_by_role("textbox").input_value(), await dialog.inner_text()
    await dialog.get_by_role("button", name="Close").click()
    return link, text


async def test_links_lead_others_here(server, visit) -> None:
    """On this machine the page has a name of its own; invites and listen links have the public one, and phones too."""
    house = await server({"http.public_url": "https://voice.example"})
    ada = await visit()
    await register(ada, house.url, "Ada")
    link, text = await shared(ada, "Invite a friend")
    assert link.startswith("https://voice.example/register?invite=") and "certificate" not in text and "computer" not in text
    await ada.get_by_text("Sound details").click()
    await ada.get_by_role("button", name="Phone as a remote").click()
    there = ada.get_by_role("link", name="Or open this link")
    assert str(await there.get_attribute("href")).startswith("https://voice.example/join/")
    await ada.get_by_role("dialog").get_by_role("button", name="Close").click()
    await ada.get_by_role("link", name="Settings").click()
    link, _ = await shared(ada, "Make a listen link")
    assert link.startswith("https://voice.example/l/")


async def test_a_link_that_leads_nobody_here_says_so(server, visit) -> None:
    """A server that listens on this machine alone cannot be reached by a friend: the page does not pretend."""
    house = await server()
    ada = await visit()
    await register(ada, house.url, "Ada")
    link, text = await shared(ada, "Invite a friend")
    assert link.startswith(house.url) and "on this computer only" in text
    await expect(ada.get_by_role("dialog")).to_have_count(0)
