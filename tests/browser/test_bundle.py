"""What a visit to the page costs, and what a page does whose server is of another build."""

import re
from contextlib import suppress

from playwright.async_api import Error, Page, Route, expect

from tests.browser.people import register
from tests.browser.test_hearing import link_of
from tests.browser.test_remote import link_for

NEWER = "0000000000000000"
MOST_BYTES, MOST_REQUESTS = 60_000, 12
CODE = """() => performance.getEntriesByType("resource").filter((entry) => /\\.(js|css)$/.test(entry.name))
  .map((entry) => [new URL(entry.name).pathname, entry.transferSize])"""
STAYS = "document.documentElement.dataset.stays = 'yes'"
LEFT = "() => document.readyState === 'complete' && document.documentElement.dataset.stays === undefined"
OUTDATED = "It is loaded when you are off air"


async def test_a_visit_is_light(server, visit) -> None:
    """At most 60 kB of scripts and styles at the first visit and none at the next, interactive after at most 12 requests each time.

    One of these asks who is signed in: the page's own question gets the answer to that of the preload.
    """
    house = await server({"denoise.default": "passthrough"})
    page = await visit()
    asked = requests_of(page)
    await page.goto(f"{house.url}/login")
    await expect(page.get_by_role("button", name="Log in")).to_be_enabled()
    assert len(asked) <= MOST_REQUESTS and asked.count(f"{house.url}/api/me") == 1, asked
    first = dict(await page.evaluate(CODE))
    assert len(first) == 2 and 0 < sum(first.values()) <= MOST_BYTES, first
    await register(page, house.url, "Ada")
    page = await page.context.new_page()
    asked = requests_of(page)
    await page.goto(house.url)
    await expect(page.get_by_role("link", name="Open your studio")).to_be_visible()
    second = dict(await page.evaluate(CODE))
    assert second.keys() == first.keys() and not any(second.values()), second
    sent = [url for url in asked if "/dist/" not in url]  # what the cache answers counts as a request to the browser
    assert len(sent) <= MOST_REQUESTS and sent.count(f"{house.url}/api/me") == 1, sent


def requests_of(page: Page) -> list[str]:
    """The URLs that the page asks for from now on, sockets too."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    return asked


async def signed_in(server, visit) -> tuple[Page, str]:
    """Somebody's own page, and its URL."""
    house = await server({"denoise.default": "passthrough"})
    page = await visit()
    await register(page, house.url, "Ada")
    await page.evaluate(STAYS)
    return page, house.url


async def upgrade(page: Page, *, page_too: bool) -> None:
    """From now on the server is of a newer build, as its answers say, and the page that it sends is, or is still the old one."""

    async def answer(route: Route) -> None:
        with suppress(Error):  # the page has been left meanwhile
            response = await route.fetch()
            await route.fulfill(response=response, headers={**response.headers, "hushcast-build": NEWER})

    async def document(route: Route) -> None:
        if route.request.resource_type != "document":
            return await route.fallback()
        response = await route.fetch()
        newer = re.sub(r'name="build" content="\w+"', f'name="build" content="{NEWER}"', await response.text())
        await route.fulfill(response=response, body=newer)

    if page_too:
        await page.route(re.compile(r".*"), document)
    await page.route(re.compile(r"/api/"), answer)


async def test_a_page_of_another_build_reloads_itself(server, visit) -> None:
    """Where nothing is lost by it; afterwards it says so, and that is all."""
    page, _ = await signed_in(server, visit)
    await upgrade(page, page_too=True)
    await page.get_by_role("link", name="Library").click()
    await page.wait_for_function(LEFT)
    await expect(page.get_by_text("It was reloaded.")).to_have_count(2)  # seen, and told to screen readers
    await expect(page.get_by_role("heading", name="Library")).to_be_visible()
    await expect(page.get_by_text(OUTDATED)).to_be_hidden()


async def test_a_page_that_stays_old_reloads_itself_once(server, visit, stretch: float) -> None:
    """A cache that still has the old page makes no loop: the second time it is only said."""
    page, _ = await signed_in(server, visit)
    await upgrade(page, page_too=False)
    await page.get_by_role("link", name="Library").click()
    await page.wait_for_function(LEFT)
    await expect(page.get_by_text(OUTDATED)).to_be_visible()
    await page.evaluate(STAYS)
    await page.wait_for_timeout(2500 * stretch)  # twice as long as it looks
    assert not await page.evaluate(LEFT)
    await page.get_by_role("button", name="Reload now").click()
    await page.wait_for_function(LEFT)


async def test_a_page_that_would_lose_something_waits(server, visit, stretch: float) -> None:
    """Not while on air, nor while something is typed: it says that there is a new version, and reloads afterwards."""
    page, _ = await signed_in(server, visit)
    await page.get_by_role("button", name="Start Streaming").click()
    await expect(page.get_by_role("button", name="Stop Streaming")).to_be_visible()
    await upgrade(page, page_too=True)
    finder = page.get_by_role("searchbox", name="Find somebody")
    await finder.fill("Be")
    await page.get_by_role("switch", name="Denoise").click()
    await expect(page.get_by_text(OUTDATED)).to_be_visible()
    await page.get_by_role("button", name="Stop Streaming").click()
    await page.get_by_role("button", name="Close this note").click()  # the way back that it offers would be lost too
    await page.wait_for_timeout(1500 * stretch)
    assert not await page.evaluate(LEFT) and await finder.input_value() == "Be"
    await finder.fill("")
    await page.wait_for_function(LEFT)
    await expect(page.get_by_text("It was reloaded.").first).to_be_visible()


async def test_a_server_that_comes_back_tells_its_build(server, visit) -> None:
    """After a restart an idle page asks by itself, so that it learns of a newer build."""
    house = await server({"denoise.default": "passthrough"})
    page = await visit()
    await register(page, house.url, "Ada")
    async with page.expect_request(re.compile(r"/api/friends$")):
        house.stop()
        await house.start()


async def test_guests_and_phones_follow_a_new_build_too(server, visit) -> None:
    """The page of a listen link and that of a companion device, which ask for little, are told of it once the server is back."""
    house = await server({"denoise.default": "passthrough"})
    ada = await visit()
    await register(ada, house.url, "Ada")
    pages = {"on air": await visit(await link_of(ada, house.url)), "Connected.": await visit(await link_for(ada, "Phone as a remote"))}
    for sentence, page in pages.items():
        await expect(page.get_by_role("main").get_by_text(sentence, exact=False).first).to_be_visible()
        await page.evaluate(STAYS)
    house.stop()
    for page in pages.values():
        await upgrade(page, page_too=False)
    await house.start()
    for sentence, page in pages.items():
        await page.wait_for_function(LEFT)
        await expect(page.get_by_role("main").get_by_text(sentence, exact=False).first).to_be_visible()
        await expect(page.get_by_text(OUTDATED)).to_be_visible()  # this test's page is the old one still
