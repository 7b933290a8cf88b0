"""Who has pressed Start Listening once keeps listening, whatever happens to the broadcaster, the server or the network."""

import asyncio
import re

from playwright.async_api import Page, Route, expect

from tests.browser.listening import anew, heard, listening, on_air, silence, two
from tests.browser.ribbons import emptied, filled
from tests.support.lossy import Lossy


async def test_a_listener_hears_again_after_the_broadcaster_reloads(server, visit, stretch: float) -> None:
    """Reload and Resume: the listener's page waits, says so, and sounds again without a press."""
    _, ada, ben = await two(server, visit)
    await listening(ben)
    await anew(ben)
    await ada.reload()
    await expect(ben.get_by_role("main").get_by_text(re.compile(r"^Waiting for Ada… \d+ s$"))).to_be_visible()
    await ada.get_by_role("button", name="Resume").click()
    await expect(ben.get_by_role("main").get_by_text("You hear Ada, cleaned.")).to_be_visible()
    await heard(ben)
    print(f"silent for {await silence(ben):.1f} s over a reload")


async def test_a_takeover_is_not_heard(server, visit, stretch: float) -> None:
    """Another tab of the broadcaster takes over: the listener's page stays as it is, and goes on sounding."""
    house, ada, ben = await two(server, visit)
    await listening(ben)
    await expect(ben.get_by_role("main").get_by_text("You hear Ada, cleaned.")).to_be_visible()
    second = await ada.context.new_page()
    await second.goto(f"{house.url}/studio")
    await anew(ben)
    await second.get_by_role("button", name="Resume").click()
    await expect(ada.get_by_text("Another tab or device has taken over", exact=False).first).to_be_visible()
    await heard(ben)
    print(f"silent for {await silence(ben):.1f} s over a takeover")
    await expect(ben.get_by_role("main").get_by_text("You hear Ada, cleaned.")).to_be_visible()
    await second.close()


async def test_a_listener_hears_again_after_go_on(server, visit, stretch: float) -> None:
    """Stop is told as Stop; Go on within a minute is heard without a press, in the new broadcast."""
    _, ada, ben = await two(server, visit)
    await listening(ben)
    await expect(ben.get_by_role("main").get_by_text("You hear Ada, cleaned.")).to_be_visible()
    await filled(ben)
    await ada.get_by_role("button", name="Stop Streaming").click()
    await expect(ben.get_by_role("main").get_by_text("Ada has stopped. If Ada goes on now, you hear it.")).to_be_visible()
    await emptied(ben)
    await expect(ben.get_by_role("main").get_by_text("Offline", exact=True).first).to_be_visible()
    await expect(ben.get_by_role("status")).to_have_text(re.compile("^Ada has stopped"))
    await anew(ben)
    await ada.get_by_role("button", name="Go on").click()
    await expect(ben.get_by_role("main").get_by_text("You hear Ada, cleaned.")).to_be_visible()
    await heard(ben)
    print(f"silent for {await silence(ben):.1f} s until Go on was heard")
    told = await ben.evaluate("() => window.__told.filter((text) => text.startsWith('Ada has stopped'))")
    assert len(told) == 1, told


async def test_a_listener_hears_again_after_the_grace_time(server, visit, stretch: float) -> None:
    """Whoever was lost is waited for beyond the broadcast's end, and heard in the next one."""
    _, ada, ben = await two(server, visit, {"broadcast.grace_s": 2.0})
    await listening(ben)
    await ada.goto("about:blank")
    await expect(ben.get_by_role("main").get_by_text("Ada is not on air. You hear Ada as soon as that changes.")).to_be_visible()
    await expect(ben.get_by_role("main").get_by_text("LIVE", exact=True)).to_have_count(0)
    await ada.go_back()
    await on_air(ada)
    await expect(ben.get_by_role("main").get_by_text("You hear Ada, cleaned.")).to_be_visible()
    await heard(ben)


async def test_a_listener_hears_again_after_a_killed_server_is_back(server, visit, stretch: float) -> None:
    """kill -9 and a restart: both pages come back by themselves; the listener is told what it was."""
    house, _, ben = await two(server, visit)
    await listening(ben)
    await asyncio.to_thread(house.kill)
    await expect(ben.get_by_role("main").get_by_text("The server does not answer. You hear Ada again when it is back.")).to_be_visible()
    await expect(ben.get_by_role("main").get_by_text("LIVE", exact=True)).to_have_count(0)
    await house.start()
    await anew(ben)
    await heard(ben)
    print(f"heard {await silence(ben):.1f} s after the server was back")
    await expect(ben.get_by_role("main").get_by_text("You hear Ada, cleaned.")).to_be_visible()
    await expect(ben.get_by_role("main").get_by_text("LIVE", exact=True)).to_be_visible()


async def test_a_listener_hears_again_after_half_a_minute_without_network(server, visit, stretch: float) -> None:
    """Neither requests nor sound get through for 30 s, longer than the server keeps a silent listener; then it is heard again."""
    house, _, ben = await two(server, visit)
    async with Lossy(house.media_port) as network:
        await through(ben, network)
        await listening(ben)
        await anew(ben)
        await cut(ben, network, True)
        await expect(ben.get_by_role("main").get_by_text("You have no network. You hear Ada again when it is back.")).to_be_visible()
        await asyncio.sleep(30)  # this is the case, not a wait for it
        silent_s = await silence(ben)
        await cut(ben, network, False)
        await heard(ben)
        print(f"silent for {await silence(ben):.1f} s, {await silence(ben) - silent_s:.1f} of them after the network was back")
        await expect(ben.get_by_role("main").get_by_text("You hear Ada, cleaned.")).to_be_visible()
        await ben.get_by_role("button", name="Stop Listening").click()
        await ben.unroute_all(behavior="wait")


async def through(page: Page, network: Lossy, route: str = "/whep/") -> None:
    """Lead the sound that the page asks for at `route` through there, and these requests only while that is open."""

    async def led(asked: Route) -> None:
        if network.down.cut:
            return await asked.abort()
        if asked.request.method != "POST":
            return await asked.continue_()
        answer = await asked.fetch()
        lines = [line for line in (await answer.text()).splitlines(keepends=True) if not re.match(r"a=candidate:\S+ \d+ tcp ", line)]
        await asked.fulfill(response=answer, body=network.through("".join(lines)))

    await page.route(re.compile(route), led)


async def cut(page: Page, network: Lossy, off: bool) -> None:
    network.up.cut = network.down.cut = off
    await page.context.set_offline(off)
