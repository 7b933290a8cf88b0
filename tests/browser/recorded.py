"""Recordings for the tests of the page: made by a short broadcast of a real browser."""

import asyncio
import re
from typing import Any

from playwright.async_api import Locator, Page, expect

from tests.browser.people import register
from tests.support.running import Server

QUICK = {"denoise.default": "rnnoise", "worker.max_delay_ms": 1000}  # needs no weights, starts at once, goes on where the machine is busy
STATUS = "async () => (await (await fetch('/api/stream/status/Ada')).json())"
RECORD = """(on) => fetch('/api/stream/recording', {
  method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ on }),
}).then((response) => response.ok)"""
WAIT_S = 120


async def until(page: Page, question: str, argument: object = None) -> None:
    """Ask the page again and again until it answers true; unlike `wait_for_function` it waits for promises too."""
    async with asyncio.timeout(WAIT_S):
        while not await page.evaluate(question, argument):
            await asyncio.sleep(0.05)


async def cleaned(ada: Page) -> None:
    """Wait until the voice is cleaned."""
    await until(ada, f"async () => (await ({STATUS})()).denoise.state === 'active'")


async def owner(server: Any, visit: Any, settings: dict[str, object] | None = None, **options: Any) -> tuple[Server, Page]:
    """A server, and Ada who has an account there."""
    house = await server({**QUICK, **(settings or {})})
    ada = await visit(**options)
    await register(ada, house.url, "Ada")
    return house, ada


async def on_air(ada: Page, title: str = "") -> None:
    """Start, and wait until the voice is cleaned."""
    if title:
        await ada.get_by_role("textbox", name="Title").fill(title)
    await ada.get_by_role("button", name="Start Streaming").click()
    await expect(ada.get_by_role("switch", name="Denoise")).to_be_enabled()
    await cleaned(ada)


async def aired(ada: Page, seconds: int) -> None:
    """Wait until the broadcast has gone on for so long."""
    await until(ada, f"async () => (await ({STATUS})()).duration_s >= {seconds}")


async def off_air(ada: Page) -> None:
    await ada.get_by_role("button", name="Stop Streaming").click()
    await expect(ada.get_by_role("button", name=re.compile("^Play ")).first).to_be_enabled(timeout=60_000)


async def recorded(ada: Page, title: str, *, raw: bool = False) -> None:
    """A broadcast of some seconds; raw: in between, Denoise is off for two."""
    await on_air(ada, title)
    await aired(ada, 2)
    if raw:
        denoise = ada.get_by_role("switch", name="Denoise")
        await denoise.click()
        await expect(denoise).to_have_attribute("aria-checked", "false")
        before = (await ada.evaluate(STATUS))["duration_s"]
        await aired(ada, int(before) + 3)
        await denoise.click()
        await expect(denoise).to_have_attribute("aria-checked", "true")
        await cleaned(ada)
        await aired(ada, int(before) + 5)
    await off_air(ada)


def row(page: Page, title: str) -> Locator:
    """The list item of a recording."""
    return (
        page.get_by_role("list", name="Recordings")
        .get_by_role("listitem")
        .filter(has=page.get_by_role("button", name=re.compile(f"^(Play|Pause) {title}")))
    )


def opener(page: Page, title: str) -> Locator:
    return row(page, title).get_by_role("button", name=re.compile(f"^{title}"))
