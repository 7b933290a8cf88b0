"""How whole the voice stays on bad networks: a real Chromium broadcaster, real Chromium listeners, the real server, seeds.

    python -m tests.bench.loss --seconds 60 --audio FOLDER --models FOLDER [--json]

All listeners hear the same broadcast at the same time, each behind a network of its own; `control` has a good one and shows
what the machine itself costs. Another run puts the broadcaster behind a bad network.
"""

import argparse
import asyncio
import json
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Page, async_playwright

from tests.bench import places
from tests.bench.arguments import given
from tests.bench.servers import until_available
from tests.conftest import CHROMIUM
from tests.support.lossy import Lossy, Way, at_random, in_bursts
from tests.support.people import Person, signed_up
from tests.support.running import ROOT, Server

SCRIPT = (Path(__file__).parent / "loss.js").read_text()
NAME = "speaker"


@dataclass(frozen=True)
class Network:
    """One bad way between Chromium and the server. bursts: Gilbert-Elliott, three in a row in the mean, else at random."""

    share: float = 0.0
    bursts: bool = False
    delay_ms: float = 0.0  # each way
    jitter_ms: float = 0.0  # in the direction of the media
    both: bool = True  # the way back loses as much

    def ways(self, seed: int) -> tuple[Way, Way]:
        """In the direction of the media, and back."""
        return (
            Way(self._lost(seed), self.delay_ms, self.jitter_ms, seed=seed),
            Way(self._lost(seed + 1) if self.both else at_random(0.0, seed), self.delay_ms, seed=seed + 1),
        )

    def _lost(self, seed: int) -> Any:
        return in_bursts(self.share, 3, seed) if self.bursts else at_random(self.share, seed)


@dataclass(frozen=True)
class Ear:
    """One listener of a run."""

    name: str
    network: Network = Network()
    red: bool = True
    nack: bool = True
    variant: str = "auto"


EARS = (
    Ear("control"),
    Ear("random_red", Network(0.1)),
    Ear("random_plain", Network(0.1), red=False),
    Ear("bursts_red", Network(0.1, bursts=True)),
    Ear("bursts_plain", Network(0.1, bursts=True), red=False),
    Ear("random_red_40ms", Network(0.1, delay_ms=20)),
    Ear("random_plain_40ms", Network(0.1, delay_ms=20), red=False),
    Ear("jitter_60ms", Network(jitter_ms=60)),
)


@asynccontextmanager
async def stage(audio: Path, models: Path | None, denoiser: str) -> AsyncIterator[tuple[Server, Person, Page]]:
    """A server, somebody signed in, and her page in Chromium, whose microphone plays the noisy voice over and over."""
    program = next(filter(None, map(shutil.which, CHROMIUM)))
    flags = [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={places.noisy(audio)}",
        "--disable-background-timer-throttling",
        "--disable-renderer-backgrounding",
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
    ]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "var").mkdir()
        (ROOT / "var" / "cache").mkdir(parents=True, exist_ok=True)
        (Path(folder) / "var" / "cache").symlink_to(ROOT / "var" / "cache")
        settings: dict[str, object] = {"denoise.default": denoiser, "recording.enabled": False}
        if models is not None:
            settings["models.path"] = [str(models)]
        server = await Server(Path(folder), settings, {}, 1.0).start()
        try:
            async with AsyncExitStack() as opened:
                person = await opened.enter_async_context(signed_up(server.url, NAME))
                await until_available(person, denoiser)
                playwright = await opened.enter_async_context(async_playwright())
                browser = await playwright.chromium.launch(executable_path=program, args=flags, ignore_default_args=["--mute-audio"])
                opened.push_async_callback(browser.close)
                context = await browser.new_context(permissions=["microphone"], bypass_csp=True)
                await context.add_cookies([{"name": each.key, "value": each.value, "url": server.url} for each in person.http.cookie_jar])
                page = await context.new_page()
                await page.goto(server.url + "/healthz")
                await page.evaluate(SCRIPT)
                yield server, person, page
                await page.evaluate("loss.hangUp()")
        finally:
            server.stop()


async def publish(page: Page, person: Person, port: int, *, red: bool, nack: bool = True) -> None:
    """The page's microphone on air, and its worker at work."""
    await page.evaluate(
        "ask => loss.publish(ask)", {"name": "mic", "url": f"/whip/{NAME}?record=0", "port": port, "red": red, "nack": nack}
    )
    await person.until(NAME, live=True, denoise_state="active")


async def to_listeners(audio: Path, models: Path | None, denoiser: str, seconds: float, ears: Sequence[Ear]) -> dict[str, Any]:
    """Each ear's figures over `seconds`, all heard at once."""
    async with AsyncExitStack() as opened:
        server, person, page = await opened.enter_async_context(stage(audio, models, denoiser))
        await publish(page, person, server.media_port, red=True)
        nets: dict[str, Lossy] = {}
        for at, ear in enumerate(ears):
            down, up = ear.network.ways(seed=1000 + 2 * at)
            nets[ear.name] = await opened.enter_async_context(Lossy(server.media_port, up, down))
            ask = {"name": ear.name, "url": f"/whep/{NAME}?variant={ear.variant}", "port": nets[ear.name].port, "red": ear.red}
            await page.evaluate("ask => loss.listen(ask)", {**ask, "nack": ear.nack})
        await asyncio.sleep(3)  # what a connection's first seconds cost is not what is asked here
        before = {ear.name: await page.evaluate("name => loss.counts(name)", ear.name) for ear in ears}
        await asyncio.sleep(seconds)
        after = {ear.name: await page.evaluate("name => loss.counts(name)", ear.name) for ear in ears}
        status = await person.status()
        found = {ear.name: {**heard(before[ear.name], after[ear.name]), "net": shares(nets[ear.name])} for ear in ears}
        return {**found, "status": {key: status[key] for key in ("denoise", "loss", "latency_ms")}}


def heard(before: dict[str, float], after: dict[str, float]) -> dict[str, Any]:
    """What a listener's counters say of the time between two looks."""

    def grown(key: str) -> float:
        return after.get(key, 0) - before.get(key, 0)

    return {
        "packets": grown("packetsReceived"),
        "lost": grown("packetsLost"),
        "concealed_pct": round(100 * grown("concealedSamples") / max(grown("totalSamplesReceived"), 1), 3),
        "nacks": grown("nackCount"),
        "retransmitted": grown("retransmittedPacketsReceived"),
        "fec_packets": grown("fecPacketsReceived"),
        "buffer_ms": round(1000 * grown("jitterBufferDelay") / max(grown("jitterBufferEmittedCount"), 1), 1),
        "bytes_a_second": round(grown("bytesReceived") / max(grown("totalSamplesReceived") / 48_000, 1e-9)),
    }


def shares(net: Lossy) -> dict[str, float]:
    return {name: round(way.lost_count / max(way.lost_count + way.passed, 1), 4) for name, way in (("up", net.up), ("down", net.down))}


async def from_broadcaster(
    audio: Path, models: Path | None, denoiser: str, seconds: float, network: Network, *, red: bool, nack: bool = True
) -> dict[str, Any]:
    """The broadcaster behind a bad network, one listener behind a good one."""
    async with AsyncExitStack() as opened:
        server, person, page = await opened.enter_async_context(stage(audio, models, denoiser))
        up, down = network.ways(seed=77)
        net = await opened.enter_async_context(Lossy(server.media_port, up, down))
        await publish(page, person, net.port, red=red, nack=nack)
        for name, variant in (("auto", "auto"), ("original", "original")):
            url = f"/whep/{NAME}?variant={variant}"
            await page.evaluate("ask => loss.listen(ask)", {"name": name, "url": url, "port": server.media_port, "red": True, "nack": True})
        await asyncio.sleep(3)
        names = ("mic", "auto", "original")
        before, at_first = {name: await page.evaluate("name => loss.counts(name)", name) for name in names}, await person.status()
        began = time.monotonic()
        await asyncio.sleep(seconds)
        after, at_last = {name: await page.evaluate("name => loss.counts(name)", name) for name in names}, await person.status()
        lost = {key: at_last["loss"][key] - at_first["loss"][key] for key in at_last["loss"]}
        passed_s = time.monotonic() - began
        first, last = (each["mic"]["packetsSent"] - each["mic"].get("retransmittedPacketsSent", 0) for each in (before, after))
        sent = last - first
        return {
            "packets": sent,
            "worker_concealed_pct": round(100 * lost["concealed"] / sent, 3),
            "not_repaired_pct": round(100 * lost["lost"] / sent, 3),
            "retransmitted": after["mic"].get("retransmittedPacketsSent", 0) - before["mic"].get("retransmittedPacketsSent", 0),
            "nacks": after["mic"].get("nackCount", 0) - before["mic"].get("nackCount", 0),
            "reported_loss": after["mic"].get("reported_loss"),
            "bytes_a_second": round((after["mic"]["bytesSent"] - before["mic"]["bytesSent"]) / passed_s),
            "auto": heard(before["auto"], after["auto"]),
            "original": heard(before["original"], after["original"]),
            "latency_ms": at_last["latency_ms"],
            "net": shares(net),
        }


UPLINKS = {
    "random_red": (Network(0.1), True),
    "random_plain": (Network(0.1), False),
    "random_red_40ms": (Network(0.1, delay_ms=20), True),
    "random_plain_40ms": (Network(0.1, delay_ms=20), False),
    "bursts_red": (Network(0.1, bursts=True), True),
    "bursts_plain": (Network(0.1, bursts=True), False),
}


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio", type=Path, default=given("AUDIO"))
    parser.add_argument("--models", type=Path, default=given("MODELS"))
    parser.add_argument("--denoiser", default="deepfilternet3")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--ears", nargs="*", help=f"of {' '.join(ear.name for ear in EARS)}; default: all")
    parser.add_argument("--uplinks", nargs="*", help=f"of {' '.join(UPLINKS)}; default: none")
    asked = parser.parse_args()
    place = places.sound(asked.audio), places.weights(asked.models), asked.denoiser, asked.seconds
    ears = [ear for ear in EARS if asked.ears is None or ear.name in asked.ears]
    if ears and (asked.ears is not None or asked.uplinks is None):
        print(json.dumps({"to_listeners": await to_listeners(*place, ears)}, indent=1))
    for name in asked.uplinks or ():
        network, red = UPLINKS[name]
        print(json.dumps({name: await from_broadcaster(*place, network, red=red)}, indent=1))


if __name__ == "__main__":
    asyncio.run(main())
