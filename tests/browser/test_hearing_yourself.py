"""Hear yourself: five seconds of the own voice, raw and then clean, through the server's worker, and heard by nobody else."""

import re

from playwright.async_api import Page, expect

from tests.browser.people import register, shoot

# Keeps what is played.
BLOBS = """() => {
  window.__blobs = [];
  const real = URL.createObjectURL.bind(URL);
  URL.createObjectURL = (blob) => { window.__blobs.push(blob); return real(blob); };
}"""
# Of each: its length in s, and the level in dBFS below which a tenth of its 20 ms pieces are.
FLOORS = """() => Promise.all(window.__blobs.map(async (blob) => {
  const sound = await new OfflineAudioContext(1, 1, 48000).decodeAudioData(await blob.arrayBuffer());
  const samples = sound.getChannelData(0), levels = [];
  for (let at = 24000; at + 960 < samples.length; at += 960) {
    let sum = 0;
    for (const sample of samples.subarray(at, at + 960)) sum += sample * sample;
    levels.push(10 * Math.log10(sum / 960 + 1e-10));
  }
  levels.sort((a, b) => a - b);
  return [sound.duration, levels[Math.floor(levels.length / 10)]];
}))"""


async def says(page: Page, text: str | re.Pattern[str]) -> None:
    await expect(page.get_by_role("region", name="Hear yourself").get_by_role("status")).to_have_text(text, timeout=40_000)


async def test_one_hears_oneself_raw_and_then_clean(server, visit) -> None:
    """The clean one has less noise; meanwhile nobody is live, and afterwards nothing is recorded."""
    house = await server({"denoise.default": "rnnoise"})
    ada = await visit(viewport={"width": 1280, "height": 800})
    await ada.add_init_script(f"({BLOBS})()")
    await register(ada, house.url, "Ada")
    await ada.get_by_role("button", name="Hear yourself").click()
    await says(ada, re.compile("^Speak now"))
    await shoot(ada, "hear-yourself")
    assert (await ada.evaluate("async () => (await fetch('/api/stream/status/Ada')).json()"))["live"] is False
    await says(ada, "This is you, raw.")
    await says(ada, "This is you, clean.")
    await says(ada, "That was you: first raw, then clean.")
    (raw_s, raw), (clean_s, clean) = await ada.evaluate(FLOORS)
    assert min(raw_s, clean_s) > 4 and clean < raw - 6, (raw_s, raw, clean_s, clean)
    assert await ada.evaluate("async () => (await fetch('/api/recordings')).json()") == []
    await ada.get_by_role("button", name="Start Streaming").click()
    await expect(ada.get_by_role("button", name="Stop Streaming")).to_be_visible()


async def test_start_ends_it_and_as_it_is_is_not_cleaned(server, visit) -> None:
    """Who chose As it is hears one sound and reads why; Start while it goes on begins the broadcast at once."""
    house = await server({"denoise.default": "rnnoise"})
    ada = await visit()
    await register(ada, house.url, "Ada")
    await ada.get_by_role("radio", name="As it is").check()
    await ada.get_by_role("button", name="Hear yourself").click()
    await says(ada, "That was you, as it is. Nothing is taken out.")
    await ada.get_by_role("button", name="Hear yourself").click()
    await says(ada, re.compile("^Speak now"))
    await ada.get_by_role("button", name="Start Streaming").click()
    await expect(ada.get_by_role("button", name="Stop Streaming")).to_be_visible()
    await ada.get_by_role("button", name="Stop Streaming").click()
    await says(ada, re.compile("^Speak for 5 seconds"))
