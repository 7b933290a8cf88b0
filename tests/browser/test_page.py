"""Two people and their browsers: from the first account to the recording that plays."""

import re

from playwright.async_api import Page, expect

from tests.browser.people import HEARD, befriend, register, shoot, watched
from tests.browser.recorded import until
from tests.support.people import PASSWORD


async def started(page: Page) -> None:
    await page.get_by_role("button", name="Start Streaming").click()
    await expect(page.get_by_role("button", name="Stop Streaming")).to_be_visible()


async def test_a_voice_goes_from_one_page_to_another_and_is_there_afterwards(server, visit) -> None:
    """Register, befriend, see the badge change, talk, listen, hear, switch, stop; the recording is listed and plays."""
    house = await server()
    ada = await visit(viewport={"width": 1280, "height": 800})
    ben = await watched(await visit(viewport={"width": 1280, "height": 800}, color_scheme="dark"))
    await register(ada, house.url, "Ada")
    await register(ben, house.url, "Ben")
    await befriend(ben, ada, "Ada")
    friend = ben.get_by_role("listitem").filter(has=ben.get_by_role("link", name="Ada"))
    await expect(friend.get_by_text("Offline")).to_be_visible()
    await ben.get_by_role("link", name="Ada", exact=False).first.click()
    await expect(ben.get_by_text("Ada is quiet")).to_be_visible()

    await started(ada)
    await expect(friend.get_by_text("Streaming")).to_be_visible()
    await ben.get_by_role("button", name="Start Listening").click()
    await expect(ben.get_by_role("button", name="Stop Listening")).to_be_visible()
    await expect(ben.get_by_text("LIVE", exact=True)).to_be_visible()
    await ben.evaluate(HEARD)
    await expect(ada.get_by_text("Ben can hear you.")).to_be_visible()
    await expect(ada.get_by_text("1 listening: Ben")).to_be_visible()
    await expect(ada.get_by_role("timer")).to_have_text(re.compile(r"^0:0[2-9]|0:[1-9]\d$"))

    denoise = ada.get_by_role("switch", name="Denoise")
    await expect(denoise).to_have_attribute("aria-checked", "true")
    await shoot(ada, "live")
    await shoot(ben, "listening-dark")
    await denoise.click()
    await expect(denoise).to_have_attribute("aria-checked", "false")
    await denoise.click()
    await expect(denoise).to_have_attribute("aria-checked", "true")
    await ben.get_by_role("radio", name="Raw").check()
    await expect(ben.get_by_role("radio", name="Raw")).to_be_checked()
    mute = ada.get_by_role("button", name="Mute")
    await mute.click()
    await expect(ada.get_by_text("You are muted.")).to_be_visible()
    # pressed, it is filled also under the mouse, which is still there: its word is in the colour of the ground
    await expect(mute).not_to_have_css("background-color", re.compile(r"rgba|/"))
    await ada.get_by_role("textbox", name="Title").fill("Evening")
    await ada.get_by_role("textbox", name="Title").press("Enter")
    await expect(ben.get_by_text("Evening").first).to_be_visible()

    await ada.get_by_role("button", name="Stop Streaming").click()
    await expect(friend.get_by_text("Offline")).to_be_visible()
    await expect(ben.get_by_role("main").get_by_text("Ada has stopped. If Ada goes on now, you hear it.")).to_be_visible()
    await ben.get_by_role("button", name="Stop Listening").click()
    await expect(ben.get_by_text("Ada is quiet. Last on air today")).to_be_visible()
    play = ada.get_by_role("button", name=re.compile("^Play Evening"))
    await expect(play).to_be_enabled(timeout=20_000)
    await play.click()
    player = ada.get_by_role("region", name="Player")
    await expect(player.get_by_text(re.compile(r"^0:0[1-9] / 0:"))).to_be_visible()
    await ben.get_by_role("button", name=re.compile("^Play Evening")).click()
    await expect(ben.get_by_role("region", name="Player").get_by_text(re.compile(r"^0:0[1-9] / 0:"))).to_be_visible()


async def test_nothing_starts_by_itself_and_a_reload_can_be_resumed(server, visit) -> None:
    """After a reload the page says that one is still live; Resume goes on in the same broadcast, Stop ends it. Both keep the title."""
    house = await server()
    ada = await visit()
    await register(ada, house.url, "Ada")
    await ada.get_by_role("textbox", name="Title").fill("Morning")
    await started(ada)
    before = await ada.evaluate("async () => (await (await fetch('/api/stream/status/Ada')).json()).broadcast")
    await ada.reload()
    await expect(ada.get_by_text("Your broadcast is still open.")).to_be_visible()
    await expect(ada.get_by_role("button", name="Start Streaming")).to_be_hidden()
    await shoot(ada, "still-live")
    await ada.get_by_role("button", name="Resume").click()
    await expect(ada.get_by_role("switch", name="Denoise")).to_be_visible()
    status = "async () => (await (await fetch('/api/stream/status/Ada')).json())"
    assert (await ada.evaluate(status))["broadcast"] == before
    await ada.get_by_role("button", name="Stop Streaming").click()
    await ada.get_by_role("button", name="Go on").click()
    await expect(ada.get_by_role("switch", name="Denoise")).to_be_enabled()
    await expect(ada.get_by_role("textbox", name="Title")).to_have_value("Morning")
    assert (await ada.evaluate(status))["title"] == "Morning"
    await ada.reload()
    await ada.get_by_role("button", name="Stop Streaming").click()
    await expect(ada.get_by_role("button", name="Start Streaming")).to_be_visible()
    await until(ada, "async () => (await (await fetch('/api/stream/status/Ada')).json()).state === 'ended'")


async def test_another_tab_takes_over_and_the_first_one_says_so(server, visit) -> None:
    """The last publisher wins; the first page stops trying and tells why."""
    house = await server()
    first = await visit()
    await register(first, house.url, "Ada")
    await started(first)
    second = await first.context.new_page()
    await second.goto(f"{house.url}/studio")
    await second.get_by_role("button", name="Resume").click()
    await expect(second.get_by_role("switch", name="Denoise")).to_be_visible()
    await expect(first.get_by_text("Another tab or device has taken over", exact=False)).to_be_visible()
    await expect(first.get_by_role("button", name="Resume")).to_be_visible()
    await second.get_by_role("button", name="Stop Streaming").click()
    await expect(second.get_by_role("button", name="Start Streaming")).to_be_visible()


async def test_a_closed_media_port_is_named_at_once(server, visit) -> None:
    """Where no sound can get through, the page says which port is not open, offers to start again, and leads to the self-test."""
    house = await server()
    ada = await visit()
    # The answer is made to lead to a port where nobody is: what a firewall looks like from here.
    await ada.route("**/whip/**", lambda route: lead_astray(route) if route.request.method == "POST" else route.continue_())
    await register(ada, house.url, "Ada")
    await ada.get_by_role("button", name="Start Streaming").click()
    await expect(ada.get_by_text("UDP 9 is not open on the server")).to_be_visible(timeout=20_000)
    await expect(ada.get_by_role("button", name="Start Streaming")).to_be_enabled()
    await shoot(ada, "no-udp")
    await ada.get_by_role("main").get_by_role("link", name="Test it from here").click()
    await expect(ada.get_by_role("heading", name="Does it work from here?")).to_be_visible()
    await ada.go_back()
    await expect(ada.get_by_role("button", name="Start Streaming")).to_be_enabled()
    await expect(ada.get_by_role("main").get_by_role("link", name="Test it from here")).to_have_count(0)


async def lead_astray(route) -> None:
    answer = await route.fetch()
    sdp = re.sub(r"(a=candidate:\S+ \d+ (?:udp|tcp) \d+ \S+) \d+ ", r"\1 9 ", await answer.text(), flags=re.IGNORECASE)
    await route.fulfill(response=answer, body=sdp)


async def test_deleting_a_recording_can_be_undone(server, visit) -> None:
    """The row folds with an Undo; without one the recording is gone from the server as the page is left."""
    house = await server()
    ada = await visit()
    await register(ada, house.url, "Ada")
    await started(ada)
    await expect(ada.get_by_role("timer")).to_have_text(re.compile("0:0[1-9]"))
    await ada.get_by_role("button", name="Stop Streaming").click()
    await expect(ada.get_by_role("button", name=re.compile("^Play Today"))).to_be_enabled(timeout=20_000)
    await ada.goto(f"{house.url}/library")
    await ada.get_by_label(re.compile("^More about")).click()
    await ada.get_by_role("button", name="Delete").click()
    await ada.get_by_role("button", name="Undo").click()
    await expect(ada.get_by_role("button", name=re.compile("^Play Today"))).to_be_visible()
    await ada.get_by_label(re.compile("^More about")).click()
    await ada.get_by_role("button", name="Delete").click()
    await expect(ada.get_by_text("Deleted.", exact=True)).to_be_visible()
    await ada.reload()
    await expect(ada.get_by_text("Nothing recorded yet", exact=False)).to_be_visible()


async def test_wrong_words_at_the_door_are_answered_where_they_belong(server, visit) -> None:
    """A short password is told at its field, a wrong one in a sentence; afterwards the page asked for opens."""
    house = await server()
    ada = await visit(f"{house.url}/library")
    await expect(ada).to_have_url(re.compile("/login"))
    await ada.get_by_role("link", name="Register").click()
    await ada.get_by_label("Username").fill("Ada")
    await ada.get_by_label("Password").fill("short")
    await ada.get_by_role("button", name="Register").click()
    await expect(ada.get_by_label("Password")).to_have_attribute("aria-invalid", "true")
    await ada.get_by_role("link", name="I have an account").click()
    await ada.get_by_label("Username").fill("Ada")
    await ada.get_by_label("Password").fill("never the right one")
    await ada.get_by_role("button", name="Log in").click()
    await expect(ada.get_by_text("Name or password is wrong.")).to_be_visible()


async def sign_in(page: Page, name: str) -> None:
    await page.get_by_label("Username").fill(name)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()


async def test_whoever_signs_in_arrives_where_she_wanted_to_be(server, visit) -> None:
    """The page asked for opens behind the door, also after a login that ended while it was open; another site's never does."""
    house = await server()
    ada = await visit()
    await register(ada, house.url, "Ada")
    await ada.context.clear_cookies()
    await ada.goto(f"{house.url}/search?q=bob")
    await expect(ada).to_have_url(f"{house.url}/login?next=%2Fsearch%3Fq%3Dbob")
    await sign_in(ada, "Ada")
    await expect(ada).to_have_url(f"{house.url}/search?q=bob")
    await ada.wait_for_load_state("networkidle")  # else what it still asks for leads to the door before the search does
    await ada.context.clear_cookies()
    await ada.get_by_role("main").get_by_role("searchbox").fill("carl")
    await ada.get_by_role("main").get_by_role("searchbox").press("Enter")
    await expect(ada).to_have_url(f"{house.url}/login?next=%2Fsearch%3Fq%3Dbob")
    await sign_in(ada, "Ada")
    await expect(ada).to_have_url(f"{house.url}/search?q=bob")
    for elsewhere in ("//evil.example", "/\\evil.example", "https://evil.example", "/%09/evil.example"):
        await ada.context.clear_cookies()
        await ada.goto(f"{house.url}/login?next={elsewhere}")
        await sign_in(ada, "Ada")
        await expect(ada.get_by_role("link", name="Open your studio")).to_be_visible()
        await expect(ada).to_have_url(f"{house.url}/")


async def test_a_phone_joins_by_its_link_and_mutes_the_broadcaster(server, visit) -> None:
    """The link behind the square opens the remote without an account; what is pressed there happens on the computer."""
    house = await server()
    ada = await visit()
    await register(ada, house.url, "Ada")
    await started(ada)
    await ada.get_by_text("Sound details").click()
    await ada.get_by_role("button", name="Phone as a remote").click()
    dialog = ada.get_by_role("dialog", name="Phone as a remote")
    await expect(dialog.get_by_role("img")).to_be_visible()
    link = await dialog.get_by_role("link").get_attribute("href")
    phone = await visit(link, viewport={"width": 360, "height": 740})
    await expect(phone.get_by_text("What you press here", exact=False)).to_be_visible()
    await expect(dialog.get_by_text("Your phone is connected.")).to_be_visible()
    await shoot(phone, "remote")
    await shoot(ada, "remote-invite")
    await phone.get_by_role("button", name="Mute").click()
    await expect(ada.get_by_text("You are muted.")).to_be_visible()
    await phone.get_by_role("button", name="Stop Streaming").click()
    await expect(ada.get_by_text("You are off air", exact=False).first).to_be_attached()


async def test_a_listen_link_is_heard_without_an_account(server, visit) -> None:
    """Whoever opens the link hears the live broadcast; once it is revoked, the page says so."""
    house = await server()
    ada = await visit()
    await register(ada, house.url, "Ada")
    await ada.goto(f"{house.url}/settings")
    await ada.get_by_role("button", name="Make a listen link").click()
    link = await ada.get_by_role("textbox", name="Your listen link").input_value()
    await ada.get_by_role("button", name="Close").click()
    await ada.get_by_role("link", name="Ada", exact=False).first.click()
    await started(ada)
    guest = await watched(await visit())
    await guest.goto(link)
    await expect(guest.get_by_text("LIVE", exact=True)).to_be_visible()
    await expect(guest.get_by_text("Ada is on air. Press Start Listening to hear.")).to_be_visible()
    await guest.get_by_role("button", name="Start Listening").click()
    await guest.evaluate(HEARD)
    await expect(ada.get_by_text("1 listening: a guest")).to_be_visible()
    await shoot(guest, "listen-link")
    await guest.get_by_role("button", name="Stop Listening").click()
    await ada.get_by_role("button", name="Stop Streaming").click()
    await ada.goto(f"{house.url}/settings")
    await ada.get_by_role("button", name=re.compile("^Revoke: Made")).click()
    await expect(ada.get_by_text("No links.")).to_be_visible()
    await guest.reload()
    await expect(guest.get_by_role("main").get_by_text("This link does not work any more.", exact=False)).to_be_visible()
