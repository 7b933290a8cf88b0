"""Two servers behind one proxy are restarted one after the other, and whoever listens, a guest too, hears nothing of it.

`python3 run.py test -m slow tests/browser/test_rolling_restart.py -s` prints what was lost.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, NamedTuple

import numpy as np
import pytest
from playwright.async_api import Page, expect

from tests.browser.listening import listening, on_air
from tests.browser.overhearing import Overheard, begin, overhear, overheard, silent_s, skipped_s, spoken
from tests.browser.people import befriend, register, watched
from tests.browser.test_links import shared
from tests.conftest import StartServer, missing_program
from tests.support.postgres import Postgres
from tests.support.proxies import NGINX, running
from tests.support.redis import PROGRAM, RedisServer
from tests.support.running import Server
from tests.support.several import node_settings, ready
from tests.support.sound import RATE_HZ, Sound, read_wav

LOST_S = 0.2  # over both restarts
CALM_S = 4.0  # before them, for comparison
LOUD, LAST_S = 0.01, 3  # of full scale: somebody speaks; no pause of the voice is as long
BURST_S = 0.02  # of what was made up at once: worth a word
STATUS = """async () => {
  for (let tries = 0; ; tries++) {
    const answer = await fetch("/api/stream/status/Ada");
    if (answer.ok || tries === 40) return await answer.json();
    await new Promise((done) => setTimeout(done, 250));
  }
}"""


class House(NamedTuple):
    """The servers by name, and the address of the proxy."""

    servers: dict[str, Server]
    url: str


@asynccontextmanager
async def house_of(server: StartServer, redis: RedisServer, url: str, folder: Path) -> AsyncIterator[House]:
    proxied = {"http__trusted_proxies": ["127.0.0.1"], "denoise__default": "rnnoise", "worker__max_delay_ms": 1000}
    one, two = await asyncio.gather(*(server(node_settings(name, redis, url, **proxied)) for name in ("one", "two")))
    async with running(NGINX, folder, [one.url, two.url]) as front:
        yield House({"one": one, "two": two}, front)


class Voice(NamedTuple):
    """What is said over and over: as the microphone has it, and without the noise."""

    noisy: Sound
    clean: Sound


def lost_s(heard: Overheard, voice: Voice, *, cleaned: bool) -> float:
    """How much a listener has not heard as it was said, in s: nothing came out at all, the browser has made something up, or it was left
    out where one connection was heard in place of another. cleaned: the pauses of the voice may be silent.
    """
    assert np.abs(heard.sound[-LAST_S * RATE_HZ :]).max() > LOUD, "nothing is heard any more"
    skips = [skipped_s(heard.sound, seam, voice.noisy) for seam in heard.seams]
    silent = silent_s(heard.sound, spoken(heard.sound, heard.seams, voice.clean) if cleaned else None)
    print(f"silent {silent:.3f}, concealed {heard.concealed_s:.3f}, skipped", *(f"{each:.3f}" for each in skips), end="; seams at ")
    print(*(f"{each / RATE_HZ:.1f}" for each in heard.seams), f"of {len(heard.sound) / RATE_HZ:.1f} (page {heard.passed_s:.1f})", end="; ")
    print("bursts", *(f"{at_s:.1f}: {burst_s:.3f}" for at_s, burst_s in heard.bursts if burst_s >= BURST_S))
    return silent + heard.concealed_s + sum(max(0.0, each) for each in skips)


async def status(page: Page) -> dict[str, Any]:
    """Of the broadcast, as the page can ask for it. nginx may answer 502 for a moment, while it takes both servers for dead."""
    said: dict[str, Any] = await page.evaluate(STATUS)
    return said


async def restarted(house: House, ada: Page) -> float:
    """End the server with the broadcast, as a supervisor does, and start it again; how long its end took, in s."""
    node = (await status(ada))["node"]
    began_s = time.monotonic()
    await asyncio.to_thread(house.servers[node].stop)  # which says whether it left with 0
    took_s = time.monotonic() - began_s
    assert "still here" not in house.servers[node].log
    assert (await status(ada))["node"] not in ("", node)
    await house.servers[node].start()
    await ready(house.servers[node].url)
    return took_s


async def tuned_in(url: str, visit: Any, stretch: float) -> tuple[Page, Page, Page]:
    """Ada, who is on air and recorded, Ben, her friend, who hears her cleaned, and a guest with a link, who hears her raw."""
    ada, ben, guest = [await watched(await visit(bypass_csp=True)) for _ in range(3)]
    for listener in (ben, guest):
        await overhear(listener)
    await register(ada, url, "Ada")
    await register(ben, url, "Ben")
    await befriend(ben, ada, "Ada")
    await ada.get_by_role("link", name="Settings").click()
    link, _ = await shared(ada, "Make a listen link")
    await ada.go_back()
    await on_air(ada)
    async with asyncio.timeout(30 * stretch):
        while (await status(ada))["state"] != "live":
            await asyncio.sleep(0.05)
    await ben.goto(f"{url}/user/Ada")
    await guest.goto(link)
    for listener in (ben, guest):
        await listening(listener)
    for listener in (ben, guest):
        await expect(listener.get_by_role("radio", name="Clean")).to_be_checked()  # until the denoiser has started Raw is what sounds
    await guest.get_by_role("radio", name="Raw").check()
    return ada, ben, guest


@pytest.mark.slow
@pytest.mark.real_time
async def test_nobody_hears_a_rolling_restart(
    server: StartServer, visit: Any, tmp_path: Path, stretch: float, postgres_server: Postgres, redis: RedisServer, audio_folder: Path
) -> None:
    """SIGTERM of the server with the broadcast, and of the other one when the first is back: the same broadcast goes on, at most 0.2 s of
    sound are concealed, silent or left out at each listener in all, each server leaves with 0 before its deadline, and there is one whole
    recording.
    """
    if NGINX.program is None or PROGRAM is None:
        missing_program("nginx")
    voice = Voice(read_wav(audio_folder / "noisy_snr0.wav"), read_wav(audio_folder / "clean_freesound_33711.wav"))
    await redis.do("FLUSHALL")  # where this is done again
    with postgres_server.database("hushcast") as name:
        async with house_of(server, redis, postgres_server.url(name), Path(mkdtemp(dir=tmp_path)) / "nginx") as house:
            ada, ben, guest = await tuned_in(house.url, visit, stretch)
            try:
                lost, duration_s = await rolled(house, ada, {ben: True, guest: False}, voice)
                await ada.get_by_role("button", name="Stop Streaming").click()
                await expect(ada.get_by_role("button", name="Start Streaming")).to_be_visible()
                await whole(ada, duration_s, stretch)
                assert max(lost) <= LOST_S * stretch, lost
            finally:  # where this is done again, nothing of it is left to keep the machine busy
                for page in (ada, ben, guest):
                    await page.context.close()
                for each in house.servers.values():
                    await asyncio.to_thread(each.kill)


async def rolled(house: House, ada: Page, listeners: dict[Page, bool], voice: Voice) -> tuple[list[float], float]:
    """Restart both; what each listener has lost by that, and how long the broadcast is. listeners: whether they hear the voice cleaned."""
    before = await status(ada)
    await asyncio.sleep(2)  # until the buffers have settled
    for listener in listeners:
        await begin(listener)
    began_s = time.monotonic()
    await asyncio.sleep(CALM_S)
    calm = [await overheard(listener) for listener in listeners]
    ends = []
    for _ in range(2):
        begins_s = time.monotonic() - began_s
        ends.append(f"{begins_s:.1f}: {await restarted(house, ada):.1f} s, back at {time.monotonic() - began_s:.1f}")
    await asyncio.sleep(2)
    after = await status(ada)
    assert (after["broadcast"], after["state"]) == (before["broadcast"], "live")
    print("\nload", os.getloadavg()[0], "ends", *ends)
    for heard, cleaned in zip(calm, listeners.values(), strict=True):
        lost_s(heard, voice, cleaned=cleaned)
    lost = [lost_s(await overheard(listener), voice, cleaned=cleaned) for listener, cleaned in listeners.items()]
    return lost, float(after["duration_s"])


async def whole(ada: Page, duration_s: float, stretch: float) -> None:
    """It is one recording, joined of the parts of both servers, as long as the broadcast was at least, and without a gap to speak of."""
    async with asyncio.timeout(60 * stretch):
        while True:
            rows = await ada.evaluate("async () => (await fetch('/api/recordings')).json()")
            if all(row["state"] == "ready" and all(part["to_s"] for part in row["parts"]) and "node_away" not in str(row) for row in rows):
                break
            await asyncio.sleep(0.1)
    [row] = rows
    print("recorded", {key: row[key] for key in ("duration_s", "parts", "spans")}, "of", duration_s)
    assert len({part["node"] for part in row["parts"]}) == 2 and len(row["parts"]) == 3
    assert row["duration_s"] >= duration_s - LOST_S
    assert sum(span["to_s"] - span["from_s"] for span in row["spans"] if span["kind"] == "gap") <= LOST_S * stretch, row["spans"]
