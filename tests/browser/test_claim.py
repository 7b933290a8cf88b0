"""The claim link in a browser: at a desk without an account, on a phone with one."""

import re

from playwright.async_api import expect

from tests.browser.people import register, shoot
from tests.support.people import PASSWORD

ELSEWHERE = {"X-Forwarded-For": "203.0.113.9"}  # a proxy stands between: who comes so is not on the server's own machine
WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


async def test_the_claim_link_makes_the_owner(server, visit) -> None:
    """It says so before, is out of the address at once, outlives a reload, and is told to be used up; Referer never has it."""
    house = await server()
    [link] = re.findall(r"claim this server: (\S+)", house.log)
    secret = link.partition("claim=")[2]
    ada = await visit(viewport={"width": 1280, "height": 800}, extra_http_headers=ELSEWHERE)
    ben = await visit(viewport={"width": 360, "height": 740}, extra_http_headers=ELSEWHERE)
    referers: list[str] = []
    ada.on("request", lambda request: referers.append(request.headers.get("referer", "")))
    await register(ben, house.url, "Ben")
    await ada.goto(link)
    await expect(ada.get_by_text("You will own this server.", exact=False)).to_be_visible()
    assert ada.url == f"{house.url}/register"
    await ada.reload()
    await expect(ada.get_by_text("You will own this server.", exact=False)).to_be_visible()
    await shoot(ada, "claim-desk")
    await ada.get_by_label("Username").fill("Ada")
    await ada.get_by_label("Password").fill(PASSWORD)
    await ada.get_by_role("button", name="Register").click()
    await expect(ada.locator("span", has_text="You own this server.")).to_be_visible()
    await expect(ada.get_by_role("link", name="Open your studio")).to_be_visible()
    assert (await ada.evaluate("() => fetch('/api/me').then((answer) => answer.json())"))["owner"] is True
    assert referers and not any(secret in referer for referer in referers)
    await ben.goto(link)
    await expect(ben.get_by_text("has an owner already", exact=False)).to_be_visible()
    await expect(ben.get_by_role("button", name="Make this account the owner")).to_be_hidden()
    await shoot(ben, "claim-used-phone")


async def test_an_account_that_is_there_becomes_the_owner(server, visit) -> None:
    """Signed out the link leads through the login to the question; signed in straight to it. A wrong link is told at the door."""
    house = await server()
    [link] = re.findall(r"claim this server: (\S+)", house.log)
    ben = await visit(viewport={"width": 360, "height": 740}, extra_http_headers=ELSEWHERE)
    await register(ben, house.url, "Ben")
    await ben.context.clear_cookies()
    await ben.goto(f"{link[:-1]}{'A' if link[-1] != 'A' else 'B'}")
    await expect(ben.get_by_text("That is not this server's claim link.", exact=False)).to_be_visible()
    await shoot(ben, "claim-wrong-phone")
    await ben.goto(link)
    await ben.get_by_role("link", name="I have an account").click()
    await expect(ben.get_by_text("Log in, and this server can be yours.")).to_be_visible()
    await ben.get_by_label("Username").fill("Ben")
    await ben.get_by_label("Password").fill(PASSWORD)
    await ben.get_by_role("button", name="Log in").click()
    await expect(ben.get_by_text("You are signed in as Ben.", exact=False)).to_be_visible()
    assert await ben.evaluate(WIDER) <= 0
    await shoot(ben, "claim-signed-in-phone")
    await ben.get_by_role("button", name="Make this account the owner").click()
    await expect(ben.locator("span", has_text="You own this server.")).to_be_visible()
    assert (await ben.evaluate("() => fetch('/api/me').then((answer) => answer.json())"))["owner"] is True
