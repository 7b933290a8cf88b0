"""Before Start, and with the microphone: what is chosen is remembered and serves; what vanishes is said; the focus is kept."""

import re

from playwright.async_api import Page, expect

from tests.browser.people import register, shoot
from tests.browser.recorded import until

STATUS = "async () => (await fetch('/api/stream/status/Ada')).json()"
# Keeps the tracks, so that a test can end one as unplugging does; `window.__plugged = false`: there is no other microphone.
TRACKS = """() => {
  window.__tracks = [];
  window.__plugged = true;
  const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wish) => {
    if (!window.__plugged) throw new DOMException("none", "NotFoundError");
    const stream = await real(wish);
    window.__tracks.push(...stream.getAudioTracks());
    return stream;
  };
}"""
UNPLUG = """(another) => {
  window.__plugged = another;
  const track = window.__tracks.at(-1);
  track.stop();
  track.dispatchEvent(new Event("ended"));
}"""


async def says(page: Page, text: str | re.Pattern[str]) -> None:
    await expect(page.get_by_role("main").get_by_role("status").filter(has_text=text).first).to_be_visible()


async def test_what_is_chosen_before_start_serves_and_is_remembered(server, visit) -> None:
    """Profile, echo, strength and denoiser are there again after a reload, and the broadcast begins with them."""
    house = await server({"denoise.default": "passthrough"})
    ada = await visit(viewport={"width": 1280, "height": 800})
    await register(ada, house.url, "Ada")
    await ada.get_by_role("radio", name="Music").check()
    await ada.get_by_role("checkbox", name=re.compile("^Cancel echo")).check()
    await ada.get_by_text("Sound details").click()
    strength = ada.get_by_role("spinbutton", name=re.compile("^Take noise down"))
    await expect(strength).to_have_value("12")
    await strength.fill("24")
    await strength.press("Enter")
    await ada.get_by_label("Denoiser", exact=True).select_option("rnnoise")
    await ada.wait_for_timeout(1500)  # preferences are saved a moment after the last change
    await ada.reload()
    await expect(ada.get_by_role("radio", name="Music")).to_be_checked()
    await expect(ada.get_by_role("checkbox", name=re.compile("^Cancel echo"))).to_be_checked()
    await ada.get_by_text("Sound details").click()
    await expect(strength).to_have_value("24")
    await expect(ada.get_by_label("Denoiser", exact=True)).to_have_value("rnnoise")
    await shoot(ada, "before-start", full_page=True)
    async with ada.expect_request("**/whip/**") as asked:
        await ada.get_by_role("button", name="Start Streaming").click()
    assert "denoiser=rnnoise" in (await asked.value).url
    await until(ada, f"async () => (await ({STATUS})()).denoise.strength_db === 24")
    await expect(strength).to_have_value("24")


async def test_an_empty_strength_changes_nothing(server, visit) -> None:
    """Emptied, the field shows again what is in force."""
    house = await server({"denoise.default": "rnnoise"})
    ada = await visit()
    await register(ada, house.url, "Ada")
    await ada.get_by_role("button", name="Start Streaming").click()
    await expect(ada.get_by_role("switch", name="Denoise")).to_be_enabled()
    await ada.get_by_text("Sound details").click()
    strength = ada.get_by_role("spinbutton", name=re.compile("^Take noise down"))
    await strength.fill("30")
    await strength.press("Enter")
    await until(ada, f"async () => (await ({STATUS})()).denoise.strength_db === 30")
    await strength.fill("")
    await strength.press("Enter")
    await strength.blur()
    await expect(strength).to_have_value("30")
    assert (await ada.evaluate(STATUS))["denoise"]["strength_db"] == 30


async def test_the_microphone_has_a_level(server, visit) -> None:
    """It moves before Start, with the voice in the microphone."""
    house = await server({"denoise.default": "passthrough"})
    ada = await visit(viewport={"width": 390, "height": 800})
    await register(ada, house.url, "Ada")
    level = ada.get_by_role("meter", name="Level of the microphone")
    await expect(level).to_be_visible()
    await ada.get_by_role("heading", name="Ada").click()
    await expect(level).to_have_attribute("aria-valuetext", re.compile("dB"))
    first = await level.get_attribute("aria-valuenow") or ""
    await expect(level).not_to_have_attribute("aria-valuenow", first)
    await shoot(ada, "before-start-phone", full_page=True)


async def test_a_microphone_that_vanishes_is_said(server, visit) -> None:
    """Another one takes its place and is named; without one friends hear nothing, until one is plugged in."""
    house = await server({"denoise.default": "passthrough"})
    ada = await visit()
    await ada.add_init_script(f"({TRACKS})()")
    await register(ada, house.url, "Ada")
    await expect(ada.get_by_role("meter", name="Level of the microphone")).to_be_visible()
    await ada.evaluate(UNPLUG, True)
    await says(ada, re.compile("The microphone is gone. “.+” is used now."))
    await ada.get_by_role("button", name="Start Streaming").click()
    await expect(ada.get_by_role("button", name="Stop Streaming")).to_be_visible()
    await ada.evaluate(UNPLUG, False)
    await says(ada, "The microphone was unplugged. Friends hear nothing until you plug it in again or choose another one.")
    await says(ada, "Friends hear silence.")
    await shoot(ada, "unplugged-live")
    await ada.evaluate("() => { window.__plugged = true; navigator.mediaDevices.dispatchEvent(new Event('devicechange')); }")
    await says(ada, re.compile("is used now."))
    await expect(ada.get_by_text("Friends hear silence.")).to_be_hidden()


async def test_the_focus_follows_start_and_stop(server, visit) -> None:
    """By keyboard: from Start to Mute, which stands in its place, from Stop back to Start, from Resume to Mute."""
    house = await server({"denoise.default": "passthrough"})
    ada = await visit()
    await register(ada, house.url, "Ada")
    start = ada.get_by_role("button", name="Start Streaming")
    await expect(ada.get_by_role("meter", name="Level of the microphone")).to_be_visible()
    await expect(start).to_be_enabled()
    await start.focus()
    await ada.keyboard.press("Enter")
    mute = ada.get_by_role("button", name="Mute")
    await expect(mute).to_be_focused()
    await ada.get_by_role("button", name="Stop Streaming").focus()
    await ada.keyboard.press("Enter")
    await expect(start).to_be_focused()
    await ada.keyboard.press("Enter")
    await expect(mute).to_be_focused()
    await ada.reload()
    await ada.get_by_role("button", name="Resume").focus()
    await ada.keyboard.press("Enter")
    await expect(mute).to_be_focused()
