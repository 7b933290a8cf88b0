"""Music has no pause: where the room fills it goes over to longer packets all the same, and is silent for a moment instead of clicking."""

import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import Browser

from sfu.broadcast import adaptation
from sfu.broadcast.broadcast import Broadcast
from sfu.denoise.capacity import Capacity
from tests.browser.people import register, watched
from tests.browser.test_packing import ACCEPT, BRIEF, USUAL, changes, coming, heard_by, laid_out, overheard, serving
from tests.conftest import chromium
from tests.support.people import signed_up
from tests.support.sound import RATE_HZ, Sound
from web.keys import SWITCHBOARD

pytestmark = [pytest.mark.real_time, pytest.mark.slow]

BEATS_HZ = 4  # the meter never sees a quiet moment that lasts as long as a pause
TONES_HZ = (220.0, 277.0, 330.0, 880.0)
SILENT = 10 ** (-60 / 20)


@pytest.fixture(scope="module")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """One with music at its microphone: chords and a hiss that swell four times a second, never silent."""
    file = tmp_path_factory.mktemp("music") / "music.wav"
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        out.writeframes((music(30) * 32767).astype("<i2").tobytes())
    async with chromium(file) as launched:
        yield launched


def music(seconds: int) -> Sound:
    """Whole periods of everything, so that it goes round without a step."""
    at = np.arange(seconds * RATE_HZ) / RATE_HZ
    tones = np.sum([np.sin(2 * np.pi * tone * at) for tone in TONES_HZ], axis=0) / len(TONES_HZ)
    hiss = np.random.default_rng(1).standard_normal(len(at)) * 0.01
    swell = 10 ** ((np.cos(2 * np.pi * BEATS_HZ * at) - 1) * 8 / 20)  # over 16 dB
    return ((tones + hiss) * swell * 0.5).astype(np.float32)


async def test_music_goes_over_without_a_click(visit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stretch: float) -> None:
    """When it has been asked for three times, not before; around the change it is silent, and at no edge louder than the music was."""
    monkeypatch.setattr(adaptation, "REPEAT_S", 1.0)
    monkeypatch.setattr(Capacity, "watch_server", lambda *_: None)  # what the test itself takes is not the server's
    async with serving(tmp_path) as served:
        page, url = await watched(await visit()), str(served.make_url("")).rstrip("/")
        await register(page, url, "Ada")
        async with signed_up(url, "ben") as ben, ben.phone() as ear:
            await ben.call("POST", "/api/friend-request/send", {"username": "Ada"}, status=201)
            await page.evaluate(ACCEPT)
            await page.get_by_role("button", name="Start Streaming").click()
            await ben.until("Ada", 20 * stretch, live=True)
            await ear.listen("Ada", "?variant=original")
            switchboard = served.app[SWITCHBOARD]
            await fills(switchboard.own("Ada"), switchboard._services.capacity, stretch)
            heard = heard_by(ear)
    [change] = changes(heard)
    assert_no_click(laid_out(heard), heard[change].timestamp - heard[0].timestamp)


async def fills(broadcast: Broadcast, capacity: Capacity, stretch: float) -> None:
    """Until the page has followed, and there is some music after it."""
    packets = overheard(broadcast)
    await coming(packets, BRIEF, stretch)
    capacity.reserve("load", "of all")
    capacity.measured("of all", 9 * capacity.cores, 100)
    await coming(packets, USUAL, stretch)
    assert broadcast._adaptation._packet_time._requests == adaptation.MAX_REQUESTS, "there was a pause"


def assert_no_click(line: Sound, at: int) -> None:
    quiet = np.abs(line) < SILENT
    begin = at - int(np.argmin(quiet[:at][::-1]))
    end = at + int(np.argmin(quiet[at:]))
    assert begin <= at - BRIEF and at + BRIEF <= end, "it is not silent around the change"
    music_before, edges = line[RATE_HZ // 2 : begin - RATE_HZ], line[begin - RATE_HZ // 10 : end + RATE_HZ // 10]
    loudest = np.abs(music_before).max()
    assert np.abs(edges).max() <= loudest * 1.1
    assert np.abs(np.diff(edges)).max() <= loudest  # the browser cuts where the silence begins; what a new encoder may do goes far beyond
