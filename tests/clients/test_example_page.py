"""The page under examples/ in Chromium, behind nginx as its head says, before a real server."""

import dataclasses
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import soundfile
from playwright.async_api import Locator, Page, expect

from tests.clients.stage import HEAR_S, Stage, assert_tone, measured, recorded, tone, tone_in
from tests.conftest import Visit, missing_program
from tests.support.people import PASSWORD
from tests.support.proxies import NGINX, running
from tests.support.running import ROOT
from tests.support.sound import RATE_HZ

PAGE = ROOT / "examples" / "client.html"
BEFORE = "        location / {\n"


@pytest.fixture
async def site(stage: Stage, tmp_path: Path) -> AsyncIterator[str]:
    """The site's URL at nginx: deploy/nginx.conf with the lines that the page's head says, where it says."""
    if NGINX.program is None:
        missing_program(NGINX.name)
    location = re.search(r"^ +location /examples/ \{.*?^ +\}\n", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert location is not None and "root /srv/hushcast;" in location[0]
    lines = location[0].replace("/srv/hushcast", str(ROOT))

    def adapted(text: str, port: int) -> str:
        assert text.count(BEFORE) == 1
        return NGINX.adapted(text.replace(BEFORE, lines + BEFORE), port)

    async with running(dataclasses.replace(NGINX, adapted=adapted), tmp_path / "nginx", [stage.house.url]) as url:
        yield url


async def signed_in(visit: Visit, site: str, name: str) -> tuple[Page, Locator]:
    """The page of somebody, and what it says."""
    page = await visit(f"{site}/examples/client.html")
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    said = page.get_by_role("log")
    await expect(said).to_have_text(f"friends: {'ben' if name == 'ada' else 'ada'}\n")
    return page, said


async def test_a_file_is_published(stage: Stage, site: str, visit: Visit, tmp_path: Path) -> None:
    """A friend hears the tone that is in the file; the friend's page says when it begins and when it ends."""
    file = tmp_path / "tone.wav"
    soundfile.write(file, tone(6.0), RATE_HZ)
    (ada, _), (_, said) = await signed_in(visit, site, "ada"), await signed_in(visit, site, "ben")
    await ada.get_by_label("As", exact=True).fill("ada")
    await ada.get_by_label("Sound file").set_input_files(file)
    await ada.get_by_role("button", name="Publish").click()
    assert_tone(measured(await stage.heard(samples=480)))  # the answer asks Chromium for packets of 10 ms
    await expect(said).to_have_text("friends: ada\nada is live\nada has ended\n")


async def test_a_friend_is_listened_to(stage: Stage, site: str, visit: Visit, tmp_path: Path) -> None:
    """The file that it saves has the tone that the friend says."""
    page, said = await signed_in(visit, site, "ben")
    async with stage.talking():
        await expect(said).to_contain_text("ada is live")
        await page.get_by_label("Friend").fill("ada")
        await page.get_by_label("Seconds").fill(f"{HEAR_S}")
        async with page.expect_download() as saving:
            await page.get_by_role("button", name="Listen into a file").click()
        await (await saving.value).save_as(file := tmp_path / "heard")
    assert_tone(tone_in(recorded(b64encode(file.read_bytes()).decode())))


async def test_a_chord_pad(site: str, visit: Visit) -> None:
    """Each key is a chord, which all devices of the session get."""
    page, said = await signed_in(visit, site, "ada")
    await page.get_by_role("button", name="Open a chord pad").click()
    for chord, name in (("Am7", "Am7"), ("C#dim", "C♯dim")):
        await page.get_by_role("button", name=name).click()
        await expect(said).to_contain_text(f"all devices have {chord}\n")
