"""What people do in the page, as the tests say it."""

import re
from pathlib import Path
from typing import Any

from playwright.async_api import Page, expect

from tests.support.people import PASSWORD
from tests.support.running import ROOT

REPORTS = ROOT / "var" / "reports"
HEARD = """() => new Promise((resolve) => {
  // The page keeps its audio elements out of the document: what plays is looked up through the connection's own statistics.
  const look = async () => {
    for (const connection of window.__connections) {
      for (const row of (await connection.getStats()).values()) {
        if (row.type === "inbound-rtp" && row.totalAudioEnergy > 0.0005) return resolve(row.totalAudioEnergy);
      }
    }
    setTimeout(look, 50);
  };
  look();
})"""
WATCH = """() => {
  window.__connections = [];
  const Real = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Real { constructor(...given) { super(...given); window.__connections.push(this); } };
}"""


async def arrive(page: Page, url: str, name: str) -> None:
    """Make an account and arrive at the first page."""
    await page.goto(f"{url}/register")
    await page.get_by_label("Username").fill(name)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Register").click()
    await expect(page.get_by_role("link", name="Open your studio")).to_be_visible()


async def studio(page: Page) -> None:
    """From the first page to the own studio."""
    await page.get_by_role("link", name="Open your studio").click()
    await expect(page.get_by_role("button", name=re.compile("^(Start|Stop) Streaming$"))).to_be_visible()


async def register(page: Page, url: str, name: str) -> None:
    """Make an account and arrive at the own studio."""
    await arrive(page, url, name)
    await studio(page)


async def befriend(one: Page, other: Page, name: str) -> None:
    """`one` asks the owner of `other`, whose name is `name`, who accepts."""
    await one.get_by_role("searchbox", name="Find somebody").fill(name)
    await one.get_by_role("button", name="Search").click()
    await one.get_by_role("button", name=f"Ask {name} to be friends").click()
    await other.get_by_role("button", name=re.compile("^Accept")).click()


async def watched(page: Page) -> Page:
    """Keep the page's connections where the test can ask them."""
    await page.add_init_script(f"({WATCH})()")
    return page


async def shoot(page: Page, name: str, **options: Any) -> Path:
    """A screenshot for people to look at."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    path = REPORTS / f"{name}.png"
    await page.screenshot(path=path, **options)
    return path
