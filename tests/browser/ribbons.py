"""What the ribbon shows, read from its canvas; in light colours."""

import asyncio

from playwright.async_api import Page

# How many pixels of the ribbon's right part are of this colour, given as "r, g, b".
PIXELS = """([canvas, colour, share]) => {
  const wide = Math.floor(canvas.width * share);
  const { data } = canvas.getContext("2d").getImageData(canvas.width - wide, 0, wide, canvas.height);
  const [r, g, b] = colour.match(/\\d+/g).map(Number);
  let found = 0;
  for (let at = 0; at < data.length; at += 4) found += data[at] === r && data[at + 1] === g && data[at + 2] === b && data[at + 3] > 200;
  return found;
}"""
VOICE = "rgb(11, 110, 105)"  # clean sound


async def drawn(page: Page, share: float = 1) -> int:
    """How much of the ribbon's right part is drawn as clean sound."""
    canvas = await page.get_by_role("main").locator("canvas.ribbon").element_handle()
    return int(await page.evaluate(PIXELS, [canvas, VOICE, share]))


async def filled(page: Page) -> None:
    """Wait until clean sound is drawn."""
    async with asyncio.timeout(60):
        while not await drawn(page):
            await asyncio.sleep(0.05)


async def emptied(page: Page) -> None:
    """What is over leaves nothing: some frames later all of it is gone, which would scroll on for many seconds."""
    await page.wait_for_timeout(200)
    assert not await drawn(page)
