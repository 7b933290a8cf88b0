"""Chromium as a stranger's page would use it: a bearer token, another origin, no code of ours."""

import asyncio
import statistics

from playwright.async_api import Page

from tests.clients.stage import CLOSE_DB, HEAR_S, PROGRAMS, TALK_S, TONE_DBFS, Stage, measured

PHONE = (PROGRAMS / "browser.js").read_text()


async def phone(page: Page, *arguments: object) -> dict[str, object]:
    said: dict[str, object] = await page.evaluate(f"all => (\n{PHONE})(...all)", list(arguments))
    return said


async def test_chromium_publishes(stage: Stage, visit, elsewhere: str) -> None:
    """What a listener decodes is as loud as what the microphone gave, over the same seconds."""
    page = await visit(elsewhere)
    saying = asyncio.create_task(phone(page, "publish", stage.whip, stage.publish, TALK_S))
    payloads = await stage.heard(TALK_S - 1)
    said = (await saying)["levels"]
    assert abs(measured(payloads).level_dbfs - statistics.fmean(said)) < 6, said
    assert not (await stage.ada.status())["live"]


async def test_chromium_listens(stage: Stage, visit, elsewhere: str) -> None:
    """It hears the tone at its level."""
    page = await visit(elsewhere)
    async with stage.talking():
        heard = await phone(page, "listen", stage.whep, stage.listen, HEAR_S)
    assert abs(statistics.median(heard["levels"]) - TONE_DBFS) < CLOSE_DB, heard
