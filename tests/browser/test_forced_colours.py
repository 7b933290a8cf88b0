"""The core of the page in the colours that a person forces: all can be read, and every sign is there still."""

import re
from io import BytesIO

import pytest
from PIL import Image
from playwright.async_api import Locator, Page, expect

from tests.browser.accessible import DESK, PHONE, inspected
from tests.browser.listening import listening
from tests.browser.people import register, shoot, watched
from tests.browser.recorded import QUICK, cleaned, until
from tests.browser.test_axe import ASK
from tests.browser.test_packing import ACCEPT

FORCED = {"forced_colors": "active", "reduced_motion": "reduce"}
# What text has too little contrast in the colours that are in force, by axe-core.
FAINT = """async () => {
  const { violations } = await axe.run(document, { runOnly: ["color-contrast"], resultTypes: ["violations"] });
  return violations.flatMap(({ nodes }) => nodes.map(({ html, failureSummary }) => `${html.slice(0, 160)} ${failureSummary}`));
}"""
IN_FORCE = "() => matchMedia('(forced-colors: active)').matches"
# The colour of the page, as three numbers, of the dot of LIVE, and of the line around what has the focus.
GROUND = "getComputedStyle(document.documentElement).backgroundColor"
DOT = "(badge) => getComputedStyle(badge, '::before').backgroundColor"
OUTLINE = """(element) => {
  const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(element);
  return [outlineStyle, outlineWidth, outlineColor];
}"""
# Whether a drawn point of the ribbon differs well from the page, in one of red, green and blue.
DRAWN = """() => {
  const canvas = document.querySelector("canvas.ribbon");
  const ground = getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g).map(Number);
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  for (let at = 0; at < data.length; at += 4) {
    if (data[at + 3] > 200 && ground.some((part, index) => Math.abs(data[at + index] - part) > 100)) return true;
  }
  return false;
}"""
MUTE = re.compile("^(Mute|Unmute)$")


async def readable(page: Page, says: str, *controls: tuple[str, str]) -> None:
    """The page says this in words that can be read, and shows these controls by role and name, none of them blank."""
    assert await page.evaluate(IN_FORCE)
    await expect(page.get_by_role("main").get_by_text(says).locator("visible=true").first).to_be_visible()
    for role, name in controls:
        control = page.get_by_role(role, name=name, exact=True).locator("visible=true").first  # type: ignore[arg-type]
        await expect(control).to_be_visible()
        assert await colours(control) > 1, f"{role} {name} is blank"
    assert not (faint := await page.evaluate(FAINT)), "\n".join(faint)


async def colours(control: Locator) -> int:
    """How many colours its picture has, of the few that a person forces and what lies between them at the edges of letters."""
    found = Image.open(BytesIO(await picture(control))).convert("RGB").getcolors(1 << 20)
    return len(found or ())


async def picture(control: Locator) -> bytes:
    """How it looks while neither the mouse nor the focus is on it."""
    await control.page.mouse.move(0, 0)
    await control.page.evaluate("() => document.activeElement?.blur()")
    return await control.screenshot(animations="disabled")


async def switched(control: Locator, attribute: str, before: str, after: str) -> None:
    """Press it: it says so by its attribute, and looks otherwise than before."""
    await expect(control).to_have_attribute(attribute, before)
    was = await picture(control)
    await control.click()
    await expect(control).to_have_attribute(attribute, after)
    assert await picture(control) != was, f"{attribute} cannot be seen"


async def signs(page: Page) -> None:
    """The dot of LIVE is filled, the sound is drawn, and the focus has a line around it."""
    ground = await page.evaluate(GROUND)
    dot = page.get_by_role("main").get_by_text("LIVE", exact=True).locator("visible=true").first
    assert await dot.evaluate(DOT) not in (ground, "rgba(0, 0, 0, 0)")
    await until(page, DRAWN)
    button = page.get_by_role("button", name=re.compile("^Stop (Streaming|Listening)$")).locator("visible=true").first
    await page.get_by_role("heading", level=1).focus()
    while not await button.evaluate("(element) => element === document.activeElement"):
        await page.keyboard.press("Tab")
    style, width, colour = await button.evaluate(OUTLINE)
    assert (style, width) == ("solid", "2px") and colour != ground


async def test_the_studio_in_forced_colours(server, visit) -> None:
    """On a dark phone: before Start, live, with each switch off in turn, and after the end, with its recording."""
    house = await server(QUICK)
    ada = await inspected(await visit(viewport=PHONE, color_scheme="dark", **FORCED))
    await register(ada, house.url, "Ada")
    await readable(ada, "Your broadcast will be recorded.", ("button", "Start Streaming"), ("textbox", "Title"))
    await ada.get_by_role("button", name="Start Streaming").click()
    await cleaned(ada)
    denoise, mute, record = ("switch", "Denoise"), ("button", "Mute"), ("switch", "Record")
    await readable(ada, "Friends hear you clean, by RNNoise.", ("button", "Stop Streaming"), denoise, mute, record)
    await signs(ada)
    await shoot(ada, "forced-studio")
    await switched(ada.get_by_role("switch", name="Denoise"), "aria-checked", "true", "false")
    await readable(ada, "Friends hear you raw: Denoise is off.", denoise)
    await switched(ada.get_by_role("switch", name="Denoise"), "aria-checked", "false", "true")
    await switched(ada.get_by_role("button", name=MUTE), "aria-pressed", "false", "true")
    await readable(ada, "Friends hear silence.")
    await switched(ada.get_by_role("button", name=MUTE), "aria-pressed", "true", "false")
    await switched(ada.get_by_role("switch", name="Record"), "aria-checked", "true", "false")
    await readable(ada, "This is not recorded.", record)
    await ada.get_by_role("button", name="Stop Streaming").click()
    play = ada.get_by_role("button", name=re.compile("^Play Today")).first
    await expect(play).to_be_enabled(timeout=60_000)
    await readable(ada, "Your broadcast will be recorded.", ("button", "Start Streaming"))
    assert await colours(play) > 1


@pytest.mark.parametrize(("scheme", "size"), [("dark", PHONE), pytest.param("light", DESK, marks=pytest.mark.slow)])
async def test_listening_in_forced_colours(server, visit, scheme: str, size: dict[str, int]) -> None:
    """A friend on air: at home, before and while one listens, Clean and Raw, muted, and after the end."""
    house = await server(QUICK)
    ada, ben = await visit(), await inspected(await watched(await visit(viewport=size, color_scheme=scheme, **FORCED)))
    await register(ada, house.url, "Ada")
    await register(ben, house.url, "Ben")
    await ada.evaluate(ASK, "Ben")
    await ben.evaluate(ACCEPT)
    await ada.get_by_role("textbox", name="Title").fill("Evening")
    await ada.get_by_role("button", name="Start Streaming").click()
    await cleaned(ada)
    await ben.goto(house.url)
    await readable(ben, "Evening", ("heading", "Ada is on air"))
    await shoot(ben, f"forced-home-{scheme}")
    await ben.goto(f"{house.url}/user/Ada")
    await readable(ben, "Ada is on air. Press Start Listening to hear.", ("button", "Start Listening"), ("heading", "Ada"))
    await listening(ben)
    choices = ("radio", "Clean"), ("radio", "Raw")
    clean, raw = (ben.locator("label").filter(has=ben.get_by_role("radio", name=name)) for _, name in choices)
    await expect(ben.get_by_role("radio", name="Clean")).to_be_checked()
    await readable(ben, "You hear Ada, cleaned.", ("button", "Stop Listening"))
    await signs(ben)
    await shoot(ben, f"forced-listener-{scheme}")
    chosen, other = await picture(clean), await picture(raw)
    await ben.get_by_role("radio", name="Raw").check()
    await readable(ben, "You hear Ada raw, as you have chosen.")
    assert await picture(clean) != chosen and await picture(raw) != other, "what is chosen cannot be seen"
    await ada.get_by_role("button", name="Mute").click()
    await readable(ben, "Ada is muted. There is nothing to hear until that ends.")
    await ada.get_by_role("button", name="Stop Streaming").click()
    await readable(ben, "Ada has stopped. If Ada goes on now, you hear it.", ("button", "Stop Listening"))
