"""What the broadcaster's page says of sound, muting and recording is so: made true first, then read by role and name."""

import re

from playwright.async_api import Page, expect

from tests.browser.people import register, shoot
from tests.browser.recorded import until

RNNOISE = {"denoise.default": "rnnoise", "worker.max_delay_ms": 1000}  # cleaning goes on where the machine is busy
FRIENDS = re.compile("^Friends ")
STATUS = "async () => (await fetch('/api/stream/status/Ada')).json()"


async def started(page: Page) -> None:
    await page.get_by_role("button", name="Start Streaming").click()
    await expect(page.get_by_role("button", name="Stop Streaming")).to_be_visible()


async def says(page: Page, text: str | re.Pattern[str]) -> None:
    """One of the studio's live regions says it."""
    await expect(page.get_by_role("main").get_by_role("status").filter(has_text=text).first).to_be_visible()


async def other_tab(page: Page, url: str) -> Page:
    tab = await page.context.new_page()
    await tab.goto(f"{url}/studio")
    return tab


async def test_what_friends_get_is_said_on_every_tab(server, visit) -> None:
    """Clean, raw because the switch is off, silence because muted: in the tab that sends and in the other one, which can unmute."""
    house = await server(RNNOISE)
    ada = await visit(viewport={"width": 1280, "height": 800})
    await register(ada, house.url, "Ada")
    await started(ada)
    tab = await other_tab(ada, house.url)
    for page in (ada, tab):
        await says(page, "Friends hear you clean, by RNNoise.")
    await shoot(ada, "truth-clean")
    await ada.get_by_role("switch", name="Denoise").click()
    for page in (ada, tab):
        await says(page, "Friends hear you raw: Denoise is off.")
    await shoot(ada, "truth-raw")
    await ada.get_by_role("button", name="Mute").click()
    for page in (ada, tab):
        await says(page, "Friends hear silence.")
        await expect(page.get_by_text("Muted", exact=True)).to_be_visible()
    await says(tab, "You are still live, and muted.")
    await shoot(tab, "truth-other-tab")
    await tab.get_by_role("button", name="Unmute").click()
    for page in (ada, tab):
        await says(page, "Friends hear you raw: Denoise is off.")
        await expect(page.get_by_text("Muted", exact=True)).to_be_hidden()
    await expect(ada.get_by_role("button", name="Mute")).to_have_attribute("aria-pressed", "false")


async def test_muted_stays_muted_through_takeover_and_go_on(server, visit) -> None:
    """Who resumes on another tab is muted there, and so is who goes on after Stop."""
    house = await server(RNNOISE)
    ada = await visit()
    await register(ada, house.url, "Ada")
    await started(ada)
    await ada.get_by_role("button", name="Mute").click()
    await says(ada, "Friends hear silence.")
    tab = await other_tab(ada, house.url)
    await tab.get_by_role("button", name="Resume").click()
    await expect(tab.get_by_role("button", name="Mute")).to_have_attribute("aria-pressed", "true")
    await says(ada, "Another tab or device has taken over, and is muted.")
    await tab.get_by_role("button", name="Stop Streaming").click()
    await tab.get_by_role("button", name="Go on").click()
    await expect(tab.get_by_role("button", name="Mute")).to_have_attribute("aria-pressed", "true")
    await says(tab, "You are muted.")
    await until(tab, "async () => (await (await fetch('/api/stream/status/Ada')).json()).muted")


async def test_who_was_taken_over_reads_nothing_that_contradicts(server, visit) -> None:
    """While the other tab sends, one sentence says so; once that one has stopped, only Start is offered."""
    house = await server(RNNOISE)
    ada = await visit()
    await register(ada, house.url, "Ada")
    await started(ada)
    tab = await other_tab(ada, house.url)
    await tab.get_by_role("button", name="Resume").click()
    await says(ada, "Another tab or device has taken over. Your friends hear that one.")
    await says(ada, "This is recorded.")
    for text in ("You are still live.", "You are off air", "Nothing is sent yet"):
        await expect(ada.get_by_text(text, exact=False).first).to_be_hidden()
    await tab.get_by_role("button", name="Stop Streaming").click()
    await expect(ada.get_by_role("button", name="Start Streaming")).to_be_visible()
    await expect(ada.get_by_text("taken over", exact=False)).to_be_hidden()


async def test_a_broadcast_is_recorded_as_long_as_the_switch_is_on(server, visit) -> None:
    """Off before Start: nothing is recorded. On: a recording begins. Off again: it ends, not the broadcast. The next one is recorded."""
    house = await server(RNNOISE)
    ada = await visit()
    await register(ada, house.url, "Ada")
    record = ada.get_by_role("switch", name="Record")
    await says(ada, "Your broadcast will be recorded.")
    await record.click()
    await says(ada, "Your broadcast will not be recorded.")
    await started(ada)
    await says(ada, "This is not recorded.")
    await expect(record).to_have_attribute("aria-checked", "false")
    assert (await ada.evaluate(STATUS))["recording"]["id"] is None
    await record.click()
    await says(ada, "This is recorded.")
    await expect(record).to_have_attribute("aria-checked", "true")
    await until(ada, "async () => (await (await fetch('/api/stream/status/Ada')).json()).duration_s > 3")
    await record.click()
    await says(ada, "This is not recorded.")
    await expect(ada.get_by_text("Recording has ended.", exact=False).first).to_be_visible()
    await expect(ada.get_by_role("button", name=re.compile("^Play Today"))).to_be_enabled()
    await ada.get_by_role("button", name="Stop Streaming").click()
    await says(ada, "Your broadcast will be recorded.")
    await started(ada)
    await says(ada, "This is recorded.")


async def test_without_the_server_nothing_is_said_to_be_recorded(server, visit) -> None:
    """Killed: nobody hears, it is not LIVE, and not recorded until it is back. Back: it goes on, recorded again."""
    house = await server({**RNNOISE, "broadcast.grace_s": 60})
    ada = await visit()
    await register(ada, house.url, "Ada")
    await started(ada)
    await says(ada, "This is recorded.")
    before = (await ada.evaluate(STATUS))["broadcast"]
    house.kill()
    await says(ada, "The server does not answer. Trying again.")
    await says(ada, "Friends hear nothing until the server is back. Not recorded until the server is back.")
    main = ada.get_by_role("main")
    for text in ("This is recorded.", "This is not recorded.", "LIVE"):
        await expect(main.get_by_text(text, exact=True)).to_have_count(0)
    for text in ("Reconnecting", "Nobody hears you now."):
        await expect(main.get_by_text(text, exact=True)).to_be_visible()
    await expect(ada.get_by_role("img", name="A dashed line: no sound gets through")).to_be_visible()
    await expect(ada.get_by_role("timer", name="Time since the start")).to_be_visible()
    await expect(ada.get_by_role("switch", name="Denoise")).to_be_disabled()
    await shoot(ada, "truth-server-away")
    await house.start()
    await says(ada, "This is recorded.")
    await says(ada, FRIENDS)
    await expect(main.get_by_text("LIVE", exact=True)).to_be_visible()
    await expect(ada.get_by_role("timer", name="Time on air")).to_be_visible()
    assert (await ada.evaluate(STATUS))["broadcast"] == before


async def test_what_sound_details_show_is_measured_and_moves(server, visit) -> None:
    """The count of packets grows while they are open; the bar has only parts that were measured, with the switch as it is."""
    house = await server(RNNOISE)
    ada = await visit()
    await register(ada, house.url, "Ada")
    await started(ada)
    await ada.get_by_text("Sound details").click()
    counted = ada.get_by_text(re.compile(r"of \d+ packets lost"))
    first = await counted.inner_text()
    await expect(counted).not_to_have_text(first)
    second = await counted.inner_text()
    await expect(counted).not_to_have_text(second)
    bar = ada.get_by_text(re.compile(r"^\d+ ms: "))
    await expect(bar).to_have_text(re.compile(r"^\d+ ms: capture \d+ .* clean \d+"))
    await shoot(ada, "details-live", full_page=True)
    await ada.get_by_role("switch", name="Denoise").click()
    await expect(bar).to_have_text(re.compile("held"))
    await expect(bar).not_to_have_text(re.compile("clean"))
    await ada.get_by_role("button", name="Stop Streaming").click()
    await expect(bar).to_be_hidden()
