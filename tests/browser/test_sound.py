"""What a friend's page really plays: captured there, sample by sample, and measured against the clean file."""

import asyncio
import base64
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import Page, expect

from tests.bench.ear import quality
from tests.browser.people import HEARD, befriend, register, watched
from tests.browser.recorded import until
from tests.support.sound import RATE_HZ, Sound, delay_of, read_wav, segment_si_sdr

pytestmark = pytest.mark.real_time

SECONDS = 12  # the file and a bit: the microphone plays it over and over, so all of it is in there
CAPTURE = """async (seconds) => {
  const tracks = window.__connections.flatMap((each) => each.getReceivers()).map((each) => each.track);
  const context = new AudioContext({ sampleRate: 48000 });
  const tap = `registerProcessor("tap", class extends AudioWorkletProcessor {
    process([[block]]) { this.port.postMessage(block ? block.slice() : new Float32Array(128)); return true; }
  })`;
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([tap], { type: "text/javascript" })));
  const recorder = new AudioWorkletNode(context, "tap", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
  const heard = new Float32Array(seconds * 48000);
  let at = 0;
  await new Promise((resolve) => {
    recorder.port.onmessage = ({ data }) => {
      if (at + data.length > heard.length) return resolve();
      heard.set(data, at);
      at += data.length;
    };
    context.createMediaStreamSource(new MediaStream(tracks.filter((each) => each.kind === "audio"))).connect(recorder);
  });
  await context.close();
  const bytes = new Uint8Array(heard.buffer);
  let text = "";
  for (let from = 0; from < bytes.length; from += 32768) text += String.fromCharCode(...bytes.subarray(from, from + 32768));
  return btoa(text);
}"""

PREPARED = """async () => (await (await fetch("/api/denoisers")).json())
  .some((each) => each.name === "deepfilternet3" && each.available)"""
DENOISED = "async () => (await (await fetch('/api/stream/status/Ada')).json()).denoise.state === 'active'"


async def heard_by(page: Page) -> Sound:
    """What this page plays during the next `SECONDS`."""
    return np.frombuffer(base64.b64decode(await page.evaluate(CAPTURE, SECONDS)), np.float32)


async def test_a_friend_hears_the_voice_cleaner_than_it_was_said(server, visit, audio_folder: Path) -> None:
    """Of two friends' pages the one that plays `Clean` is at least 6 dB nearer to the clean file than the one that plays `Raw`.

    The better half of the seconds is judged: in the others a browser that gets no processor stretches what it plays.
    """
    house = await server()
    pages = [await visit(), *[await watched(await visit(bypass_csp=True)) for _ in range(2)]]
    try:
        sounds = await heard_as(house.url, *pages)
    finally:  # where this is done again, nothing of it is left to keep the machine busy
        for page in pages:
            await page.context.close()
        house.stop()
    assert [len(sound) for sound in sounds] == [SECONDS * RATE_HZ] * 2
    voice = read_wav(audio_folder / "clean_freesound_33711.wav")
    denoised, original = (whole_copy(voice, sound) for sound in sounds)
    gains = np.subtract(segment_si_sdr(voice, denoised), segment_si_sdr(voice, original))
    assert np.quantile(gains, 0.75) >= 6, gains
    assert quality(voice, denoised, 0)["pesq_wb"] > quality(voice, original, 0)["pesq_wb"], gains


async def heard_as(url: str, ada: Page, clean_ear: Page, raw_ear: Page) -> list[Sound]:
    """What two friends hear of Ada at the same time, one `Clean` and one `Raw`."""
    await register(ada, url, "Ada")
    for page, name in ((clean_ear, "Ben"), (raw_ear, "Cem")):
        await register(page, url, name)
        await befriend(page, ada, "Ada")
    await until(ada, PREPARED)
    await ada.get_by_role("button", name="Start Streaming").click()
    for page in (clean_ear, raw_ear):
        await page.get_by_role("link", name="Ada", exact=False).first.click()
        await page.get_by_role("button", name="Start Listening").click()
        await page.evaluate(HEARD)
    await raw_ear.get_by_role("radio", name="Raw").check()
    await expect(raw_ear.get_by_role("radio", name="Raw")).to_be_checked()
    await until(ada, DENOISED)
    return await asyncio.gather(heard_by(clean_ear), heard_by(raw_ear))


def whole_copy(voice: Sound, heard: Sound) -> Sound:
    """The file as it was heard, from its beginning to its end, wherever in it the microphone was at first."""
    begin = delay_of(heard, voice, most=len(heard)) % len(voice)
    copy = heard[begin : begin + len(voice)]
    return np.concatenate([copy, heard[begin + len(copy) - len(voice) : begin]])
