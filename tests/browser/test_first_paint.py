"""What is seen before a script has run, and what comes over what is seen: the theme, and the notes at the bottom."""

from playwright.async_api import Page, expect

from tests.browser.people import arrive, register, shoot
from tests.browser.test_home import MODULES

DESK, PHONE = {"width": 1280, "height": 800}, {"width": 360, "height": 640}
GROUND = "() => getComputedStyle(document.documentElement).backgroundColor"
DARK, LIGHT = "rgb(20, 19, 18)", "rgb(247, 244, 238)"
# How far the last control of the page reaches below what lies at the bottom, in px; and whether what has the focus can be seen.
COVERED = """() => {
  const last = [...document.querySelectorAll("main button, main a")].filter((each) => each.offsetParent !== null).at(-1);
  return last.getBoundingClientRect().bottom - document.querySelector(".bottom").getBoundingClientRect().top;
}"""
NOTE = "main .topic button"
# Each list of the settings has come: with rows, or with the word that there are none.
LISTED = """() => [...document.querySelectorAll("main .plain-list")].every(
  (each) => each.children.length || each.nextElementSibling.checkVisibility())"""


async def chosen(page: Page, theme: str) -> None:
    await page.get_by_role("radio", name=theme).check()
    await expect(page.get_by_role("radio", name=theme)).to_be_checked()


async def test_the_theme_is_there_before_a_script_runs(server, visit) -> None:
    """The chosen colours are in the page that the server sends, and nothing is left of them when the system's are chosen again."""
    house = await server()
    page = await visit(color_scheme="light")
    await arrive(page, house.url, "Ada")
    assert await page.evaluate(GROUND) == LIGHT
    await page.get_by_role("link", name="Settings").locator("visible=true").click()
    await chosen(page, "Dark")
    await page.route("**/dist/*.js", lambda route: route.abort())
    for place in ("/", "/settings", "/nowhere"):
        await page.goto(house.url + place)
        assert await page.locator("main").count() == 0  # no script has made the page
        assert await page.evaluate(GROUND) == DARK
    await page.unroute("**/dist/*.js")
    await page.goto(f"{house.url}/settings")
    await chosen(page, "Light")
    await page.emulate_media(color_scheme="dark")
    await page.route("**/dist/*.js", lambda route: route.abort())
    await page.goto(house.url)
    assert await page.evaluate(GROUND) == LIGHT
    await page.unroute("**/dist/*.js")
    await page.goto(f"{house.url}/settings")
    await chosen(page, "As the system")
    assert not [cookie for cookie in await page.context.cookies() if cookie["name"] == "theme"]
    await page.reload()
    await expect(page.get_by_role("heading", name="Settings")).to_be_visible()
    assert await page.evaluate(GROUND) == DARK


async def test_a_note_covers_neither_the_end_nor_the_focus(server, visit) -> None:
    """What was seen at the end of the page is moved above a note that comes, and what has the focus as well."""
    house = await server(MODULES)
    page = await visit()
    await register(page, house.url, "Ada")
    await page.goto(f"{house.url}/settings")
    await expect(page.get_by_role("button", name="Delete my account")).to_be_visible()
    await page.wait_for_function(LISTED)  # a list that comes later moves the end away from where it was seen
    for size in (DESK, PHONE):
        await page.set_viewport_size(size)  # type: ignore[arg-type]
        await page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        assert await page.evaluate(COVERED) <= 0
        await page.route("**/api/invites", lambda route: route.abort())
        await page.evaluate(
            f"document.querySelectorAll('{NOTE}').forEach((each) => /Make an invite/.test(each.textContent) && each.click())"
        )
        await expect(page.get_by_role("region", name="Note")).to_be_visible()
        await page.wait_for_timeout(200)
        assert await page.evaluate(COVERED) <= 0, size
        await shoot(page, f"note-{size['width']}")
        await page.get_by_role("button", name="Close this note").click()
        low = page.get_by_role("button", name="Make an invite")
        await low.evaluate("(button) => scrollBy(0, button.getBoundingClientRect().bottom - innerHeight + 4)")
        await low.focus()
        await low.press("Enter")
        await expect(page.get_by_role("region", name="Note")).to_be_visible()
        await page.wait_for_timeout(200)
        under = await low.evaluate(
            "(b) => b.getBoundingClientRect().bottom - document.querySelector('.bottom').getBoundingClientRect().top"
        )
        assert under <= 0, size
        await page.get_by_role("button", name="Close this note").click()
        await page.unroute("**/api/invites")
