"""Every page and state is made true on a real server and photographed; docs/pictures.md shows the pictures that are committed.

They go to var/reports/pictures; CONTRIBUTING.md says how those of the docs are renewed.
"""

import os
import re
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.listening import listening
from tests.browser.people import arrive, befriend, register, watched
from tests.browser.pictures import COMMITTED, STATES, Camera, files, linked
from tests.browser.recorded import QUICK, aired, on_air, opener, owner, recorded, row
from tests.browser.test_account import shown
from tests.browser.test_axe import went
from tests.browser.test_before_start import says
from tests.browser.test_hearing import link_of, post, told
from tests.browser.test_listening import through
from tests.browser.test_remote import link_for
from tests.end_to_end.test_no_room import MEASURED, one_core
from tests.end_to_end.test_no_room import on_air as talking
from tests.support.lossy import Lossy
from tests.support.people import signed_up
from tests.support.running import ROOT, Server
from tests.support.strangers import install

pytestmark = pytest.mark.slow  # what these pages say and do is tested by the other files; this one takes minutes for the pictures

PLACES = {
    "library-empty": ("library", "Nothing recorded yet."),
    "settings": ("settings", "Sound does not get through?"),
    "search": ("search?q=ben", "Ask Ben to be friends"),
    "doctor": ("doctor", "UDP works"),
    "unknown-page": ("else", "This address leads nowhere."),
}
CLEAN = "Friends hear you clean, by RNNoise."
TITLE = "Fan on, window open"

SHOWN_S = 5 if "HUSHCAST_PICTURES" in os.environ else 1  # for the pictures of docs/ a ribbon that is filled


async def pair(server: Any, visit: Any, settings: dict[str, object] | None = None, **environment: str) -> tuple[Server, Page, Page]:
    """A server, and Ada and Ben, who are friends; she is in her studio, he at home."""
    house = await server({**QUICK, **(settings or {})}, **environment)
    ada, ben = await watched(await visit()), await watched(await visit())
    await register(ada, house.url, "Ada")
    await register(ben, house.url, "Ben")
    await befriend(ben, ada, "Ada")
    await ben.goto(house.url)
    return house, ada, ben


def said(page: Page, text: str | re.Pattern[str]) -> Locator:
    """What one of the studio's live regions says."""
    return page.get_by_role("main").get_by_role("status").filter(has_text=text)


async def heard_by_ben(house: Server, ben: Page) -> None:
    await ben.goto(f"{house.url}/user/Ada")
    await listening(ben)
    await expect(told(ben, "You hear Ada, cleaned.")).to_be_visible()


async def test_at_the_door(server, visit) -> None:
    """Signing in, an invite, and the page of a listen link before, during and after a broadcast."""
    with Camera("at_the_door") as shot:
        house, ada = await owner(server, visit, QUICK)
        await ada.goto(f"{house.url}/settings")
        invite = await shown(ada, "Make an invite")
        await ada.goto(f"{house.url}/studio")
        guest = await watched(await visit())
        await went(guest, f"{house.url}/login")
        await shot(guest, "sign-in", guest.get_by_role("button", name="Log in"))
        await guest.goto(invite)
        await shot(guest, "register-by-invite", guest.get_by_text("Ada invites you."))
        await guest.goto(await link_of(ada, house.url))
        await shot(guest, "link-quiet", told(guest, re.compile("^Ada is not on air. Press")))
        await on_air(ada, TITLE)
        await guest.get_by_role("button", name="Start Listening").click()
        await expect(told(guest, "You hear Ada, cleaned.")).to_be_visible()
        await aired(ada, SHOWN_S)
        await shot(guest, "link-live", told(guest, "You hear Ada, cleaned."))
        await ada.get_by_role("button", name="Stop Streaming").click()
        await shot(guest, "link-ended", told(guest, re.compile("^Ada has stopped")))


async def test_alone(server, visit) -> None:
    """The pages of somebody new, somebody who asks to be friends, and a server that is away."""
    with Camera("alone") as shot:
        house = await server(QUICK)
        ada = await visit()
        await arrive(ada, house.url, "Ada")
        await shot(ada, "home-nobody", ada.get_by_role("heading", name="Nobody is on air"))
        async with signed_up(house.url, "Ben") as ben:
            await went(ada, f"{house.url}/studio")
            await ada.wait_for_timeout(1000 * SHOWN_S)
            await shot(ada, "studio-before", ada.get_by_role("meter", name="Level of the microphone"))
            for state, (place, sentence) in PLACES.items():
                await went(ada, f"{house.url}/{place}")
                await shot(ada, state, told(ada, sentence), whole=state == "settings")
            await went(ada, house.url)
            await ben.call("POST", "/api/friend-request/send", {"username": "Ada"}, status=201)
            await shot(ada, "home-request", ada.get_by_role("button", name="Accept Ben").locator("visible=true"))
        house.kill()
        await shot(ada, "home-away", ada.get_by_text("The server does not answer", exact=False).locator("visible=true").first)


GET = "navigator.mediaDevices.getUserMedia"
SILENT = f"""const real = {GET}.bind(navigator.mediaDevices);
{GET} = async (wish) => {{
  const [given] = (await real(wish)).getAudioTracks();
  const silent = new AudioContext().createMediaStreamDestination().stream;
  silent.getAudioTracks()[0].getSettings = () => given.getSettings();
  return silent;
}};"""
MICROPHONES = {
    "Ada": (
        "studio-refused",
        f"{GET} = async () => {{ throw new DOMException('', 'NotAllowedError') }}",
        "The microphone is not allowed here",
    ),
    "Ben": ("studio-silent", SILENT, "We hear nothing. Is it muted on the headset?"),
    "Cem": ("studio-insecure", "Object.defineProperty(navigator, 'mediaDevices', { value: undefined })", "This address has no HTTPS"),
}


async def test_microphones(server, visit) -> None:
    """One that is not allowed, one that is silent, and an address without HTTPS."""
    with Camera("microphones") as shot:
        house = await server(QUICK)
        for name, (state, script, sentence) in MICROPHONES.items():
            page = await visit()
            await page.add_init_script(script)
            await register(page, house.url, name)
            await shot(page, state, told(page, sentence))


async def test_on_air(server, visit) -> None:
    """The studio live, with each switch off in turn, its details, and two tabs of which one takes over."""
    with Camera("on_air") as shot:
        house, ada, ben = await pair(server, visit)
        await on_air(ada, TITLE)
        await heard_by_ben(house, ben)
        await aired(ada, SHOWN_S)
        await says(ada, "This is recorded.")
        await shot(ada, "studio-live", said(ada, CLEAN))
        mute, denoise = ada.get_by_role("button", name=re.compile("^(Mute|Unmute)$")), ada.get_by_role("switch", name="Denoise")
        await mute.click()
        await shot(ada, "studio-muted", said(ada, "Friends hear silence."))
        await mute.click()
        await denoise.click()
        await ada.wait_for_timeout(1000 * SHOWN_S)
        await shot(ada, "studio-raw", said(ada, "Friends hear you raw: Denoise is off."))
        await denoise.click()
        await says(ada, CLEAN)
        await ada.get_by_role("switch", name="Record").click()
        await shot(ada, "studio-not-recorded", said(ada, "This is not recorded."))
        await ada.get_by_text("Sound details").click()
        await shot(ada, "studio-details", ada.get_by_text(re.compile(r"^\d+ ms: ")), top=ada.get_by_text("Sound details"))
        tab = await ada.context.new_page()
        await tab.goto(f"{house.url}/studio")
        await shot(tab, "studio-elsewhere", said(tab, "You are still live."))
        await tab.get_by_role("button", name="Resume").click()
        await shot(ada, "studio-taken-over", said(ada, "Another tab or device has taken over. Your friends hear that one."))


async def test_listening(server, visit) -> None:
    """A friend's page from before Start Listening to after the end: clean, raw for two reasons, muted, and from elsewhere in the page."""
    with Camera("listening") as shot:
        house, ada, ben = await pair(server, visit)
        await on_air(ada, TITLE)
        await shot(ben, "home-on-air", ben.get_by_text("Clean · recorded"))
        await ben.goto(f"{house.url}/user/Ada")
        await shot(ben, "listener-before", ben.get_by_role("button", name="Start Listening"))
        await heard_by_ben(house, ben)
        await ben.wait_for_timeout(1000 * SHOWN_S)
        await shot(ben, "listener-clean", told(ben, "You hear Ada, cleaned."))
        await ben.get_by_role("radio", name="Raw").check()
        await ben.wait_for_timeout(1000 * SHOWN_S)
        await shot(ben, "listener-chosen-raw", told(ben, "You hear Ada raw, as you have chosen."))
        await ben.get_by_role("radio", name="Clean").check()
        await post(ada, "/api/stream/denoise", {"enabled": False})
        await shot(ben, "listener-turned-off", told(ben, "Ada has turned cleaning off. You hear Ada raw."))
        await ada.get_by_role("button", name="Mute").click()
        await shot(ben, "listener-muted", told(ben, "Ada is muted. There is nothing to hear until that ends."))
        await ada.get_by_role("button", name=re.compile("^(Mute|Unmute)$")).click()
        await ben.get_by_role("link", name="Library").first.click()
        await shot(ben, "listener-elsewhere", ben.get_by_role("region", name="Going on now").get_by_text("You hear Ada"))
        await ben.go_back()
        await ben.wait_for_timeout(1000 * SHOWN_S)
        await ada.get_by_role("button", name="Stop Streaming").click()
        await shot(ben, "listener-stopped", told(ben, "Ada has stopped. If Ada goes on now, you hear it."))
        await ben.get_by_role("button", name="Stop Listening").click()
        await expect(ben.get_by_role("button", name=f"Play {TITLE}")).to_be_enabled()
        await shot(ben, "listener-after", ben.get_by_text("Ada is quiet", exact=False))


async def test_lost(server, visit) -> None:
    """The broadcaster's connection drops while the server is there; then the server is away too."""
    with Camera("lost") as shot:
        house, ada, ben = await pair(server, visit, {"broadcast.grace_s": 60})
        async with Lossy(house.media_port) as network:
            await through(ada, network, "/whip/")
            await on_air(ada, TITLE)
            await heard_by_ben(house, ben)
            await aired(ada, SHOWN_S)
            network.up.cut = network.down.cut = True
            await shot(ada, "studio-dropped", said(ada, "Your connection dropped. Trying again"))
            await shot(ben, "listener-waiting", told(ben, re.compile(r"^Waiting for Ada… \d+ s$")))
            house.kill()
            await shot(ada, "studio-away", said(ada, "Not recorded until the server is back."))
            await shot(ben, "listener-away", told(ben, re.compile("^The server does not answer")))
            await ada.unroute_all(behavior="wait")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system gives no process a core of its own")
async def test_no_room(server, visit, tmp_path: Path) -> None:
    """A server of one core with a denoiser that takes half of it is full: the next voice is heard as it is."""
    (tmp_path / "strangers").mkdir()
    path = os.pathsep.join((str(install(tmp_path / "strangers")), str(ROOT)))
    with Camera("no_room") as shot:
        with one_core():
            house, ada, ben = await pair(server, visit, {"denoise.default": "costly"}, PYTHONPATH=path)
        async with AsyncExitStack() as opened:
            cem = await opened.enter_async_context(signed_up(house.url, "Cem"))
            ear = await opened.enter_async_context(cem.phone())
            await opened.enter_async_context(talking(cem))
            await cem.until("Cem", live=True, denoise_state="active")
            await ear.listen("Cem")
            await ear.heard(MEASURED, 60)
            await ada.get_by_role("textbox", name="Title").fill(TITLE)
            await ada.get_by_role("button", name="Start Streaming").click()
            await ben.goto(f"{house.url}/user/Ada")
            await listening(ben)
            await aired(ada, SHOWN_S)
            await shot(ada, "studio-bypassed", said(ada, "Friends hear you raw for now: the server has no room to clean."))
            await shot(ben, "listener-bypassed", told(ben, "The server has no room to clean. You hear Ada raw for now."))


async def test_recordings(server, visit) -> None:
    """The library while a recording is made, with its rows, and with one of them opened, part of which was not cleaned."""
    with Camera("recordings") as shot:
        house, ada = await owner(server, visit, QUICK)
        await recorded(ada, "Evening", raw=True)
        await on_air(ada, "Night")
        await aired(ada, 3)
        await ada.get_by_role("link", name="Library").first.click()
        await shot(ada, "library-live", ada.get_by_text("On air, being recorded.", exact=False))
        await ada.get_by_role("button", name="Stop Streaming").click()
        await expect(ada.get_by_role("button", name="Play Night")).to_be_enabled(timeout=60_000)
        await went(ada, f"{house.url}/library")
        await shot(ada, "library-rows", row(ada, "Evening"))
        await opener(ada, "Evening").click()
        await ada.get_by_role("button", name="Play Evening").click()
        await shot(ada, "library-opened", ada.get_by_role("region", name="Player"))


async def test_companions(server, visit) -> None:
    """The phone beside the computer: as a remote while live, muted and after the end, and for chords and practice."""
    with Camera("companions") as shot:
        _, ada = await owner(server, visit, QUICK)
        await on_air(ada, TITLE)
        practice = await visit(await link_for(ada, "Chords and practice"))
        await practice.get_by_role("button", name="Am", exact=True).click()
        await practice.get_by_role("button", name="Start practice").click()
        await shot(practice, "practice", practice.get_by_role("button", name="End practice"))
        remote = await visit(await link_for(ada, "Phone as a remote"))  # ends the other session
        await shot(remote, "remote", remote.get_by_text("What you press here happens on the computer.", exact=False))
        await ada.get_by_role("button", name="Mute").click()
        await shot(remote, "remote-muted", remote.get_by_text("You are on air, and muted."))
        await ada.get_by_role("button", name="Stop Streaming").click()
        await shot(remote, "remote-ended", remote.get_by_text("The broadcast has ended."))


def test_the_docs_have_the_pictures_that_are_taken_here() -> None:
    """docs/pictures has one file for each picture, docs/pictures.md shows each, and nothing besides."""
    made = {name for walk in STATES for name in files(walk)}
    assert {each.name for each in COMMITTED.iterdir()} == made, "renew them (CONTRIBUTING.md), delete what is no longer made"
    assert linked((ROOT / "docs" / "pictures.md").read_text()) == made
