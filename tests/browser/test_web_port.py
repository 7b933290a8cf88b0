"""One open TCP port is enough: the page at http://localhost of a server with TLS, and sound through the web server's own port."""

import re
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.people import HEARD, befriend, register, watched

PAIR = """async () => {
  const rows = [...(await window.__connections.at(-1).getStats()).values()];
  const used = rows.find((row) => row.type === "candidate-pair" && row.nominated && row.state === "succeeded");
  const far = rows.find((row) => row.id === used?.remoteCandidateId);
  return far ? [far.protocol, far.port] : [];
}"""


async def with_one_port(page: Page, media_port: int) -> Page:
    """Everything at the media port is led where nobody listens, as where a network lets neither UDP out nor other ports."""

    async def led_astray(route: Route) -> None:
        answer = await route.fetch()
        text = await answer.text()
        await route.fulfill(response=answer, body=text.replace(f" {media_port} typ host", " 9 typ host"))

    await page.route(re.compile("/wh[ie]p/"), led_astray)
    return page


@pytest.mark.real_time
async def test_one_port_is_enough(server, visit) -> None:
    """A voice is sent and heard over the port of HTTPS alone, by pages at http://localhost: a microphone without a warning."""
    house = await server({"http.tls": "self-signed", "denoise.default": "passthrough"})
    assert house.url.startswith("https://127.0.0.1:")
    port = urlsplit(house.url).port
    url = f"http://localhost:{port}"
    assert f"{url}/  microphone works\n" in house.log
    ada, ben = [await with_one_port(await watched(await visit(ignore_https_errors=False)), house.media_port) for _ in "ab"]
    await register(ada, url, "ada")
    await register(ben, url, "ben")
    assert ada.url.startswith(url) and await ada.evaluate("isSecureContext")
    await befriend(ben, ada, "ada")
    await ada.get_by_role("button", name="Start Streaming").click()
    await expect(ada.get_by_role("button", name="Stop Streaming")).to_be_visible()
    await ben.goto(f"{url}/user/ada")
    await ben.get_by_role("button", name="Start Listening").click()
    assert await ben.evaluate(HEARD) > 0
    assert await ben.evaluate(PAIR) == ["tcp", port] == await ada.evaluate(PAIR)
    for page in (ada, ben):
        await page.unroute_all(behavior="wait")  # what asks again at the end is not to be cut
    await ada.get_by_role("button", name="Stop Streaming").click()
    await expect(ada.get_by_role("button", name="Start Streaming")).to_be_visible()
