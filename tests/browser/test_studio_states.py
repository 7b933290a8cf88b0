"""The studio says nothing that is not so: not LIVE where nobody hears, no Start that cannot work, nothing left over from what is over."""

import asyncio
import json
import re

from playwright.async_api import Page, WebSocketRoute, expect

from tests.browser.accessible import told, transcribed
from tests.browser.listening import listening, two
from tests.browser.people import register
from tests.browser.recorded import until
from tests.browser.ribbons import VOICE, drawn
from tests.browser.test_broadcaster_truth import RNNOISE, STATUS, other_tab, says, started
from tests.browser.test_listening import through
from tests.support.lossy import Lossy

GET = "navigator.mediaDevices.getUserMedia"
# Whether there is a microphone, and whether it is allowed: `window.__no` names the error, "" for none.
MICROPHONE = f"""window.__no = "NotAllowedError";
const real = {GET}.bind(navigator.mediaDevices);
{GET} = async (wish) => {{
  if (window.__no) throw new DOMException("", window.__no);
  return real(wish);
}};"""


async def coloured(page: Page, wanted: bool) -> None:
    """Wait until Denoise has the colour of clean sound, or has it no longer."""
    track = expect(page.get_by_role("switch", name="Denoise").locator(".switch-track"))
    await (track.to_have_css if wanted else track.not_to_have_css)("background-color", VOICE)


async def test_a_dropped_connection_is_not_live(server, visit) -> None:
    """The network is cut and the server is there: nobody is said to listen, nothing is lit, and the ribbon is dashed, until it is back."""
    house, ada, ben = await two(server, visit, {"broadcast.grace_s": 60})
    await ada.get_by_role("button", name="Stop Streaming").click()
    main = ada.get_by_role("main")
    async with Lossy(house.media_port) as network:
        await through(ada, network, "/whip/")
        await started(ada)
        await ben.reload()
        await listening(ben)
        await says(ada, "Friends hear you clean, by RNNoise.")
        await expect(main.get_by_text("1 listening: Ben")).to_be_visible()
        await coloured(ada, True)
        network.up.cut = network.down.cut = True
        await says(ada, "Your connection dropped. Trying again")
        await expect(main.get_by_text("Reconnecting", exact=True)).to_be_visible()
        await expect(main.get_by_text("LIVE", exact=True)).to_have_count(0)
        await expect(main.get_by_text("Nobody hears you now. Waiting for you: Ben")).to_be_visible()
        await expect(ada.get_by_role("img", name="A dashed line: no sound gets through")).to_be_visible()
        await coloured(ada, False)
        network.up.cut = network.down.cut = False
        await says(ada, "Friends hear you clean, by RNNoise.")
        await expect(main.get_by_text("LIVE", exact=True)).to_be_visible()
        await expect(main.get_by_text("1 listening: Ben")).to_be_visible()
        await ada.unroute_all(behavior="wait")


async def test_a_broadcast_that_waits_is_not_live(server, visit) -> None:
    """After a reload it is open, and nobody hears it: neither LIVE nor a clean line. Once another tab sends it is LIVE."""
    house = await server({**RNNOISE, "broadcast.grace_s": 60})
    ada = await visit(viewport={"width": 1280, "height": 800})
    await register(ada, house.url, "Ada")
    await started(ada)
    await says(ada, "Friends hear you clean, by RNNoise.")
    await ada.reload()
    await says(ada, "Your broadcast is still open.")
    main = ada.get_by_role("main")
    await expect(main.get_by_text("Nobody hears you", exact=True)).to_be_visible()
    await expect(main.get_by_text("Nobody is listening yet.")).to_be_hidden()
    await expect(main.get_by_text("LIVE", exact=True)).to_have_count(0)
    await expect(ada.get_by_role("img", name="A dashed line: no sound gets through")).to_be_visible()
    assert not await drawn(ada)
    tab = await other_tab(ada, house.url)
    await tab.get_by_role("button", name="Resume").click()
    await says(ada, "You are still live.")
    await expect(main.get_by_text("LIVE", exact=True)).to_be_visible()


async def test_what_is_muted_is_not_lit_as_clean(server, visit) -> None:
    """Denoise stays on and has no colour of clean sound while friends get silence, nor does the ribbon draw any."""
    house = await server(RNNOISE)
    ada = await visit(viewport={"width": 1280, "height": 800})
    await register(ada, house.url, "Ada")
    await started(ada)
    await says(ada, "Friends hear you clean, by RNNoise.")
    await coloured(ada, True)
    await ada.get_by_role("button", name="Mute").click()
    await says(ada, "Friends hear silence.")
    await expect(ada.get_by_role("switch", name="Denoise")).to_have_attribute("aria-checked", "true")
    await coloured(ada, False)
    await ada.wait_for_timeout(1500)  # what was sent before is drawn a little longer
    assert not await drawn(ada, 0.05)
    await ada.get_by_text("Sound details").click()
    await expect(ada.get_by_text("Denoise is active.")).to_be_hidden()
    await expect(ada.get_by_text(re.compile(r"^\d+ ms: "))).to_be_hidden()


async def test_start_looks_usable_only_where_it_can_work(server, visit) -> None:
    """Refused, missing, no HTTPS: Start is off, says why, and nothing is said of a recording; it comes back with the microphone."""
    house = await server(RNNOISE)
    ada = await visit()
    await ada.add_init_script(MICROPHONE)
    await register(ada, house.url, "Ada")
    start = ada.get_by_role("button", name="Start Streaming")
    await expect(start).to_be_disabled()
    await expect(start).to_have_accessible_description("Not without a microphone: it is not allowed.")
    await says(ada, "The microphone is not allowed here.")
    for sentence in ("Your broadcast will be recorded.", "Your broadcast will not be recorded."):
        await expect(ada.get_by_text(sentence)).to_be_hidden()
    await expect(ada.get_by_role("button", name="Hear yourself")).to_be_disabled()
    await ada.evaluate("() => { window.__no = 'NotFoundError'; }")
    await ada.get_by_role("button", name="Try again").click()
    await expect(start).to_have_accessible_description("Not without a microphone: none is found.")
    await expect(start).to_be_disabled()
    await ada.evaluate("() => { window.__no = ''; navigator.mediaDevices.dispatchEvent(new Event('devicechange')); }")
    await says(ada, "Your broadcast will be recorded.")
    await expect(start).to_be_enabled()
    await expect(start).to_have_accessible_description("")
    ben = await visit()
    await ben.add_init_script("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
    await register(ben, house.url, "Ben")
    start = ben.get_by_role("button", name="Start Streaming")
    await expect(start).to_be_disabled()
    await expect(start).to_have_accessible_description("Not from this address: it has no HTTPS.")
    await expect(ben.get_by_role("button", name="Try again")).to_be_hidden()


async def test_the_title_is_edited_where_the_server_takes_it(server, visit) -> None:
    """It is that of the recording: without one the field says so; with one it is changed in place, and a title set elsewhere is shown."""
    house = await server(RNNOISE)
    ada = await visit(viewport={"width": 1280, "height": 800})
    await register(ada, house.url, "Ada")
    await ada.get_by_role("switch", name="Record").click()
    await ada.get_by_role("textbox", name="Title").fill("Morning")
    await started(ada)
    title = ada.get_by_role("textbox", name="Title")
    await says(ada, "This is not recorded.")
    await expect(title).to_have_value("Morning")
    await expect(title).not_to_be_editable()
    await expect(title).to_have_accessible_description("The title can be changed while this is recorded.")
    await ada.get_by_role("switch", name="Record").click()
    await says(ada, "This is recorded.")
    await until(ada, f"async () => (await ({STATUS})()).recording.id !== null")
    await expect(title).to_be_editable()
    await expect(title).to_have_accessible_description("")
    await title.fill("Noon")
    await title.press("Enter")
    await until(ada, f"async () => (await ({STATUS})()).title === 'Noon'")
    await ada.evaluate(
        """async () => {
          const { recording } = await (await fetch("/api/stream/status/Ada")).json();
          const headers = { "Content-Type": "application/json" };
          await fetch(`/api/recording/${recording.id}`, { method: "PATCH", headers, body: JSON.stringify({ title: "Night" }) });
        }"""
    )
    await expect(title).to_have_value("Night")


async def test_stop_says_only_what_is_so(server, visit) -> None:
    """Nothing that is read out after Stop says that one is on air or recorded, in the studio and elsewhere; the ribbon is empty."""
    house = await server(RNNOISE)
    ada = await transcribed(await visit(viewport={"width": 1280, "height": 800}))
    await register(ada, house.url, "Ada")
    for place in ("studio", "Library"):
        await started(ada)
        await says(ada, "This is recorded.")
        await until(ada, f"async () => (await ({STATUS})()).duration_s > 3")
        if place == "studio":
            assert await drawn(ada)
            before = len(await told(ada))
            await ada.get_by_role("button", name="Stop Streaming").click()
            await says(ada, "Nothing is sent yet.")
            assert not await drawn(ada, 0.7)
        else:
            await ada.get_by_role("link", name=place).first.click()
            before = len(await told(ada))
            assert await ada.evaluate("async () => (await fetch('/api/stream/stop', { method: 'POST', body: '{}' })).ok")
        await until(ada, "(before) => window.__told.slice(before).some((text) => text.includes('You are off air.'))", before)
        await ada.wait_for_timeout(1000)  # an announcement comes a moment after the change
        since = (await told(ada))[before:]
        assert not [text for text in since if re.search("You are on air|This is|Connecting", text)], since
        await ada.goto(f"{house.url}/studio")


async def test_an_end_is_told_whatever_tells_it_first(server, visit) -> None:
    """The sound's own way may end before the message of the end comes: elsewhere in the page it is told all the same."""
    house = await server(RNNOISE)
    ada = await transcribed(await visit(viewport={"width": 1280, "height": 800}))
    bar = ada.get_by_role("region", name="Going on now")
    ends: list[asyncio.Task[None]] = []

    def led(browser: WebSocketRoute) -> None:
        async def late(message: str | bytes) -> None:
            await expect(bar).to_be_hidden()
            browser.send(message)

        def passed(message: str | bytes) -> None:
            if json.loads(message)["type"] == "ended":
                ends.append(asyncio.create_task(late(message)))
            else:
                browser.send(message)

        browser.connect_to_server().on_message(passed)

    await ada.route_web_socket(re.compile("/ws/stream/"), led)
    await register(ada, house.url, "Ada")
    await started(ada)
    await says(ada, "This is recorded.")
    await until(ada, f"async () => (await ({STATUS})()).duration_s > 1")
    await ada.get_by_role("link", name="Library").first.click()
    await expect(bar).to_be_visible()
    assert await ada.evaluate("async () => (await fetch('/api/stream/stop', { method: 'POST', body: '{}' })).ok")
    await expect(ada.get_by_role("region", name="Note").get_by_text("You are off air. The recording is in your list.")).to_be_visible()
    await asyncio.gather(*ends)
    await ada.get_by_role("link", name="Your studio").first.click()
    await expect(ada.get_by_text("The broadcast was ended.", exact=False)).to_have_count(0)


async def test_sign_out_asks_while_another_tab_sends(server, visit) -> None:
    """On air from another tab: the page asks before the broadcast ends with it."""
    house = await server(RNNOISE)
    ada = await visit(viewport={"width": 1280, "height": 800})
    await register(ada, house.url, "Ada")
    await started(ada)
    tab = await other_tab(ada, house.url)
    await says(tab, "You are still live.")
    await tab.get_by_role("button", name="Sign out").click()
    dialog = tab.get_by_role("dialog", name="Sign out while you are on air?")
    await dialog.get_by_role("button", name="Keep it so").click()
    assert (await tab.evaluate(STATUS))["live"]
    await tab.get_by_role("button", name="Sign out").click()
    await dialog.get_by_role("button", name="Stop and sign out").click()
    await expect(tab.get_by_role("button", name="Log in")).to_be_visible()
    await expect(ada.get_by_role("button", name="Stop Streaming")).to_be_hidden()
