"""States of the studio that pass, or that nobody wants, each made true and photographed; docs/pictures.md shows them."""

import asyncio
import re
from pathlib import Path

import pytest
from playwright.async_api import Route, expect

from tests.browser.people import register
from tests.browser.pictures import Camera
from tests.browser.recorded import QUICK, STATUS, aired, cleaned, on_air, owner, until
from tests.browser.test_before_start import TRACKS, UNPLUG
from tests.browser.test_pictures import SHOWN_S, TITLE, said
from tests.browser.test_remote import link_for
from tests.support.disks import fill, small_disk
from tests.support.lossy import Lossy

pytestmark = pytest.mark.slow

MB = 1_000_000
# A browser that would ask first: the one of the tests allows the microphone, and shows no prompt.
UNASKED = "navigator.permissions.query = async () => ({ state: 'prompt', onchange: null });"


async def test_before_sound(server, visit) -> None:
    """The first visit, while it connects, and a server whose UDP port is shut."""
    with Camera("before_sound") as shot:
        house = await server(QUICK)
        ada = await visit()
        await ada.add_init_script(UNASKED)
        await register(ada, house.url, "Ada")
        await shot(ada, "studio-first", ada.get_by_role("button", name="Turn the microphone on"))
        shut, photographed = Lossy(house.media_port), asyncio.Event()
        async with shut as network:
            network.up.cut = network.down.cut = True

            async def held(asked: Route) -> None:
                if asked.request.method != "POST":
                    return await asked.continue_()
                await photographed.wait()
                answer = await asked.fetch()
                udp = re.sub(r"a=candidate:\S+ \d+ tcp .*\r?\n", "", await answer.text())
                await asked.fulfill(response=answer, body=network.through(udp))

            await ada.route(re.compile("/whip/"), held)
            await ada.get_by_role("textbox", name="Title").fill(TITLE)
            await ada.get_by_role("button", name="Start Streaming").click()
            await shot(ada, "studio-connecting", said(ada, "Connecting."))
            photographed.set()
            await expect(said(ada, f"UDP {network.port} is not open on the server")).to_be_visible(timeout=60_000)
            await shot(ada, "studio-no-udp", said(ada, f"UDP {network.port} is not open on the server"))
            await ada.unroute_all(behavior="wait")


async def test_without_sound(server, visit) -> None:
    """Live with a microphone that was unplugged, a broadcast that waits after a reload, and a phone beside the computer."""
    with Camera("without_sound") as shot:
        house, ada = await owner(server, visit, {**QUICK, "broadcast.grace_s": 60})
        await ada.add_init_script(f"({TRACKS})()")
        await ada.reload()
        await on_air(ada, TITLE)
        phone = await visit(await link_for(ada, "Phone as a remote"))
        await expect(phone.get_by_role("button", name="Mute")).to_be_enabled()
        await ada.get_by_text("Sound details").click()
        await aired(ada, SHOWN_S)
        await shot(ada, "studio-phone", said(ada, "Your phone is connected."))
        await phone.close()
        await ada.evaluate(UNPLUG, False)
        await shot(ada, "studio-unplugged", said(ada, "The microphone was unplugged."))
        await ada.goto(f"{house.url}/studio")
        await shot(ada, "studio-waiting", said(ada, "Your broadcast is still open."))


async def test_short_of(server, visit, tmp_path: Path) -> None:
    """Weights that are not there, and a disk that is full."""
    with Camera("short_of") as shot, small_disk(tmp_path / "disk", 60 * MB) as disk:
        settings = {**QUICK, "denoise.default": "auto", "models.path": [], "storage.path": str(disk), "storage.floor_mb": 4}
        _, ada = await owner(server, visit, settings)
        await on_air(ada, TITLE)
        await aired(ada, SHOWN_S)
        await until(ada, f"async () => (await ({STATUS})()).recording.id !== null")
        await cleaned(ada)
        await shot(ada, "studio-no-weights", ada.get_by_text("DeepFilterNet 3: no weights", exact=False))
        fill(disk, leave=3 * MB)
        await expect(said(ada, "Not recorded any more: the disk of the server is full.")).to_be_visible(timeout=60_000)
        await expect(ada.locator(".truth .wrong")).to_be_visible()  # marked as trouble
        await shot(ada, "studio-full-disk", said(ada, "Not recorded any more: the disk of the server is full."))
