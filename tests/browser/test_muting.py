"""What the page lets through its microphone: nothing while muted, whatever happens to the device, the page or the server's word; all
again after any change of packets."""

import asyncio

from playwright.async_api import Page, expect

from tests.browser.people import register

START = """async () => {
  const { Broadcaster } = await import("/js/rtc/broadcaster.js");
  window.air = new Broadcaster();
  await air.start("Ada", "");
}"""
# Whether the track that is sent then, another one than before, is let through.
CHANGED = """async (change) => {
  const before = air.microphone.track;
  const sent = () => air.connection.peer.transceiver.sender.track;
  if (change === "unplugged") before.dispatchEvent(new Event("ended"));
  if (change === "chosen") await air.choose({ echo: true });
  while (sent() === before || sent() !== air.microphone.track) await new Promise((then) => setTimeout(then, 10));
  return sent().enabled;
}"""
AGAIN = """async () => {
  await air.stop();
  air.mute(true);
  air.stopPreview();
  await air.start("Ada", "");
  return [air.broadcast.muted, air.microphone.track.enabled];
}"""
LAST_WORD = "() => /^a=ptime:60\\r?$/m.test(air.connection.peer.answer)"
# A restart whose answer does not come while other packets are asked for.
RESTARTING = """async () => {
  const { peer } = air.connection, { connection } = peer;
  let answer;
  const answered = new Promise((then) => (answer = then));
  connection.createOffer = async (options) => {
    await answered;
    return Object.getPrototypeOf(connection).createOffer.call(connection, options);
  };
  const restart = peer.restart();
  await air.setPacketTime(20);
  const { silenced } = air;
  answer();
  await restart;
  return silenced;
}"""
# The change is under way as the connection, or the whole broadcast, ends: is sound let through [just then, afterwards]?
ENDING = """async (end) => {
  const { peer } = air.connection, { connection } = peer;
  let over;
  const then = new Promise((resolve) => (over = resolve));
  connection.setLocalDescription = (description) => {
    const pending = Object.getPrototypeOf(connection).setLocalDescription.call(connection, description);
    if (end === "broadcast") air.ended(null);
    else peer.close(false);
    air.mute(false);
    over(air.microphone.track.enabled);
    return pending;
  };
  air.mute(true);
  await air.setPacketTime(40);
  return [await then, air.microphone.track.enabled];
}"""


async def broadcasting(server, visit) -> Page:
    """A page with a broadcaster of its own, `air`, on air."""
    house = await server({"denoise.default": "passthrough", "http.modules": True})
    page = await visit()
    await register(page, house.url, "Ada")
    await page.evaluate(START)
    return page


async def test_muted_stays_muted_with_another_microphone(server, visit, stretch: float) -> None:
    """Where the device is pulled, another one chosen, or the microphone let go and taken again: muted until it is said otherwise."""
    page = await broadcasting(server, visit)
    async with asyncio.timeout(20 * stretch):
        await page.evaluate("() => air.mute(true)")
        assert [await page.evaluate(CHANGED, change) for change in ("unplugged", "chosen")] == [False, False]
        await page.evaluate("() => air.mute(false)")
        assert [await page.evaluate(CHANGED, change) for change in ("unplugged", "chosen")] == [True, True]
        assert await page.evaluate(AGAIN) == [True, False]


async def test_no_change_of_packets_leaves_the_microphone_shut(server, visit, stretch: float) -> None:
    """Asked twice it goes by the last word; it does not wait for a restart, nor for a connection that ended in the middle of it."""
    page = await broadcasting(server, visit)
    async with asyncio.timeout(30 * stretch):
        await page.evaluate("() => air.mute(true)")  # there is no better pause
        await page.evaluate("() => Promise.all([air.setPacketTime(20), air.setPacketTime(60)])")
        await page.wait_for_function(LAST_WORD)
        assert (await page.evaluate(ENDING, "connection"))[1]
        await page.evaluate("async () => { await air.stop(); await air.start('Ada', ''); }")
        assert await page.evaluate(ENDING, "broadcast") == [True, True]
        await page.evaluate("async () => { await air.start('Ada', ''); air.mute(true); }")
        assert await page.evaluate(RESTARTING) is False


async def test_whoever_was_muted_resumes_muted(server, visit, stretch: float) -> None:
    """Live, Mute, reload, Resume: the page shows it, the microphone is shut, the server says so; Unmute opens all three."""
    house = await server({"denoise.default": "passthrough", "http.modules": True})
    page = await visit()
    await register(page, house.url, "Ada")

    async def muted() -> bool:
        answer = await page.request.get(f"{house.url}/api/stream/status/Ada")
        return (await answer.json())["muted"]

    async with asyncio.timeout(60 * stretch):
        await page.get_by_role("button", name="Start Streaming").click()
        button = page.get_by_role("button", name="Mute")
        await button.click()
        await expect(button).to_have_attribute("aria-pressed", "true")
        while not await muted():
            await asyncio.sleep(0.05)
        await page.reload()
        await expect(page.get_by_text("Your broadcast is still open, and muted.")).to_be_visible()
        await page.get_by_role("button", name="Resume").click()
        await expect(button).to_have_attribute("aria-pressed", "true")
        await expect(page.get_by_text("You are muted.")).to_be_visible()
        assert await muted()
        other = await page.context.new_page()
        await other.goto(f"{house.url}/studio")
        await expect(other.get_by_text("You are still live, and muted.")).to_be_visible()
        await other.close()
        await button.click()
        await expect(button).to_have_attribute("aria-pressed", "false")
        while await muted():
            await asyncio.sleep(0.05)
        await page.request.post(
            f"{house.url}/api/stream/mute", data={"muted": True}, headers={"Origin": house.url}
        )  # a phone, or another tab
        await expect(button).to_have_attribute("aria-pressed", "true")
