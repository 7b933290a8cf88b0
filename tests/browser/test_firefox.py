"""The core of the page in Debian's Firefox: from the first account to the recording that plays, found by role and name."""

import asyncio
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.browser.people import WATCH
from tests.clients.firefox import Firefox, firefox
from tests.support.people import PASSWORD

pytestmark = pytest.mark.browser
ENTER, TAB = "\ue007", "\ue004"  # WebDriver's names of keys
WAIT_S = 30
SHOWN = """(node) => {
  node.scrollIntoView({ block: "center" });
  return node.checkVisibility({ visibilityProperty: true }) && !node.disabled;
}"""
FOCUSED = "(node) => node === document.activeElement"
# The words of the page that are shown, without those that are only said.
WORDS = "() => [...document.body.children].filter(({ id }) => id !== 'live').map((each) => each.innerText).join('\\n')"
# All elements are muted whatever the page says: without a loudspeaker Firefox plays no file aloud, and takes that for a broken one.
MUTED = """() => {
  const { get, set } = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, "muted");
  Object.defineProperty(HTMLMediaElement.prototype, "muted", { configurable: true, get, set() { set.call(this, true); } });
}"""
# What comes of the newest connection: packets so far, and the level of what is played, as that of a tone, in dBFS.
COMES = """async () => {
  const stats = [...(await window.__connections.at(-1).getStats()).values()];
  const { packetsReceived, audioLevel } = stats.find(({ type }) => type === "inbound-rtp") ?? { packetsReceived: 0, audioLevel: 0 };
  return { packets: packetsReceived, level: 20 * Math.log10(Math.max(audioLevel, 1e-6)) - 3.01 };
}"""


class AtFirefox:
    """Somebody at a Firefox, who looks for things by role and name."""

    def __init__(self, page: Firefox, url: str, stretch: float) -> None:
        self.page, self.url, self._wait_s = page, url, WAIT_S * stretch

    async def at(self, path: str) -> None:
        await self.page.goto(self.url + path)

    async def sees(self, role: str, name: str) -> dict[str, object]:
        """Wait for it to be there and to be of use."""
        async with asyncio.timeout(self._wait_s):
            while True:
                for node in await self.page.located(role, name):
                    if await self.page.ask(node, SHOWN):
                        return node
                await asyncio.sleep(0.05)

    async def presses(self, role: str, name: str) -> None:
        await self.page.click(await self.sees(role, name))

    async def fills(self, role: str, name: str, text: str) -> None:
        """Press it until it has the focus, as a page that still grows may have moved it from under the mouse; then type."""
        async with asyncio.timeout(self._wait_s):
            await self.presses(role, name)
            while not await self.page.ask(field := await self.sees(role, name), FOCUSED):
                await self.page.click(field)
        await self.page.type(text)

    async def reads(self, sentence: str) -> str:
        """Wait until the page shows a text of this form; the text."""
        deadline = asyncio.get_running_loop().time() + self._wait_s
        while (found := re.search(sentence, words := await self.page.call(WORDS), re.MULTILINE)) is None:
            assert asyncio.get_running_loop().time() < deadline, words
            await asyncio.sleep(0.05)
        return found[0]

    async def registers(self, name: str) -> None:
        await self.at("/register")
        await self.fills("textbox", "Username", f"{name}{TAB}{PASSWORD}{ENTER}")
        await self.sees("link", "Open your studio")


async def sound(ben: AtFirefox, least_dbfs: float = -np.inf) -> None:
    """Wait until more packets come, and until they sound as loud as that."""
    before = await ben.page.call(COMES)
    async with asyncio.timeout(ben._wait_s):
        while True:
            now: dict[str, Any] = await ben.page.call(COMES)
            if now["packets"] > before["packets"] + 50 and now["level"] > least_dbfs:
                return
            await asyncio.sleep(0.05)


async def test_the_core_of_the_page_in_firefox(server, tmp_path: Path, stretch: float) -> None:
    """Register, befriend, go live, listen, Clean and Raw, stop; the recording plays, for its owner and for the friend."""
    house = await server({"denoise.default": "rnnoise", "worker.max_delay_ms": 1000})
    async with firefox(tmp_path) as first:
        await first.before_each_page(WATCH)
        await first.before_each_page(MUTED)
        ada, ben = AtFirefox(first, house.url, stretch), AtFirefox(await first.another(), house.url, stretch)
        await ada.registers("Ada")
        await ben.registers("Ben")
        await ben.fills("searchbox", "Find somebody", f"Ada{ENTER}")
        await ben.presses("button", "Ask Ada to be friends")
        await ada.presses("button", "Accept Ben")

        await ada.presses("link", "Open your studio")
        await ada.fills("textbox", "Title", "Evening")
        assert await first.ask(await ada.sees("textbox", "Title"), "(field) => field.value") == "Evening"
        await ada.presses("button", "Start Streaming")
        await ada.reads("Friends hear you clean, by RNNoise.")
        await ada.reads("This is recorded.")
        await ben.at("/user/Ada")
        await ben.reads("Evening")
        await ben.presses("button", "Start Listening")
        await ben.reads("You hear Ada, cleaned.")
        await sound(ben)
        await ada.reads("Ben can hear you.")

        await ben.presses("radio", "Raw")
        await ben.reads("You hear Ada raw, as you have chosen.")
        await sound(ben, -50)  # Firefox's microphone gives a tone, of which RNNoise may leave nothing
        await ben.presses("radio", "Clean")
        await ben.reads("You hear Ada, cleaned.")
        await ada.presses("button", "Stop Streaming")
        await ben.reads("Ada has stopped. If Ada goes on now, you hear it.")
        await ben.presses("button", "Stop Listening")
        for person in (ada, ben):
            await person.presses("button", "Play Evening")
            await person.sees("button", "Pause Evening")
            await person.sees("region", "Player")
            await person.reads("0:0[1-9] / 0:")
