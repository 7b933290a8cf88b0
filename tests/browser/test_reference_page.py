"""The page /api in a browser: readable in light and dark, on a phone and a desk, by its links and its search."""

from playwright.async_api import expect

from tests.browser.accessible import faults, inspected


async def test_it_is_read_and_searched(server, visit) -> None:
    """axe-core finds nothing; nothing is wider than a phone; a search leads to one route, and its struct's link to the struct."""
    house = await server()
    page = await inspected(await visit())
    await page.goto(f"{house.url}/api")
    found = await faults(page, "interface")
    assert not found, "\n".join(found)
    await page.set_viewport_size({"width": 360, "height": 740})
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    colour = "getComputedStyle(document.documentElement).backgroundColor"
    assert await page.evaluate(colour) == "rgb(247, 244, 238)", "the style is allowed and in force"
    await page.emulate_media(color_scheme="dark")
    assert await page.evaluate(colour) == "rgb(20, 19, 18)"
    await page.get_by_role("searchbox").fill("wrong_code join")
    await page.get_by_role("button", name="Search").click()
    route = page.get_by_role("region", name="POST /api/companions/{id}/join")
    await expect(route).to_be_visible()
    await expect(page.locator("section")).to_have_count(1)
    await route.get_by_role("link", name="JoinedSession").click()
    await expect(page).to_have_url(f"{house.url}/api#struct_JoinedSession")
    await expect(page.locator("#struct_JoinedSession")).to_be_in_viewport()
