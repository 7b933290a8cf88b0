"""Firefox publishes and listens, from a page of another origin."""

import asyncio
from pathlib import Path

from tests.clients.firefox import firefox
from tests.clients.stage import HEAR_S, PROGRAMS, TALK_S, Stage, assert_tone, measured, recorded, tone_in

PHONE = (PROGRAMS / "browser.js").read_text()


async def test_firefox_publishes_and_listens(stage: Stage, elsewhere: str, tmp_path: Path) -> None:
    """The tone of its fake microphone is heard as loud as it is, and it hears ours at our level."""
    async with firefox(tmp_path) as page:
        await page.goto(elsewhere)
        saying = asyncio.create_task(page.call(PHONE, "publish", stage.whip, stage.publish, TALK_S))
        heard = measured(await stage.heard(samples=480))
        said = tone_in(recorded((await saying)["sound"]))
        assert_tone(heard)
        assert abs(heard.level_dbfs - said.level_dbfs) < 1, said
        assert not (await stage.ada.status())["live"]
        async with stage.talking():
            told = await page.call(PHONE, "listen", stage.whep, stage.listen, HEAR_S)
        assert_tone(tone_in(recorded(told["sound"])))
