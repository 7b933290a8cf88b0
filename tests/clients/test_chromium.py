"""Chromium as a stranger's page would use it: a bearer token, another origin, no code of ours."""

from typing import Any

from playwright.async_api import Page

from tests.clients.stage import HEAR_S, PROGRAMS, TALK_S, Stage, assert_tone, meanwhile, recorded, tone_in
from tests.support.sound import RATE_HZ, decode, segment_si_sdr

PHONE = f"all => (\n{(PROGRAMS / 'browser.js').read_text()})(...all)"


async def phone(page: Page, *arguments: object) -> Any:
    return await page.evaluate(PHONE, list(arguments))


async def test_chromium_publishes(stage: Stage, visit, elsewhere: str) -> None:
    """What a listener decodes follows the wave that the microphone gave, in packets of 10 ms: the answer asks for Opus that can."""
    page = await visit(elsewhere)
    async with meanwhile(phone(page, "publish", stage.whip, stage.publish, TALK_S)) as saying:
        heard = decode(await stage.heard(HEAR_S, 480))
        said = recorded((await saying)["sound"])
    assert len(said) > TALK_S * RATE_HZ * 0.8
    assert max(segment_si_sdr(heard, said, 0.25, search=len(said)), default=0.0) > 10
    assert not (await stage.ada.status())["live"]


async def test_chromium_listens(stage: Stage, visit, elsewhere: str) -> None:
    """It hears the tone at its level."""
    page = await visit(elsewhere)
    async with stage.talking():
        told = await phone(page, "listen", stage.whep, stage.listen, HEAR_S)
    assert_tone(tone_in(recorded(told["sound"])))
    assert told["protocol"] == "udp"


async def test_chromium_without_udp(stage: Stage, visit, elsewhere: str) -> None:
    """Given nothing but the TCP candidate, it publishes and listens all the same."""
    page, other = await visit(elsewhere), await visit(elsewhere)
    async with meanwhile(phone(page, "publish", stage.whip, stage.publish, TALK_S, {"transport": "tcp"})) as saying:
        await stage.ben.until("ada", live=True)
        told = await phone(other, "listen", stage.whep, stage.listen, HEAR_S, {"transport": "tcp"})
        assert told["protocol"] == "tcp" and len(recorded(told["sound"])) > HEAR_S * RATE_HZ * 0.8
        assert (await saying)["protocol"] == "tcp"
    assert tone_in(recorded(told["sound"])).level_dbfs > -60
