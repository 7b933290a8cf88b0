"""The self-test, by its interface and by its page."""

import json
import re

from playwright.async_api import Page, Route, expect

from tests.support.people import PASSWORD, signed_up
from tests.web.live.test_whip_whep import Caller, an_offer
from web.live import self_test


async def test_the_interface(server) -> None:
    """Signed-in people only; an answer with the one kind of candidate; a few at once; bad offers as with WHEP."""
    house = await server()
    async with signed_up(house.url, "ada") as ada:
        me = Caller(ada)
        assert await ada.call("GET", "/api/self-test") == {"port": house.media_port, "protocols": ["udp", "tcp", "web"]}
        assert (await Caller(ada, {"Authorization": "Bearer none"}).ask("GET", "/api/self-test")).status == 401
        assert (await me.ask("POST", "/api/self-test?over=pigeon", an_offer("recvonly"))).code == "bad_request"
        assert (await me.ask("POST", "/api/self-test", "hello")).code == "bad_sdp"
        assert (await me.ask("POST", "/api/self-test", an_offer("recvonly"), "text/plain")).status == 415
        web_port = int(house.url.rsplit(":", 1)[1])
        for over in ("udp", "tcp", "web") * (self_test.MOST_EACH // 3):
            said = await me.ask("POST", f"/api/self-test?over={over}", an_offer("recvonly"))
            expected = ("tcp", web_port) if over == "web" else (over, house.media_port)
            offered = re.findall(r"a=candidate:\S+ 1 (\S+) \d+ \S+ (\d+)", said.text)
            assert said.status == 200 and [(protocol, int(port)) for protocol, port in offered] == [expected]
        said = await me.ask("POST", "/api/self-test", an_offer("recvonly"))
        assert said.status == 429 and int(said.headers["Retry-After"]) > 0


async def enter(page: Page, url: str) -> None:
    """Make an account and open the doctor's page."""
    status = await page.evaluate(
        "async body => (await fetch('/api/register', {method: 'POST', body, headers: {'Content-Type': 'application/json'}})).status",
        json.dumps({"username": "ada", "password": PASSWORD}),
    )
    assert status == 201
    await page.goto(f"{url}/doctor")


async def test_the_page(server, visit) -> None:
    """UDP and TCP, only TCP, only the page's port, nothing: each is found by a real connection and told in a sentence; so is the
    microphone.
    """
    house = await server()
    page = await visit(f"{house.url}/login")
    await enter(page, house.url)
    way, microphone = page.get_by_role("region", name="The way to the server"), page.get_by_role("region", name="Microphone")
    await expect(way).to_contain_text("UDP works. Sound gets through, and over TCP too; in networks without UDP by the port of this page.")
    await expect(microphone).to_contain_text("The microphone may be used.")

    async def led_astray(route: Route) -> None:
        """The answer names a port where nobody is."""
        answer = await route.fetch()
        text = re.sub(r" \d+ typ host", " 9 typ host", await answer.text())
        await route.fulfill(response=answer, body=text)

    await page.route("**/api/self-test?over=udp", led_astray)
    await page.get_by_role("button", name="Test again").click()
    await expect(way).to_contain_text(
        f"Only TCP works. Sound gets through, but it may stutter where the network is busy. UDP {house.media_port}", timeout=30_000
    )
    await page.route("**/api/self-test?over=tcp", led_astray)
    await page.get_by_role("button", name="Test again").click()
    await expect(way).to_contain_text("Only the port of this page works. Sound gets through, but", timeout=30_000)
    await page.route("**/api/self-test?over=web", led_astray)
    await page.get_by_role("button", name="Test again").click()
    await expect(way).to_contain_text(f"Nothing gets through. Port {house.media_port} is closed for UDP and TCP", timeout=30_000)


async def test_a_microphone_that_is_not_allowed(server, visit) -> None:
    """The page says so, and what to do; once it is allowed, the next test says that."""
    house = await server()
    page = await visit(f"{house.url}/login", permissions=[])
    await enter(page, house.url)
    microphone = page.get_by_role("region", name="Microphone")
    await expect(microphone).to_contain_text("The microphone is not allowed here. Allow it in the address bar")
    await page.context.grant_permissions(["microphone"])
    await page.get_by_role("button", name="Test again").click()
    await expect(microphone).to_contain_text("The microphone may be used.")
