"""The page and its bundle: what is sent, in which coding, and for how long it is kept."""

import gzip
import re
from pathlib import Path

import pytest

from sfu.config.errors import ConfigError
from tests.web.conftest import Guest, House, OpenHouse
from web.app import CLIENT_FOLDER
from web.pages import BUILD_HEADER, OF_WHO_IS_SIGNED_IN, Client

FOREVER = "public, max-age=31536000, immutable"
KINDS = {"js": "text/javascript", "css": "text/css"}
MOST_BYTES = {"br": 60_000, "gzip": 64_000}  # of scripts and styles, compressed


async def bundle(guest: Guest) -> dict[str, str]:
    """Suffix -> URL of the scripts and style sheets that the page names; each is one file."""
    text = await (await guest.raw("GET", "/")).text()
    named = re.findall(r'<(?:script|link)[^>]* (?:src|href)="(/[^"]+\.(js|css))"', text)
    urls = {suffix: url for url, suffix in named}
    assert {url for url, _ in named} == set(urls.values())
    return urls


async def encoded(guest: Guest, url: str, accepted: str) -> tuple[str | None, bytes, str]:
    """The coding of an answer, the bytes of its body as they are sent, and its ETag."""
    async with guest.session.get(guest.server.make_url(url), headers={"Accept-Encoding": accepted}, auto_decompress=False) as answer:
        assert answer.status == 200 and answer.headers["Vary"] == "Accept-Encoding"
        return answer.headers.get("Content-Encoding"), await answer.read(), answer.headers["ETag"]


async def test_an_unknown_address_is_a_page_for_browsers(house: House) -> None:
    """404 with the page where HTML is wanted; a problem for other clients, and for what is no page."""
    guest, browser = house.guest(), {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    answer = await guest.raw("GET", "/nowhere/at%20all", headers=browser)
    assert (answer.status, answer.content_type) == (404, "text/html") and await answer.text() == await (await guest.raw("GET", "/")).text()
    assert "Content-Security-Policy" in answer.headers
    for kept in ("*", (await guest.raw("GET", "/")).headers["ETag"]):  # a browser that has kept it is not sent an empty page
        answer = await guest.raw("GET", "/nowhere", headers=browser | {"If-None-Match": kept})
        assert answer.status == 404 and "<html" in await answer.text()
    for path, headers in (("/nowhere", {}), ("/api/nowhere", browser), ("/dist/page.js", browser), ("/gone.js", browser)):
        answer = await guest.raw("GET", path, headers=headers)
        assert (answer.status, answer.content_type) == (404, "application/problem+json"), path


async def test_a_first_visit_is_light(house: House) -> None:
    """The page names one script and one style sheet, of at most 60 kB together as browsers ask for them.

    They take brotli over TLS and from this machine; gzip, which may be a little more, goes over plain HTTP alone.
    """
    guest = house.guest()
    urls = await bundle(guest)
    assert set(urls) == {"js", "css"}
    for accepted, most in MOST_BYTES.items():
        assert sum([len((await encoded(guest, url, accepted))[1]) for url in urls.values()]) <= most, accepted
    assert f'<link rel="modulepreload" href="{urls["js"]}">' in await (await guest.raw("GET", "/")).text()


async def test_who_is_signed_in_gets_friends_with_the_page(house: House) -> None:
    """The page has preloads for what its script asks for first; not by the cookie of a login that has ended, whose answer would be kept."""
    ada = await house.user("ada")
    cookies = "; ".join(f"{each.key}={each.value}" for each in ada.session.cookie_jar)
    lines = [f'<link rel="preload" href="{url}" as="fetch" crossorigin>' for url in OF_WHO_IS_SIGNED_IN]
    page = await (await ada.raw("GET", "/")).text()
    assert all(line in page for line in lines)
    await ada.ask("POST", "/api/logout")
    for headers in ({}, {"Cookie": cookies}):
        page = await (await house.guest().raw("GET", "/", headers=headers)).text()
        assert not any(line in page for line in lines)


@pytest.mark.parametrize("suffix", KINDS)
async def test_the_coding_is_negotiated(house: House, suffix: str) -> None:
    """Brotli, gzip or neither, as the request says; all of them are the same text, and each has an ETag of its own."""
    guest = house.guest()
    url = (await bundle(guest))[suffix]
    coding, plain, tag = await encoded(guest, url, "identity")
    assert coding is None and plain == (CLIENT_FOLDER / "dist" / f"page.{suffix}").read_bytes()
    coding, packed, tag_of_gzip = await encoded(guest, url, "gzip, deflate")
    assert coding == "gzip" and gzip.decompress(packed) == plain
    coding, packed, tag_of_br = await encoded(guest, url, "gzip, deflate, br")
    assert coding == "br" and packed == (CLIENT_FOLDER / "dist" / f"page.{suffix}.br").read_bytes()
    assert (await encoded(guest, url, "br;q=0"))[0] is None
    assert len({tag, tag_of_gzip, tag_of_br}) == 3


@pytest.mark.parametrize("suffix", KINDS)
async def test_the_bundle_is_kept_for_good(house: House, suffix: str) -> None:
    """A file of the bundle is immutable; asked all the same, it is 304 to whoever has it. HEAD has the headers alone."""
    guest = house.guest()
    url = (await bundle(guest))[suffix]
    answer = await guest.raw("GET", url)
    assert answer.headers["Cache-Control"] == FOREVER and answer.content_type == KINDS[suffix]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    again = await guest.raw("GET", url, headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status == 304 and again.headers["Cache-Control"] == FOREVER and not await again.read()
    assert (await guest.raw("GET", url, headers={"If-None-Match": '"other"'})).status == 200
    head = await guest.raw("HEAD", url)
    assert head.status == 200 and not await head.read()
    for name in ("Content-Length", "ETag", "Cache-Control", "Content-Type", "Vary"):
        assert head.headers[name] == answer.headers[name], name


async def test_the_page_is_asked_for_each_time(house: House) -> None:
    """The page itself is no-cache: 304 with its ETag, whatever address it has; its policy is on that answer too."""
    guest = house.guest()
    page = await guest.raw("GET", "/login")
    for path in ("/login", "/", "/user/ada"):
        again = await guest.raw("GET", path, headers={"If-None-Match": page.headers["ETag"]})
        assert again.status == 304 and again.headers["Cache-Control"] == "no-cache" and "Content-Security-Policy" in again.headers
    head = await guest.raw("HEAD", "/login")
    assert head.headers["Content-Length"] == page.headers["Content-Length"] and not await head.read()


async def test_what_is_of_no_build_is_not_found(house: House) -> None:
    """An unknown digest is 404 as a problem, never the page or another build's file; so are the modules and what lies beside the bundle."""
    guest = house.guest()
    for path in (
        "/dist/page.0123456789abcdef.js",
        "/dist/page.js",
        "/dist/page.js.br",
        "/dist/",
        "/js/main.js",
        "/style.css",
        "/css/frame.css",
    ):
        answer = await guest.raw("GET", path)
        assert (answer.status, answer.content_type) == (404, "application/problem+json"), path
        assert "immutable" not in answer.headers.get("Cache-Control", "")


async def test_modules_are_served_as_they_are(open_house: OpenHouse) -> None:
    """With `http.modules` the page names its modules, which are asked for each time; there is no bundle and no build."""
    guest = (await open_house(modules=True)).guest()
    page = await guest.raw("GET", "/")
    assert await page.read() == (CLIENT_FOLDER / "index.html").read_bytes()
    for path in ("/js/main.js", "/style.css", "/css/frame.css"):
        answer = await guest.raw("GET", path)
        assert answer.headers["Cache-Control"] == "no-cache" and await answer.read() == (CLIENT_FOLDER / path[1:]).read_bytes()
    for url in Client(CLIENT_FOLDER, modules=False).files:
        assert (await guest.raw("GET", url)).status == 404
    assert BUILD_HEADER not in (await guest.raw("GET", "/api/me")).headers


async def test_answers_name_the_build(house: House) -> None:
    """The page and every answer of the interface, a refusal too, name the same build; what is no part of the interface does not."""
    guest = house.guest()
    told = re.search(r'<meta name="build" content="(\w+)">', await (await guest.raw("GET", "/")).text())
    assert told is not None
    for path in ("/api/me", "/api/nothing", "/api/openapi.json"):
        assert (await guest.raw("GET", path)).headers[BUILD_HEADER] == told[1], path
    assert BUILD_HEADER not in (await guest.raw("GET", "/healthz")).headers


def test_a_bundle_that_is_not_there(tmp_path: Path) -> None:
    """The server does not start without its bundle, and says how to make it; with modules it needs none."""
    with pytest.raises(ConfigError, match=r"python3 run\.py bundle"):
        Client(tmp_path, modules=False)
    assert Client(tmp_path, modules=True).build == ""


def test_the_build_is_that_of_the_content(tmp_path: Path) -> None:
    """Another byte in one file gives that file another URL, and the whole another build."""
    (tmp_path / "dist").mkdir()
    for file in (*(CLIENT_FOLDER / "dist").iterdir(), CLIENT_FOLDER / "index.html"):
        (tmp_path / file.relative_to(CLIENT_FOLDER)).write_bytes(file.read_bytes())
    before = Client(tmp_path, modules=False)
    (tmp_path / "dist" / "page.css").write_text("body{}")
    after = Client(tmp_path, modules=False)
    assert before.build != after.build and len(set(before.files) & set(after.files)) == 2


async def test_the_page_has_the_colours_that_the_browser_has_chosen(house: House) -> None:
    """They come as a cookie; anything else in it is left alone, and caches keep one page for each."""
    guest = house.guest()
    for cookie, colours in (
        ("theme=dark", "dark"),
        ("theme=light; other=1", "light"),
        ("theme=system", None),
        ('theme="><script>', None),
        ("", None),
    ):
        answer = await guest.raw("GET", "/", headers={"Cookie": cookie} if cookie else {})
        found = re.search(r'<html data-theme="(\w+)" lang="en">', await answer.text())
        assert (found and found[1]) == colours and "Cookie" in answer.headers["Vary"], cookie
