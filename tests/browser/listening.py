"""Listeners and their broadcasters, as the tests of listening say it: how long it was silent, and what the page says meanwhile."""

from typing import Any

from playwright.async_api import Page, expect

from tests.browser.people import befriend, register, watched
from tests.support.running import Server

# From now on the page notes when packets come: `__silence()` is the longest time in s without any, `__flows()` whether they come.
FLOW = """() => {
  let came = 0, last = performance.now(), longest = 0, before = -1;
  window.__silence = () => Math.max(longest, performance.now() - last) / 1000;
  window.__anew = () => { longest = 0; last = performance.now(); };
  window.__flows = () => performance.now() - came < 500;
  setInterval(async () => {
    let packets = 0;
    for (const connection of window.__connections) {
      if (connection.connectionState === "closed") continue;
      for (const row of (await connection.getStats()).values()) if (row.type === "inbound-rtp") packets += row.packetsReceived;
    }
    if (packets > 0 && packets !== before) {
      longest = Math.max(longest, performance.now() - last);
      came = last = performance.now();
    }
    before = packets;
  }, 50);
}"""
FLOWS = "() => window.__flows()"
# Every text that the live region has said, in order.
TOLD = """() => {
  window.__told = [];
  const region = document.getElementById("live");
  new MutationObserver(() => region.textContent && window.__told.push(region.textContent)).observe(region, { childList: true });
}"""


async def two(server: Any, visit: Any, settings: dict[str, object] | None = None, **options: Any) -> tuple[Server, Page, Page]:
    """A server, Ada who talks, and Ben, her friend, on her page."""
    calm = {"denoise.default": "rnnoise", "worker.max_delay_ms": 1000}  # cleaning goes on where the machine is busy
    house = await server({**calm, **(settings or {})})
    ada = await watched(await visit())
    ben = await watched(await visit(**options))
    await register(ada, house.url, "Ada")
    await register(ben, house.url, "Ben")
    await befriend(ben, ada, "Ada")
    await on_air(ada)
    await ben.goto(f"{house.url}/user/Ada")
    return house, ada, ben


async def on_air(ada: Page) -> None:
    """Start, and wait until it is so."""
    await ada.get_by_role("button", name="Start Streaming").click()
    await expect(ada.get_by_role("switch", name="Denoise")).to_be_enabled()


async def listening(ben: Page) -> None:
    """Press Start Listening once, and wait for sound."""
    await ben.get_by_role("button", name="Start Listening").click()
    await expect(ben.get_by_role("button", name="Stop Listening")).to_be_visible()
    await ben.evaluate(FLOW)
    await ben.evaluate(TOLD)
    await heard(ben)


async def heard(ben: Page, timeout_s: float = 60) -> None:
    """Wait until packets come."""
    await ben.wait_for_function(FLOWS, timeout=timeout_s * 1000)


async def silence(ben: Page) -> float:
    """The longest time without a packet since `anew`, in s."""
    return float(await ben.evaluate("() => window.__silence()"))


async def anew(ben: Page) -> None:
    """Measure the silence from here."""
    await ben.evaluate("() => window.__anew()")
