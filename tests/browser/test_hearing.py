"""What a listener reads is true of what is heard: first the state is made so, then the page is read."""

import re
from pathlib import Path
from typing import Any

from playwright.async_api import Page, expect

from tests.browser.listening import heard, listening, on_air, two
from tests.browser.people import register, shoot, watched
from tests.browser.ribbons import emptied, filled

PHONE = {"width": 390, "height": 844}
LONG = "An evening of songs from the harbour, with a guest from Reykjavik, two guitars, and a kettle on the stove"[:96]
CHORDS = """async (sent) => {
  const asked = { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"kind": "practice"}' };
  const made = await (await fetch("/api/companions", asked)).json();
  const socket = new WebSocket(`${location.origin.replace("http", "ws")}/ws/session/${made.id}`);
  await new Promise((opened) => { socket.onopen = opened; });
  for (const [type, data] of sent) socket.send(JSON.stringify({ type, data }));
}"""
LOUDEST = """async (gain) => {
  const { amplifier } = await import("/js/rtc/loudspeaker.js");
  const context = new OfflineAudioContext(1, 48000, 48000);
  const tone = new OscillatorNode(context, { frequency: 220 });
  const level = new GainNode(context, { gain: 0.9 });
  level.gain.setValueAtTime(0.1, 0.5); // loud, then quiet
  const way = amplifier(context);
  way.gain.gain.value = gain;
  tone.connect(level).connect(way.gain);
  way.output.connect(context.destination);
  tone.start();
  const samples = (await context.startRendering()).getChannelData(0);
  const peak = (from, to) => samples.subarray(from, to).reduce((most, each) => Math.max(most, Math.abs(each)), 0);
  return [peak(0, 24000), peak(42000, 48000)];
}"""


def told(page: Page, text: str | re.Pattern[str]) -> Any:
    """What the page itself says, not its live region."""
    return page.get_by_role("main").get_by_text(text)


async def post(page: Page, path: str, body: object) -> None:
    """A request of the person whose page it is, from elsewhere."""
    origin = re.sub(r"(https?://[^/]+).*", r"\1", page.url)
    answer = await page.request.post(f"{origin}{path}", data=body, headers={"Origin": origin})
    assert answer.ok, await answer.text()


async def link_of(ada: Page, url: str) -> str:
    answer = await ada.request.post(f"{url}/api/listen-links", data={}, headers={"Origin": url})
    return f"{url}{(await answer.json())['url']}"


async def test_clean_and_raw_are_lit_by_what_is_heard(server, visit) -> None:
    """The broadcaster's switch and the listener's choice: the lit one is what sounds, and the sentence says why."""
    _, ada, ben = await two(server, visit)
    await listening(ben)
    clean, raw = ben.get_by_role("radio", name="Clean"), ben.get_by_role("radio", name="Raw")
    await expect(told(ben, "You hear Ada, cleaned.")).to_be_visible()
    await expect(clean).to_be_checked()
    await ada.get_by_role("switch", name="Denoise").click()
    await expect(told(ben, "Ada has turned cleaning off. You hear Ada raw.")).to_be_visible()
    await expect(raw).to_be_checked()
    await shoot(ben, "hearing-turned-off")
    await ada.get_by_role("switch", name="Denoise").click()
    await expect(clean).to_be_checked()
    await raw.check()
    await expect(told(ben, "You hear Ada raw, as you have chosen.")).to_be_visible()
    await ben.route(re.compile("/variant$"), lambda route: route.abort())
    await clean.click()
    await expect(raw).to_be_checked()  # the server was not reached: what is heard has not changed
    await expect(ben.get_by_role("status")).to_contain_text("You hear Ada raw, as you have chosen.")


async def test_a_muted_broadcaster_and_the_recording_are_told(server, visit) -> None:
    """Mute and recording are the server's: what it says is read, on the friend's page and on the link's."""
    house, ada, ben = await two(server, visit)
    guest = await watched(await visit(viewport=PHONE, color_scheme="dark"))
    await guest.goto(await link_of(ada, house.url))
    await listening(ben)
    await listening(guest)
    for page in (ben, guest):
        await expect(told(page, "This is recorded.")).to_be_visible()
    await ada.get_by_role("button", name="Mute").click()
    for page in (ben, guest):
        await expect(told(page, "Ada is muted. There is nothing to hear until that ends.")).to_be_visible()
    await shoot(ben, "hearing-muted")
    await shoot(guest, "hearing-muted-phone-dark")
    await ada.get_by_role("button", name="Mute").click()
    await post(ada, "/api/stream/recording", {"on": False})
    for page in (ben, guest):
        await expect(told(page, "This is not recorded.")).to_be_visible()
        await expect(told(page, "You hear Ada, cleaned.")).to_be_visible()
    await post(ada, "/api/stream/recording", {"on": True})
    for page in (ben, guest):
        await expect(told(page, "This is recorded.")).to_be_visible()


async def test_what_nothing_cleans_is_raw(server, visit) -> None:
    """The denoiser that passes everything through is at work, and still nobody is told that it cleans."""
    _, _, ben = await two(server, visit, {"denoise.default": "passthrough"})
    await listening(ben)
    await expect(told(ben, "Ada has chosen to take no noise out. You hear Ada raw.")).to_be_visible()
    await expect(ben.get_by_role("radio", name="Raw")).to_be_checked()


async def test_rnnoise_cleans_until_the_model_is_there(server, visit, tmp_path: Path) -> None:
    """Without weights another denoiser serves: the listener is told which, and how long."""
    _, _, ben = await two(server, visit, {"denoise.default": "auto", "models.path": [str(tmp_path)]})
    await listening(ben)
    await expect(told(ben, "You hear Ada, cleaned by RNNoise until the model is there.")).to_be_visible(timeout=60_000)
    await expect(ben.get_by_role("radio", name="Clean")).to_be_checked()


async def test_a_listen_link_waits_starts_keeps_the_title_and_ends(server, visit) -> None:
    """Its page says when nobody is on air, starts by itself, has the title while it sounds, and no LIVE afterwards; revoked, it says so."""
    house = await server({"denoise.default": "rnnoise"})
    ada = await visit()
    await register(ada, house.url, "Ada")
    guest = await watched(await visit(viewport=PHONE))
    await guest.goto(await link_of(ada, house.url))
    await expect(told(guest, "Ada is not on air. Press Start Listening, and you hear Ada as soon as that changes.")).to_be_visible()
    await expect(told(guest, "Offline")).to_be_visible()
    await shoot(guest, "link-waiting")
    await guest.get_by_role("button", name="Start Listening").click()
    await expect(told(guest, "Ada is not on air. You hear Ada as soon as that changes.")).to_be_visible()
    await ada.get_by_role("textbox", name="Title").fill("Morning")
    await on_air(ada)
    await expect(told(guest, "You hear Ada, cleaned.")).to_be_visible()
    await expect(told(guest, "LIVE")).to_be_visible()
    await expect(told(guest, "Morning")).to_be_visible()
    await shoot(guest, "link-heard")
    await filled(guest)
    await ada.get_by_role("button", name="Stop Streaming").click()
    await expect(told(guest, "Ada has stopped. If Ada goes on now, you hear it.")).to_be_visible()
    await expect(told(guest, "LIVE")).to_have_count(0)
    await emptied(guest)
    await ada.get_by_role("button", name="Go on").click()
    await expect(told(guest, "You hear Ada, cleaned.")).to_be_visible()
    (link,) = await (await ada.request.get(f"{house.url}/api/listen-links")).json()
    await ada.request.delete(f"{house.url}/api/listen-links/{link['id']}", headers={"Origin": house.url})
    await expect(told(guest, "This link does not work any more. Ask for a new one.")).to_be_visible()
    await expect(told(guest, "Morning")).to_have_count(0)


async def test_chords_and_practice_are_seen_by_listeners(server, visit) -> None:
    """What a companion device sends stands on the listener's page while it is heard, and is gone with the broadcast."""
    _, ada, ben = await two(server, visit)
    await listening(ben)
    await ada.evaluate(CHORDS, [["chord_change", {"chord": "F#m7"}], ["practice_start", {"timestamp": 1}]])
    marks = ben.get_by_role("group", name="Chord and practice")
    await expect(marks).to_have_text("F#m7Practice")
    await shoot(ben, "hearing-chord")
    await ada.evaluate(CHORDS, [["chord_change", {"chord": "E"}], ["practice_end", {"timestamp": 2}]])
    await expect(marks).to_have_text("E")
    await ada.get_by_role("button", name="Stop Streaming").click()
    await expect(marks).to_be_hidden()


async def test_whoever_is_no_friend_any_more_hears_and_reads_nothing(server, visit) -> None:
    """The sound, the title and the recordings go at once, and the page says why."""
    house, ada, ben = await two(server, visit)
    await ada.get_by_role("textbox", name="Title").fill("Between friends")
    await ada.get_by_role("textbox", name="Title").press("Enter")
    await listening(ben)
    await expect(told(ben, "Between friends").first).to_be_visible()
    await ada.request.delete(f"{house.url}/api/friends/Ben", headers={"Origin": house.url})
    await expect(ben.get_by_role("button", name="Ask to be friends")).to_be_visible()
    await expect(told(ben, "Between friends")).to_have_count(0)
    await expect(told(ben, "LIVE")).to_have_count(0)
    await expect(ben.get_by_role("button", name="Stop Listening")).to_be_hidden()
    await expect(ben.get_by_role("status")).to_have_text("You and Ada are not friends, so you do not hear each other.")


async def test_elsewhere_in_the_page_a_bar_says_who_is_heard(server, visit) -> None:
    """On another page the bar has the name, the state and Stop; what ends is seen there too."""
    _, ada, ben = await two(server, visit, viewport={"width": 1280, "height": 800})
    await listening(ben)
    await ben.get_by_role("link", name="Settings").click()
    bar = ben.get_by_role("region", name="Going on now")
    await expect(bar.get_by_text("You hear Ada")).to_be_visible()
    await expect(bar.get_by_text("LIVE", exact=True)).to_be_visible()
    await heard(ben)
    await shoot(ben, "hearing-elsewhere")
    await ada.get_by_role("button", name="Stop Streaming").click()
    await expect(bar.get_by_text("Waiting for Ada")).to_be_visible()
    await expect(bar.get_by_text("LIVE", exact=True)).to_have_count(0)
    await ada.get_by_role("button", name="Go on").click()
    await expect(bar.get_by_text("You hear Ada")).to_be_visible()
    await bar.get_by_role("button", name="Stop Listening").click()
    await expect(bar).to_be_hidden()


async def test_a_long_title_leaves_the_button_in_reach(server, visit) -> None:
    """With 96 characters of title, Start Listening is on the first screen of a phone, and everything is as wide as that."""
    house, ada, ben = await two(server, visit)
    await ben.set_viewport_size(PHONE)
    await ada.get_by_role("textbox", name="Title").fill(LONG)
    await ada.get_by_role("textbox", name="Title").press("Enter")
    await expect(told(ben, LONG).first).to_be_visible()
    button = ben.get_by_role("button", name="Start Listening")
    await expect(button).to_be_in_viewport(ratio=1)
    await shoot(ben, "title-long")
    assert await ben.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
    guest = await visit(await link_of(ada, house.url), viewport={"width": 320, "height": 568})
    await expect(told(guest, LONG)).to_be_visible()
    await expect(guest.get_by_role("button", name="Start Listening")).to_be_in_viewport(ratio=1)


async def test_twice_the_volume_is_louder_and_does_not_clip(server, visit) -> None:
    """Quiet sound gets 6 dB louder; loud sound stays below full scale."""
    house = await server({"http.modules": True})
    page = await visit(f"{house.url}/login")
    loud, quiet = await page.evaluate(LOUDEST, 2)
    assert loud < 0.995 and 0.19 < quiet < 0.21, (loud, quiet)
    loud, quiet = await page.evaluate(LOUDEST, 1.5)
    assert loud < 0.995 and 0.14 < quiet < 0.16, (loud, quiet)
