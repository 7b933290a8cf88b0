"""axe-core finds nothing while somebody is on air: at the broadcaster's, the listeners', on phones, by a link, and in the recordings."""

import re

from playwright.async_api import Page, expect

from tests.browser.accessible import DESK, faults, inspected
from tests.browser.people import befriend, register
from tests.browser.recorded import aired, on_air, opener, owner, recorded


async def join_link(page: Page, kind: str) -> str:
    """The link of a companion session of that kind, from the open dialog, which is closed."""
    await page.get_by_role("button", name=kind).click()
    dialog = page.get_by_role("dialog", name=kind)
    link = await dialog.get_by_role("link").get_attribute("href")
    await dialog.get_by_role("button", name="Close").click()
    assert link
    return link


async def test_the_studio(server, visit) -> None:
    """Before Start, live, muted, with the details open, after a reload, and after Stop."""
    house = await server({"denoise.default": "rnnoise"})
    ada = await inspected(await visit())
    await register(ada, house.url, "Ada")
    found = await faults(ada, "before Start")
    await ada.get_by_text("Sound details").click()
    found += await faults(ada, "before Start, details")
    await on_air(ada, "Evening")
    found += await faults(ada, "live, details")
    await ada.get_by_role("button", name="Mute").click()
    await expect(ada.get_by_role("button", name=re.compile("^(Mute|Unmute)$"))).to_have_attribute("aria-pressed", "true")
    found += await faults(ada, "muted")
    await ada.get_by_role("button", name="Phone as a remote").click()
    await expect(ada.get_by_role("dialog")).to_be_visible()
    found += await faults(ada, "remote")
    await ada.get_by_role("dialog").get_by_role("button", name="Close").click()
    await ada.reload()
    await expect(ada.get_by_role("button", name="Resume")).to_be_visible()
    found += await faults(ada, "still live")
    await ada.get_by_role("button", name="Stop Streaming").click()
    await expect(ada.get_by_role("button", name="Start Streaming")).to_be_visible()
    found += await faults(ada, "stopped")
    assert not found, "\n".join(found)


async def test_the_phones(server, visit) -> None:
    """The remote and the practice desk, connected and with a wrong code."""
    house = await server({"denoise.default": "passthrough"})
    ada = await visit(viewport=DESK)
    await register(ada, house.url, "Ada")
    await ada.get_by_role("button", name="Start Streaming").click()
    await expect(ada.get_by_role("switch", name="Denoise")).to_be_enabled()
    await ada.get_by_text("Sound details").click()
    found = []
    for kind, control in (("Phone as a remote", "Mute"), ("Chords and practice", "Start practice")):
        phone = await inspected(await visit())
        await phone.goto(await join_link(ada, kind))
        await expect(phone.get_by_role("button", name=control)).to_be_visible()
        found += await faults(phone, kind)
    stranger = await inspected(await visit())
    await stranger.goto(re.sub("#.*", "#000000", phone.url))
    await expect(stranger.get_by_text("That code is not right", exact=False)).to_be_visible()
    found += await faults(stranger, "a wrong code")
    assert not found, "\n".join(found)


async def test_the_listeners(server, visit) -> None:
    """A friend on air: on the first page, before and while one listens, on another page meanwhile, after the end; the same by a link."""
    house, ada = await owner(server, visit, viewport=DESK)
    ben = await inspected(await visit())
    await register(ben, house.url, "Ben")
    await befriend(ben, ada, "Ada")
    await ada.goto(f"{house.url}/settings")
    await ada.get_by_role("button", name="Make a listen link").click()
    link = await ada.get_by_role("textbox", name=re.compile("listen link")).input_value()
    guest = await inspected(await visit())
    await guest.goto(link)
    await expect(guest.get_by_role("heading", name="Ada")).to_be_visible()
    found = await faults(guest, "link, quiet")
    await ada.goto(f"{house.url}/studio")
    await on_air(ada, "A title that is rather long, as titles are when somebody has much to say about an evening of music")
    await ben.goto(house.url)
    await expect(ben.get_by_role("button", name=re.compile("^Start Listening"))).to_be_visible()
    found += await faults(ben, "a friend is on air")
    await ben.goto(f"{house.url}/user/Ada")
    await expect(ben.get_by_role("button", name="Start Listening")).to_be_visible()
    found += await faults(ben, "before listening")
    await ben.get_by_role("button", name="Start Listening").click()
    await expect(ben.get_by_role("button", name="Stop Listening")).to_be_visible()
    found += await faults(ben, "listening")
    await ben.get_by_role("radio", name="Raw").check()
    found += await faults(ben, "listening to raw")
    await guest.get_by_role("button", name="Start Listening").click()
    await expect(guest.get_by_role("button", name="Stop Listening")).to_be_visible()
    found += await faults(guest, "link, listening")
    await ada.get_by_role("button", name="Mute").click()
    await expect(ben.get_by_text("Ada is muted", exact=False).first).to_be_visible()
    found += await faults(ben, "a muted broadcaster")
    await ben.get_by_role("link", name="Library").click()
    await expect(ben.get_by_role("region", name="Going on now")).to_be_visible()
    found += await faults(ben, "listening, elsewhere")
    await ada.get_by_role("button", name="Stop Streaming").click()
    await expect(ada.get_by_role("button", name="Start Streaming")).to_be_visible()
    found += await faults(guest, "link, after the end")
    await ben.goto(f"{house.url}/user/Ada")
    await expect(ben.get_by_text("Ada is quiet", exact=False)).to_be_visible()
    found += await faults(ben, "after the end")
    assert not found, "\n".join(found)


async def test_the_recordings(server, visit) -> None:
    """Rows, one that is being made, one that is opened and plays, its menu, a title that is refused, and a deleted row."""
    _, ada = await owner(server, visit)
    await inspected(ada)
    await ada.reload()
    await recorded(ada, "Evening", raw=True)
    await on_air(ada, "Night")
    await ada.get_by_role("link", name="Library").first.click()
    await expect(ada.get_by_text("On air, being recorded.", exact=False)).to_be_visible()
    await aired(ada, 1)
    found = await faults(ada, "a live recording")
    await ada.get_by_role("button", name="Stop Streaming").click()
    await expect(ada.get_by_role("button", name="Play Night")).to_be_enabled(timeout=60_000)
    await opener(ada, "Evening").click()
    await ada.get_by_role("button", name="Play Evening").click()
    await expect(ada.get_by_role("region", name="Player")).to_be_visible()
    found += await faults(ada, "an open recording")
    await ada.get_by_label("More about Evening").click()
    found += await faults(ada, "its menu")
    await ada.get_by_role("button", name="Change the title").click()
    await ada.get_by_role("textbox", name="Title").fill(" ")
    await ada.get_by_role("textbox", name="Title").press("Enter")
    found += await faults(ada, "a refused title")
    await ada.keyboard.press("Escape")
    await ada.get_by_label("More about Night").click()
    await ada.get_by_role("button", name="Delete", exact=True).click()
    await expect(ada.get_by_role("button", name="Undo")).to_be_visible()
    found += await faults(ada, "a deleted recording")
    assert not found, "\n".join(found)


async def test_what_goes_wrong_on_air(server, visit) -> None:
    """No microphone, another tab that took over, and a server that is away: at the broadcaster's and the listener's."""
    house = await server({"denoise.default": "passthrough"})
    mute = await inspected(await visit())
    await mute.add_init_script("navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotAllowedError') }")
    await register(mute, house.url, "Mia")
    await expect(mute.get_by_text("The microphone is not allowed here", exact=False).first).to_be_visible()
    found = await faults(mute, "no microphone")
    ada, ben = await inspected(await visit()), await inspected(await visit())
    await register(ada, house.url, "Ada")
    await register(ben, house.url, "Ben")
    await befriend(ben, ada, "Ada")
    await ada.get_by_role("button", name="Start Streaming").click()
    await expect(ada.get_by_role("switch", name="Denoise")).to_be_enabled()
    second = await inspected(await ada.context.new_page())
    await second.goto(f"{house.url}/studio")
    await second.get_by_role("button", name="Resume").click()
    await expect(ada.get_by_text("Another tab or device has taken over", exact=False).first).to_be_visible()
    found += await faults(ada, "taken over")
    await ben.goto(f"{house.url}/user/Ada")
    await ben.get_by_role("button", name="Start Listening").click()
    await expect(ben.get_by_role("button", name="Stop Listening")).to_be_visible()
    house.kill()
    await expect(second.get_by_text("The server does not answer", exact=False).first).to_be_visible(timeout=60_000)
    found += await faults(second, "the server is away")
    await expect(ben.get_by_text(re.compile("does not answer|Trying again")).first).to_be_visible(timeout=60_000)
    found += await faults(ben, "listening, the server is away")
    assert not found, "\n".join(found)
