"""The whole walk by keyboard alone, and what a screen reader is given to say meanwhile: each change of state, once."""

import re

from playwright.async_api import Locator, Page, expect

from tests.browser.accessible import keep, told, transcribed
from tests.browser.recorded import until
from tests.support.people import PASSWORD

DESK = {"width": 1280, "height": 800}
MOST_STOPS = 80
TOLD = "(text) => window.__told.some((line) => line.includes(text))"
# Of what has the focus: whether it can be seen, by an outline and with nothing above it.
SEEN = """() => {
  const focused = document.activeElement;
  if (!focused || focused === document.body) return "nothing has the focus";
  const shown = focused.matches(".segment input") ? focused.nextElementSibling : focused;
  const style = getComputedStyle(shown);
  if (parseFloat(style.outlineWidth) < 2 || style.outlineStyle === "none") return `no outline: ${focused.outerHTML.slice(0, 120)}`;
  const { left, top, width, height } = shown.getBoundingClientRect();
  const spots = [[0.5, 0.5], [0.1, 0.2], [0.9, 0.8]].map(([x, y]) => document.elementFromPoint(left + x * width, top + y * height));
  const bare = spots.some((spot) => spot && (shown.contains(spot) || spot.contains(shown)));
  return bare ? "" : `hidden: ${focused.outerHTML.slice(0, 120)}`;
}"""
WHERE = "() => document.activeElement === document.body ? '' : document.activeElement.outerHTML.slice(0, 120)"


async def tabbed(page: Page, role: str, name: str | re.Pattern[str]) -> None:
    """Press Tab until the named control has the focus; each stop on the way can be seen."""
    await tabbed_to(page, page.get_by_role(role, name=name).first)  # type: ignore[arg-type]


async def tabbed_to(page: Page, wanted: Locator) -> None:
    await expect(wanted).to_be_visible()
    for _ in range(MOST_STOPS):
        await page.keyboard.press("Tab")
        trouble = await page.evaluate(SEEN)
        assert trouble in ("", "nothing has the focus"), trouble  # nothing: the browser's own controls, between the last and the first
        if await wanted.evaluate("(element) => element === document.activeElement"):
            return
    raise AssertionError(f"{wanted} cannot be reached by Tab")


async def pressed(page: Page, role: str, name: str | re.Pattern[str], key: str = "Enter") -> None:
    """Reach a control and press it; the focus does not get lost."""
    await tabbed(page, role, name)
    await page.keyboard.press(key)


async def kept(page: Page) -> None:
    """The focus is somewhere once a change has settled, not at the page's beginning."""
    await until(page, WHERE)


async def registered(page: Page, url: str, name: str) -> None:
    await page.goto(f"{url}/register")
    await tabbed_to(page, page.get_by_label("Username"))
    await page.keyboard.type(name)
    await tabbed_to(page, page.get_by_label("Password"))
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("link", name="Open your studio")).to_be_visible()


async def test_everything_works_by_keyboard_and_is_said_once(server, visit) -> None:
    """Register, befriend, start, listen, mute, stop, play a recording, rename and delete it: by Tab, Enter, Space and arrows."""
    house = await server({"denoise.default": "rnnoise", "worker.max_delay_ms": 1000})  # cleaning goes on where the machine is busy
    ada = await transcribed(await visit(viewport=DESK, reduced_motion="reduce"))
    ben = await transcribed(await visit(viewport=DESK, reduced_motion="reduce"))
    await registered(ada, house.url, "Ada")
    await registered(ben, house.url, "Ben")

    await tabbed(ben, "searchbox", "Find somebody")
    await ben.keyboard.type("Ada")
    await ben.keyboard.press("Enter")
    await pressed(ben, "button", "Ask Ada to be friends")
    await kept(ben)
    await pressed(ada, "button", "Accept Ben")
    await expect(ada.get_by_role("link", name="Ben", exact=False).first).to_be_visible()
    await kept(ada)
    await until(ada, TOLD, "Ben is your friend.")

    await pressed(ada, "link", "Open your studio")
    await pressed(ada, "button", "Start Streaming")
    await expect(ada.get_by_role("switch", name="Denoise")).to_be_enabled()
    await kept(ada)
    await until(ada, TOLD, "Friends hear you clean, by RNNoise.")  # before somebody listens, so that the order is one
    await pressed(ben, "link", re.compile("^Ada"))
    await expect(ben.get_by_role("heading", name="Ada", level=1)).to_be_focused()
    await pressed(ben, "button", "Start Listening")
    await expect(ben.get_by_role("button", name="Stop Listening")).to_be_focused()
    await expect(ada.get_by_text("Ben can hear you.")).to_be_visible()

    mute = ada.get_by_role("button", name=re.compile("^(Mute|Unmute)$"))
    await pressed(ada, "button", re.compile("^Mute$"), "Space")
    await expect(mute).to_have_attribute("aria-pressed", "true")
    await expect(mute).to_be_focused()
    await expect(ben.get_by_text("Ada is muted", exact=False).first).to_be_visible()
    await until(ben, TOLD, "Ada is muted")
    await ada.keyboard.press("Space")
    await expect(mute).to_have_attribute("aria-pressed", "false")
    await until(ada, "async () => !(await (await fetch('/api/stream/status/Ada')).json()).muted")
    await until(ben, "() => window.__told.at(-1) === 'You hear Ada, cleaned.'")
    await pressed(ada, "button", "Stop Streaming")
    await expect(ada.get_by_role("button", name="Start Streaming")).to_be_visible()
    await kept(ada)
    await pressed(ben, "button", "Stop Listening")
    await expect(ben.get_by_role("button", name="Start Listening")).to_be_hidden()
    await kept(ben)

    title = re.compile("^Play Today")
    await expect(ben.get_by_role("button", name=title)).to_be_enabled(timeout=60_000)
    await pressed(ben, "button", title)
    await expect(ben.get_by_role("region", name="Player").get_by_text(re.compile(r"^0:0[1-9] / 0:"))).to_be_visible()
    await expect(ada.get_by_role("button", name=title)).to_be_enabled(timeout=60_000)
    await tabbed(ada, "button", title)
    await tabbed(ada, "button", re.compile("^Today"))
    await ada.keyboard.press("Space")
    slider = ada.get_by_role("slider", name=re.compile("^Place in Today"))
    await tabbed(ada, "slider", re.compile("^Place in Today"))
    await ada.keyboard.press("End")
    await expect(slider).not_to_have_attribute("aria-valuenow", "0")
    await tabbed(ada, "button", re.compile("^Close the player"))
    await ada.keyboard.press("Enter")
    await kept(ada)
    await tabbed_to(ada, ada.get_by_label(re.compile("^More about Today")))
    await ada.keyboard.press("Enter")
    await pressed(ada, "button", "Change the title")
    await ada.keyboard.type("Evening")
    await ada.keyboard.press("Enter")
    await expect(ada.get_by_label("More about Evening")).to_be_focused()
    await ada.keyboard.press("Enter")
    await pressed(ada, "button", re.compile("^Delete$"))
    await expect(ada.get_by_role("button", name="Undo")).to_be_focused()
    await ada.keyboard.press("Enter")
    await expect(ada.get_by_label("More about Evening")).to_be_focused()

    await until(ada, TOLD, "Evening is back")
    keep("transcript-ada", await told(ada))
    keep("transcript-ben", await told(ben))
    lines = await told(ada)
    assert lines.count(STEADY) <= 2, lines
    assert_told([line for line in lines if line != STEADY], ADA)
    assert_told(await told(ben), BEN)


# Said once of each preview, as soon as enough was heard to know it, whatever else is said meanwhile.
STEADY = "Steady noise heard. It will be removed."
# Every change that a screen reader is given to say, in order. What begins with "?" may be left out: it lasts for a moment only.
ADA = [
    "Ben asks to be friends.",
    "Ben is your friend.",
    "?The browser asks whether the microphone may be used.",
    "?Only you see this. Nothing is sent yet.",
    "?Connecting.",
    "You are on air.",
    "?This is recorded.",
    "?Friends hear you raw until Denoise has started. This is recorded.",
    "Friends hear you clean, by RNNoise. This is recorded.",
    "Ben can hear you.",
    "You are muted.",
    "Friends hear silence. This is recorded.",
    "Ben can hear you.",
    "Friends hear you clean, by RNNoise. This is recorded.",
    "?Stopping.",
    "?Only you see this. Nothing is sent yet.",
    "Your broadcast will be recorded.",
    "You are off air. The recording is in your list.",
    "Title changed.",
    "Evening is deleted. Undo is there for ten seconds.",
    "Evening is back.",
]
BEN = [
    "You have asked Ada.",
    "Ada is your friend.",
    "Ada is streaming.",
    "You hear Ada, cleaned. This is recorded.",
    "Ada is muted. There is nothing to hear until that ends.",
    "You hear Ada, cleaned.",
    "Ada is off air.",
    "Ada has stopped. If Ada goes on now, you hear it.",
]


def assert_told(lines: list[str], wanted: list[str]) -> None:
    """What was said is this and nothing else: no change is left out, said twice, or said after a later one."""
    ahead = iter([*lines, ""])
    line = next(ahead)
    for change in wanted:
        if line == change.removeprefix("?"):
            line = next(ahead)
        else:
            assert change.startswith("?"), f"{change!r} is not said where {line!r} is: {lines}"
    assert line == "", f"{line!r} is said besides: {lines}"
