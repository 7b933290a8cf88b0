"""How it looks and is operated: widths, targets, names, states; photographed for people to judge."""

import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.people import befriend, register, shoot
from tests.support.running import ROOT

PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 800}
PLACES = ("", "studio", "#friends", "library", "settings", "search?q=ben", "user/Nobody")
TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
TOO_SMALL = """() => [...document.querySelectorAll(
    "button, select, input:not([type=radio], [type=checkbox]), a[href], summary, [role=slider]")]
  .filter((e) => e.checkVisibility() && !e.closest("p, .skip") && e.getBoundingClientRect().height < 43.5)
  .map((e) => e.outerHTML.slice(0, 120))"""
TOO_NARROW = """() => [...document.querySelectorAll("input:not([type=radio], [type=checkbox], [type=range], [type=number])")]
  .filter((e) => e.checkVisibility() && e.clientWidth < 4 * parseFloat(getComputedStyle(e).fontSize))
  .map((e) => e.outerHTML.slice(0, 120))"""
NAMELESS = """() => [...document.querySelectorAll("button, a[href], input, select, [role]")].filter((e) => e.checkVisibility())
  .filter((e) => !e.textContent.trim() && !e.getAttribute("aria-label") && !e.getAttribute("aria-labelledby")
    && !e.labels?.length && !["status", "timer", "alert"].includes(e.role))
  .map((e) => e.outerHTML.slice(0, 120))"""


async def test_no_page_scrolls_sideways_and_every_target_can_be_hit(server, visit) -> None:
    """At 320 px, and with text of 200 %, nothing is wider than the screen or too narrow; all targets are 44 high and have a name."""
    house = await server()
    page = await visit(viewport={"width": 320, "height": 640})
    await register(page, house.url, "Ada_with_a_rather_long_name_1234")
    for place in PLACES:
        await page.goto(f"{house.url}/{place}")
        await page.locator("main h1").wait_for()
        for width, size in ((320, "100%"), (360, "200%"), (1280, "200%"), (1280, "100%")):
            await page.set_viewport_size({"width": width, "height": 740})
            await page.evaluate("(size) => { document.documentElement.style.fontSize = size }", size)
            assert await page.evaluate(TOO_WIDE) <= 0, (place, width, size)
            assert not await page.evaluate(TOO_SMALL), (place, width)
            assert not await page.evaluate(TOO_NARROW), (place, width, size)
            assert not await page.evaluate(NAMELESS), (place, width)


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_the_pages_are_photographed(server, visit, theme: str) -> None:
    """Every first page, wide and narrow, in both themes, for a reader of five seconds."""
    house = await server()
    page = await visit(viewport=DESK, color_scheme=theme)
    await page.goto(f"{house.url}/register")
    await shoot(page, f"register-{theme}")
    await register(page, house.url, "Ada")
    for name, size in (("desk", DESK), ("phone", PHONE)):
        await page.set_viewport_size(size)
        for place in ("", "studio", "#friends", "library", "settings"):
            await page.goto(f"{house.url}/{place}")
            await page.locator("main h1").wait_for()
            await shoot(page, f"{place.strip('#') or 'home'}-{name}-{theme}")


@pytest.mark.parametrize("options", [{"forced_colors": "active"}, {"reduced_motion": "reduce"}], ids=["forced-colors", "reduced-motion"])
async def test_forced_colours_and_less_motion_keep_the_page_whole(server, visit, options: dict[str, Any]) -> None:
    """With the person's own colours, or without motion, one can still go on air and off."""
    house = await server()
    page = await visit(viewport=PHONE, **options)
    await register(page, house.url, "Ada")
    await page.get_by_role("button", name="Start Streaming").click()
    await expect(page.get_by_role("switch", name="Denoise")).to_be_visible()
    await shoot(page, f"live-{next(iter(options)).replace('_', '-')}")
    await page.get_by_role("button", name="Stop Streaming").click()
    await expect(page.get_by_role("button", name="Start Streaming")).to_be_visible()


FAILURES = {
    "NotAllowedError": "The microphone is not allowed here",
    "NotFoundError": "No microphone found",
    "NotReadableError": "The microphone does not open",
}


@pytest.mark.parametrize("name", FAILURES)
async def test_a_microphone_that_does_not_open_is_explained(server, visit, name: str) -> None:
    """What the browser refuses becomes a sentence with what to do; Start cannot be pressed, and trying again can."""
    house = await server()
    page = await visit(viewport=PHONE)
    await page.add_init_script(f"navigator.mediaDevices.getUserMedia = async () => {{ throw new DOMException('', '{name}') }}")
    await register(page, house.url, "Ada")
    await expect(page.get_by_text(FAILURES[name], exact=False)).to_be_visible()
    await expect(page.get_by_role("button", name="Start Streaming")).to_be_disabled()
    await page.get_by_role("button", name="Try again").click()
    await expect(page.get_by_text(FAILURES[name], exact=False)).to_be_visible()
    await shoot(page, f"microphone-{name.removesuffix('Error').lower()}")


async def test_without_https_the_page_says_why_there_is_no_microphone(server, visit) -> None:
    """An address without HTTPS gives no microphone: the page says so, and that listening works."""
    house = await server()
    page = await visit(viewport=PHONE)
    await page.add_init_script("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
    await register(page, house.url, "Ada")
    await expect(page.get_by_text("This address has no HTTPS", exact=False)).to_be_visible()
    await expect(page.get_by_role("button", name="Start Streaming")).to_be_disabled()
    await shoot(page, "no-https")


async def test_an_unplugged_and_a_silent_microphone_are_told(server, visit) -> None:
    """Five seconds of digital silence ask about the headset; a track that ends says unplugged."""
    house = await server()
    page = await visit(viewport=PHONE)
    await page.add_init_script("""
      navigator.mediaDevices.getUserMedia = async () => {
        const context = new AudioContext();
        const out = context.createMediaStreamDestination();
        window.__track = out.stream.getAudioTracks()[0];
        return out.stream;
      };""")
    await register(page, house.url, "Ada")
    await expect(page.get_by_text("We hear nothing. Is it muted on the headset?")).to_be_visible(timeout=20_000)
    await shoot(page, "silent")
    await page.evaluate("""() => {
      navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("", "NotFoundError"); };
      window.__track.dispatchEvent(new Event("ended"));
    }""")
    await expect(page.get_by_text("The microphone was unplugged. Plug it in", exact=False)).to_be_visible()


async def tabbed(page: Page, name: str, role: str = "button") -> None:
    """Press Tab until the named control has the focus; at most forty times."""
    wanted = page.get_by_role(role, name=name)  # type: ignore[arg-type]
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await wanted.evaluate("(element) => element === document.activeElement"):
            return
    raise AssertionError(f"{name} cannot be reached by Tab")


async def test_all_of_it_works_by_keyboard(server, visit) -> None:
    """Skip link first; Start, Denoise by its key, Mute by its key, help by `?`, Stop: no mouse anywhere."""
    house = await server()
    page = await visit(viewport=DESK)
    await register(page, house.url, "Ada")
    await page.reload()
    await expect(page.get_by_role("button", name="Start Streaming")).to_be_visible()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    await tabbed(page, "Start Streaming")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("switch", name="Denoise")).to_be_enabled()
    await page.keyboard.press("d")
    await expect(page.get_by_role("switch", name="Denoise")).to_have_attribute("aria-checked", "false")
    await page.keyboard.press("m")
    await expect(page.get_by_role("button", name="Mute")).to_have_attribute("aria-pressed", "true")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await tabbed(page, "Stop Streaming")
    await page.keyboard.press("Space")
    await expect(page.get_by_role("button", name="Start Streaming")).to_be_visible()


async def test_the_readme_shows_the_page_as_it_is(server, visit) -> None:
    """What docs/screenshot.png shows is made here, while somebody talks and a friend listens."""
    house = await server()
    ada = await visit(viewport=DESK)
    ben = await visit(viewport=DESK)
    await register(ada, house.url, "Ada")
    await register(ben, house.url, "Ben")
    await befriend(ben, ada, "Ada")
    await ada.get_by_role("textbox", name="Title").fill("Fan on, window open")
    await ada.get_by_role("button", name="Start Streaming").click()
    await ben.goto(f"{house.url}/user/Ada")
    await ben.get_by_role("button", name="Start Listening").click()
    await expect(ada.get_by_text("Ben can hear you.")).to_be_visible()
    denoise = ada.get_by_role("switch", name="Denoise")
    await denoise.click()
    await expect(ada.get_by_role("timer")).to_have_text(re.compile(r"0:(0[6-9]|1\d)"), timeout=20_000)
    await denoise.click()
    await expect(ada.get_by_role("timer")).to_have_text(re.compile(r"0:(09|1\d)"), timeout=20_000)
    shown = await shoot(ada, "screenshot")
    await ada.get_by_role("button", name="Stop Streaming").click()
    await expect(ada.get_by_role("button", name="Start Streaming")).to_be_visible()
    assert shown.stat().st_size > 10_000
    assert (ROOT / "docs" / "screenshot.png").is_file(), f"copy {shown.name} from var/reports to docs/"
