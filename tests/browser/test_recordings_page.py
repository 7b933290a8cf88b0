"""What the page says and shows of recordings, each made by a real broadcast: read by role and name, and from the canvas."""

import re
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.people import befriend, register, shoot
from tests.browser.recorded import RECORD, STATUS, aired, on_air, opener, owner, recorded, row, until
from tests.browser.test_layout import TOO_SMALL, TOO_WIDE

PHONE = {"width": 390, "height": 780}
DESK = {"width": 1280, "height": 800}
# Of the large waveform: in each of `count` columns, how many pixels have the colour of clean and of raw sound.
COLUMNS = """(count) => {
  const canvas = document.querySelector(".seek canvas");
  const paint = (name) => {
    const probe = document.createElement("canvas").getContext("2d");
    probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    probe.fillRect(0, 0, 1, 1);
    return probe.getImageData(0, 0, 1, 1).data;
  };
  const near = (pixels, at, colour) => pixels[at + 3] > 100 && [0, 1, 2].every((part) => Math.abs(pixels[at + part] - colour[part]) < 24);
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const [clean, raw] = [paint("--voice"), paint("--noise")];
  const found = Array.from({ length: count }, () => ({ clean: 0, raw: 0 }));
  for (let y = 0; y < canvas.height; y += 1) for (let x = 0; x < canvas.width; x += 1) {
    const at = 4 * (y * canvas.width + x);
    const column = found[Math.min(count - 1, Math.floor(x * count / canvas.width))];
    column.clean += near(data, at, clean);
    column.raw += near(data, at, raw);
  }
  return found;
}"""
TOLD = """() => {
  window.__told = [];
  const region = document.getElementById("live");
  const note = () => region.textContent && window.__told.push(region.textContent);
  new MutationObserver(note).observe(region, { childList: true, characterData: true, subtree: true });
}"""


async def test_a_recording_says_and_shows_what_was_not_cleaned(server, visit) -> None:
    """Denoise was off for a while: the row, a sentence, the waveform and what is said while it plays tell it, to a friend too."""
    house, ada = await owner(server, visit, viewport=DESK)
    ben = await visit(viewport=DESK, color_scheme="dark")
    await register(ben, house.url, "Ben")
    await recorded(ada, "Evening", raw=True)
    await expect(row(ada, "Evening").get_by_text(re.compile(r"^Today, \d\d:\d\d · [\d.]+ s not cleaned$"))).to_be_visible()
    await opener(ada, "Evening").click()
    sentence = re.compile(r"^Cleaned, but for .*0:\d\d to 0:\d\d \(cleaning was turned off\).*\.$")
    await expect(row(ada, "Evening").get_by_text(sentence)).to_be_visible()
    [made] = await ada.evaluate("async () => (await (await fetch('/api/recordings')).json())")
    [span] = [each for each in made["spans"] if each["kind"] == "denoise_off"]
    await until(ada, f"() => ({COLUMNS})(1)[0].clean > 0")
    columns = await ada.evaluate(COLUMNS, 100)
    inside = range(int(100 * span["from_s"] / made["duration_s"]) + 2, int(100 * span["to_s"] / made["duration_s"]) - 1)
    assert len(inside) > 10 and not any(columns[at]["clean"] for at in inside), "a part that was not cleaned has no clean line"
    assert all(columns[at]["raw"] for at in inside)
    shown = sum(column["clean"] > 0 for at, column in enumerate(columns) if at not in inside)
    assert shown > 30 * made["denoised_share"], "a busy machine cleans less of it"
    await shoot(ada, "recording-part-desk")

    slider = ada.get_by_role("slider", name="Place in Evening")
    box = await slider.bounding_box()
    assert box
    middle = (span["from_s"] + span["to_s"]) / 2 / made["duration_s"]
    await slider.click(position={"x": middle * box["width"], "y": box["height"] / 2})
    await expect(ada.get_by_text("You hear this part raw: cleaning was turned off.")).to_be_visible()
    await expect(slider).to_have_attribute("aria-valuetext", re.compile("of 0:.*, raw$"))
    player = ada.get_by_role("region", name="Player")
    await expect(player.get_by_text("raw here", exact=True)).to_be_visible()
    await expect(player.get_by_text("clean", exact=True)).to_have_count(0)
    await player.get_by_role("button", name="Hear raw").click()
    await expect(player.get_by_text("raw", exact=True)).to_be_visible()
    await player.get_by_role("button", name="Hear clean").click()
    await slider.press("Home")
    await slider.press("End")
    await expect(ada.get_by_text("You hear this part raw", exact=False)).to_be_hidden()
    await expect(player.get_by_text("clean", exact=True)).to_be_visible()

    await befriend(ben, ada, "Ada")
    await ben.set_viewport_size(PHONE)  # type: ignore[arg-type]
    await ben.goto(f"{house.url}/user/Ada")
    await opener(ben, "Evening").click()
    await expect(row(ben, "Evening").get_by_text(sentence)).to_be_visible()
    await until(ben, f"() => ({COLUMNS})(1)[0].clean > 0")
    await row(ben, "Evening").scroll_into_view_if_needed()
    await shoot(ben, "recording-part-phone-dark")
    for width, size in ((320, "100%"), (360, "200%"), (1280, "200%")):
        await ben.set_viewport_size({"width": width, "height": 740})
        await ben.evaluate("(size) => { document.documentElement.style.fontSize = size }", size)
        assert await ben.evaluate(TOO_WIDE) <= 0, (width, size)
        assert not await ben.evaluate(TOO_SMALL), (width, size)
    await ben.get_by_label("More about Evening").click()
    await expect(ben.get_by_role("button", name="Delete", exact=True)).to_be_hidden()
    await expect(ben.get_by_role("button", name="Change the title")).to_be_hidden()


async def test_a_live_recording_says_what_it_is(server, visit) -> None:
    """While it is made it cannot be played or deleted, but renamed; recording off, on, and a dead server are told, each as it is."""
    house, ada = await owner(server, visit, viewport=DESK)
    await on_air(ada, "Evening")
    await ada.get_by_role("link", name="Library").click()
    await expect(ada.get_by_text("You are on air. What you say now is recorded.")).to_be_visible()
    first = row(ada, "Evening")
    await expect(first.get_by_text("On air, being recorded. It can be played, downloaded and deleted when it has ended.")).to_be_visible()
    await expect(first.get_by_role("button", name="Play Evening")).to_be_disabled()
    await shoot(ada, "recording-live-desk")
    await ada.get_by_label("More about Evening").click()
    await expect(ada.get_by_role("button", name="Delete", exact=True)).to_be_hidden()
    await expect(ada.get_by_role("link", name=re.compile("Download"))).to_have_count(0)
    await ada.get_by_role("button", name="Change the title").click()
    await ada.get_by_role("textbox", name="Title").fill("Morning")
    await ada.get_by_role("button", name="Save").click()
    await expect(row(ada, "Morning")).to_have_count(1)
    assert (await ada.evaluate(STATUS))["title"] == "Morning"

    await aired(ada, 2)
    assert await ada.evaluate(RECORD, False)
    await expect(ada.get_by_text("You are on air. What you say now is not recorded.")).to_be_visible()
    await expect(row(ada, "Morning").get_by_text("up to where recording was turned off", exact=False)).to_be_visible(timeout=60_000)
    await shoot(ada, "recording-off-desk")
    assert await ada.evaluate(RECORD, True)
    await expect(row(ada, "Morning")).to_have_count(2)
    await expect(row(ada, "Morning").first.get_by_text("On air, being recorded.", exact=False)).to_be_visible()
    await expect(ada.get_by_text("You are on air. What you say now is recorded.")).to_be_visible()
    house.kill()
    await expect(ada.get_by_text("The server does not answer. Nothing is recorded until it is back.").first).to_be_visible()
    await expect(ada.get_by_text("being recorded.", exact=False)).to_be_hidden()
    await house.start()
    await expect(ada.get_by_text("You are on air. What you say now is recorded.")).to_be_visible(timeout=60_000)


async def test_a_title_that_is_refused_is_told_at_its_field(server, visit) -> None:
    """Blank, or with a mark that turns text around: a sentence at the field, the old title kept; a good one is taken everywhere."""
    _, ada = await owner(server, visit, viewport=PHONE)
    await recorded(ada, "Evening")
    await ada.get_by_role("button", name="Play Evening").click()
    await ada.get_by_role("region", name="Player").get_by_role("button", name="Pause").click()
    more = ada.get_by_label("More about Evening")
    await more.click()
    await ada.get_by_role("button", name="Change the title").click()
    title = ada.get_by_role("dialog", name="Change the title").get_by_role("textbox", name="Title")
    await expect(title).to_be_focused()
    await expect(title).to_have_value("Evening")
    for wrong, sentence in (
        ("   ", re.compile("^A title has at least")),
        ("Even\u202eing", re.compile("^The title (must|may) [a-z ]+")),
        ("", re.compile("^A title")),
    ):
        await title.fill(wrong)
        await title.press("Enter")
        await expect(title).to_have_attribute("aria-invalid", "true")
        await expect(title).to_have_accessible_description(sentence)
        await expect(title).to_be_focused()
    await shoot(ada, "recording-title-phone")
    await ada.keyboard.press("Escape")
    await expect(more).to_be_focused()
    await expect(row(ada, "Evening")).to_be_visible()
    await more.click()
    await ada.get_by_role("button", name="Change the title").click()
    await title.fill("  Night  ")
    await title.press("Enter")
    await expect(ada.get_by_role("dialog")).to_have_count(0)
    await expect(row(ada, "Night")).to_be_visible()
    await expect(ada.get_by_label("More about Night")).to_be_focused()
    await expect(ada.get_by_role("region", name="Player").get_by_role("link", name="Night", exact=True)).to_be_visible()


async def test_deleting_folds_the_row_and_the_focus_stays_with_it(server, visit) -> None:
    """Undo has the focus and gives it back; what is deleted for good hands it to its neighbour; a refusal is told. Each is said once."""
    _, ada = await owner(server, visit, viewport=DESK)
    await recorded(ada, "Evening")
    await recorded(ada, "Night")
    await ada.evaluate(TOLD)

    async def delete(title: str) -> None:
        await ada.get_by_label(f"More about {title}").press("Enter")
        await ada.get_by_role("button", name="Delete", exact=True).press("Enter")

    undo = ada.get_by_role("button", name="Undo")
    await delete("Night")
    await expect(undo).to_be_focused()
    await expect(row(ada, "Night")).to_be_hidden()
    await expect(ada.get_by_text("Deleted.", exact=True)).to_be_visible()
    await shoot(ada, "recording-deleted-desk")
    await undo.press("Enter")
    await expect(ada.get_by_label("More about Night")).to_be_focused()
    await delete("Night")
    await expect(undo).to_be_focused()
    await expect(row(ada, "Night")).to_have_count(0, timeout=30_000)
    await expect(undo).to_have_count(0, timeout=30_000)
    await expect(ada.locator(":focus")).to_have_accessible_name("Play Evening")
    assert len(await ada.evaluate("async () => (await (await fetch('/api/recordings')).json())")) == 1

    await ada.route("**/api/recording/*", lambda route: route.fulfill(status=503, json={"code": "database_busy"}))
    await delete("Evening")
    await expect(undo).to_be_focused()
    await expect(ada.get_by_text("Evening is not deleted. The server is busy", exact=False).first).to_be_visible(timeout=30_000)
    await expect(ada.get_by_label("More about Evening")).to_be_focused()
    told = await ada.evaluate("window.__told")
    assert [text.split(".")[0] for text in told] == [
        "Night is deleted",
        "Night is back",
        "Night is deleted",
        "Evening is deleted",
        "Evening is not deleted",
    ]


@pytest.mark.parametrize("change", [{"color_scheme": "dark"}, {"forced_colors": "active"}], ids=["dark", "forced-colors"])
async def test_a_waveform_follows_the_colours_at_once(server, visit, change: dict[str, Any]) -> None:
    """When the colours change while the page is open, what is drawn already is drawn anew in them."""
    _, ada = await owner(server, visit, viewport=DESK, color_scheme="light")
    await recorded(ada, "Evening")
    await opener(ada, "Evening").click()
    await until(ada, f"() => ({COLUMNS})(1)[0].clean > 0")
    before = await ada.evaluate("document.querySelector('.seek canvas').toDataURL()")
    await ada.emulate_media(**change)
    await until(ada, f"(before) => document.querySelector('.seek canvas').toDataURL() !== before && ({COLUMNS})(1)[0].clean > 0", before)
    await shoot(ada, f"recording-{next(iter(change.values()))}")


async def test_a_player_says_why_it_does_not_play(server, visit) -> None:
    """Deleted elsewhere, or no answer: the player says which; when the server is back, Play goes on."""
    house, ada = await owner(server, visit, viewport=DESK)
    await recorded(ada, "Evening")
    house.kill()
    await ada.get_by_role("button", name="Play Evening").click()
    player = ada.get_by_role("region", name="Player")
    await expect(player.get_by_text("The server does not answer.", exact=False)).to_be_visible()
    await expect(ada.get_by_role("button", name="Play Evening")).to_be_visible()
    await house.start()
    await ada.get_by_role("button", name="Play Evening").click()
    await expect(player.get_by_text(re.compile(r"^0:0[1-9] / 0:"))).to_be_visible()
