"""One visit to a page by a phone on slow 4G: when it is interactive, what it asked for until then, and what came over the wire."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext, CDPSession

SCRIPT = (Path(__file__).parent / "slow_visit.js").read_text()
LATENCY_MS, DOWN_BITS_S, UP_BITS_S, SLOWER = 150, 1_600_000, 750_000, 4  # as Lighthouse has slow 4G and a phone's processor
NETWORK = {"offline": False, "latency": LATENCY_MS, "downloadThroughput": DOWN_BITS_S / 8, "uploadThroughput": UP_BITS_S / 8}
CODE = ("Script", "Stylesheet")
MOST_S = 60.0


@dataclass(frozen=True)
class Visited:
    """interactive_ms: from the start of the navigation until the control is seen and answers.

    requests: until that click, sockets too, the cache's answers not counted, in their order with the ms of their start and end.
    code_bytes: of scripts and styles, heads included.
    """

    interactive_ms: float
    requests: list[tuple[str, float, float | None]]
    code_bytes: int


@dataclass
class _Asked:
    url: str
    kind: str
    began_s: float  # wall clock
    stamp_s: float = 0.0  # the browser's own clock at the same moment
    ended_s: float | None = None
    size: int = 0
    cached: bool = False


@dataclass
class _Traffic:
    """What one page has asked for, by the browser's id of it."""

    asked: dict[str, _Asked] = field(default_factory=dict)

    def follow(self, cdp: CDPSession) -> None:
        cdp.on("Network.requestWillBeSent", self._began)
        cdp.on("Network.webSocketCreated", self._opened)
        cdp.on("Network.requestServedFromCache", lambda said: self._cached(said["requestId"]))
        cdp.on("Network.responseReceived", self._answered)
        cdp.on("Network.loadingFinished", self._ended)

    def _began(self, said: dict[str, Any]) -> None:
        self.asked[said["requestId"]] = _Asked(said["request"]["url"], said.get("type", ""), said["wallTime"], said["timestamp"])

    def _opened(self, said: dict[str, Any]) -> None:
        self.asked[said["requestId"]] = _Asked(said["url"], "WebSocket", time.time())

    def _cached(self, key: str) -> None:
        if key in self.asked:
            self.asked[key].cached = True

    def _answered(self, said: dict[str, Any]) -> None:
        if said["response"].get("fromDiskCache"):
            self._cached(said["requestId"])

    def _ended(self, said: dict[str, Any]) -> None:
        if asked := self.asked.get(said["requestId"]):
            asked.ended_s = asked.began_s + said["timestamp"] - asked.stamp_s
            asked.size = 0 if asked.cached else int(said["encodedDataLength"])


async def visit(context: BrowserContext, url: str, controls: Sequence[str]) -> Visited:
    """Visit in a page of its own, with this profile's cache. controls: texts of the buttons or links of which one makes it interactive."""
    page = await context.new_page()
    try:
        cdp = await context.new_cdp_session(page)
        traffic = _Traffic()
        traffic.follow(cdp)
        await cdp.send("Network.enable")
        await cdp.send("Network.emulateNetworkConditions", NETWORK)
        await cdp.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
        await page.add_init_script(SCRIPT.replace('"CONTROLS"', json.dumps(list(controls))))
        await page.goto(url, wait_until="commit", timeout=1000 * MOST_S)
        found = await page.wait_for_function("() => globalThis.interactive", timeout=1000 * MOST_S)
        interactive_ms, clicked_ms, origin_ms = await found.json_value()
        await page.wait_for_load_state("load", timeout=1000 * MOST_S)
    finally:
        await page.close()
    fetched = [each for each in traffic.asked.values() if not each.cached and each.url.startswith(("http", "ws"))]
    requests = [
        (each.url, 1000 * each.began_s - origin_ms, None if each.ended_s is None else 1000 * each.ended_s - origin_ms) for each in fetched
    ]
    return Visited(
        interactive_ms,
        sorted((each for each in requests if each[1] <= clicked_ms), key=lambda each: each[1]),
        sum(each.size for each in fetched if each.kind in CODE),
    )
