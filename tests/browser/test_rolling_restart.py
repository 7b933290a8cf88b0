"""Two servers behind one proxy are restarted one after the other, and whoever listens, a guest too, hears nothing of it.

`python3 run.py test -m slow tests/browser/test_rolling_restart.py -s` prints what was lost.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, NamedTuple

import pytest
from playwright.async_api import Page, expect

from tests.browser.listening import listening, on_air
from tests.browser.people import befriend, register, watched
from tests.browser.test_links import shared
from tests.conftest import StartServer, missing_program
from tests.support.postgres import Postgres
from tests.support.proxies import NGINX, running
from tests.support.redis import PROGRAM, RedisServer
from tests.support.running import Server
from tests.support.several import node_settings, ready

LOST_S = 0.2  # over both restarts
# The page's audio elements, in the order in which they were made.
AUDIBLE = """() => {
  const audios = (window.__audios = []);
  const Real = window.Audio;
  window.Audio = class extends Real { constructor(...given) { super(...given); audios.push(this); } };
}"""
# From now on the page notes, of what is let be heard, how many samples were played and how many of them were made up.
MEASURE = """() => {
  const last = new Map();
  const sum = (window.__sum = { began: performance.now(), now: 0, samples: 0, concealed: 0, all_concealed: 0, energy: 0 });
  let asking = false;
  setInterval(async () => {
    if (asking) return;
    asking = true;
    const heard = window.__audios.filter((audio) => audio.srcObject && !audio.muted && !audio.paused);
    const audible = new Set(heard.map((audio) => audio.srcObject.getAudioTracks()[0]?.id));
    for (const connection of window.__connections) {
      if (connection.connectionState === "closed") continue;
      for (const row of (await connection.getStats()).values()) {
        if (row.type !== "inbound-rtp") continue;
        const concealed = (row.concealedSamples ?? 0) - (row.silentConcealedSamples ?? 0);
        const now = { samples: row.totalSamplesReceived ?? 0, concealed, energy: row.totalAudioEnergy ?? 0 };
        const before = last.get(row.trackIdentifier) ?? (sum.now ? { samples: 0, concealed: 0, energy: 0 } : now);
        last.set(row.trackIdentifier, now);
        sum.all_concealed += now.concealed - before.concealed;
        if (!audible.has(row.trackIdentifier)) continue;
        for (const key of ["samples", "concealed", "energy"]) sum[key] += now[key] - before[key];
      }
    }
    sum.now = performance.now();
    asking = false;
  }, 25);
}"""
STATUS = """async () => {
  for (let tries = 0; ; tries++) {
    const answer = await fetch("/api/stream/status/Ada");
    if (answer.ok || tries === 40) return await answer.json();
    await new Promise((done) => setTimeout(done, 250));
  }
}"""
RATE_HZ = 48_000


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


async def lost(page: Page) -> dict[str, float]:
    """What has been missing at this listener so far, in s."""
    said: dict[str, float] = await page.evaluate("() => window.__sum")
    passed = (said["now"] - said["began"]) / 1000
    missing = max(0.0, passed - said["samples"] / RATE_HZ)
    concealed, everywhere = said["concealed"] / RATE_HZ, said["all_concealed"] / RATE_HZ
    return {"passed": passed, "missing": missing, "concealed": concealed, "everywhere": everywhere, "energy": said["energy"]}


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


@pytest.mark.slow
@pytest.mark.real_time
async def test_nobody_hears_a_rolling_restart(
    server: StartServer, visit: Any, tmp_path: Path, stretch: float, postgres_server: Postgres, redis: RedisServer
) -> None:
    """SIGTERM of the server with the broadcast, and of the other one when the first is back: the same broadcast goes on, at most 0.2 s of
    sound are concealed or missing at each listener in all, each server leaves with 0 before its deadline, and there is one whole recording.
    """
    if NGINX.program is None or PROGRAM is None:
        missing_program("nginx")
    with postgres_server.database("hushcast") as name:
        async with house_of(server, redis, postgres_server.url(name), Path(mkdtemp(dir=tmp_path)) / "nginx") as house:
            ada, ben, guest = [await watched(await visit()) for _ in range(3)]
            for listener in (ben, guest):
                await listener.add_init_script(f"({AUDIBLE})()")
            await register(ada, house.url, "Ada")
            await register(ben, house.url, "Ben")
            await befriend(ben, ada, "Ada")
            await ada.get_by_role("link", name="Settings").click()
            link, _ = await shared(ada, "Make a listen link")
            await ada.go_back()
            await on_air(ada)
            async with asyncio.timeout(30 * stretch):
                while (before := await status(ada))["state"] != "live":
                    await asyncio.sleep(0.05)
            await ben.goto(f"{house.url}/user/Ada")
            await guest.goto(link)
            for listener in (ben, guest):
                await listening(listener)
            await asyncio.sleep(2)  # until the buffers have settled
            for listener in (ben, guest):
                await listener.evaluate(MEASURE)
            took = [await restarted(house, ada) for _ in range(2)]
            await asyncio.sleep(1)
            after = await status(ada)
            both = {who: await lost(listener) for who, listener in (("friend", ben), ("guest", guest))}
            for who, heard in both.items():
                print(who, {key: round(value, 3) for key, value in heard.items()}, "ends took", [round(each, 1) for each in took])
            assert (after["broadcast"], after["state"]) == (before["broadcast"], "live")
            await ada.get_by_role("button", name="Stop Streaming").click()
            await expect(ada.get_by_role("button", name="Start Streaming")).to_be_visible()
            await whole(ada, after["duration_s"], stretch)
            for heard in both.values():
                assert heard["missing"] + heard["concealed"] <= LOST_S * stretch and heard["energy"] > 0
            for each in house.servers.values():
                await asyncio.to_thread(each.stop)


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
