"""The page /api: every route, socket and struct, with anchors, a search, and no script."""

import html
import re

import pytest

from tests.web.conftest import House
from tests.web.interface import interface, sockets


async def read(house: House, path: str = "/api", **more: str) -> str:
    answer = await house.guest().raw("GET", path, **({"headers": more} if more else {}))
    assert answer.status == 200 and answer.content_type == "text/html"
    return await answer.text()


async def test_it_has_everything(house: House) -> None:
    """Each route with its codes, each socket, each struct, as the two documents have them. Links within it lead somewhere."""
    page = await read(house)
    plain = html.unescape(re.sub(r"<[^>]*>", "", page))
    for path, operations in interface()["paths"].items():
        for method, operation in operations.items():
            assert f"{method.upper()} {path}" in plain and f'id="{operation["operationId"]}"' in page
            assert set(operation["responses"]) <= set(re.findall(r"\d{3}", plain))
    assert all(f"WebSocket {channel['address']}" in plain for channel in sockets()["channels"].values())
    names = {*interface()["components"]["schemas"], *sockets()["components"]["schemas"]}
    assert {f"struct_{name}" for name in names} <= set(re.findall(r'id="([^"]+)"', page))
    ids = re.findall(r'id="([^"]+)"', page)
    assert len(ids) == len(set(ids)) and set(re.findall(r'href="(?:/api)?#([^"]+)"', page)) <= set(ids)


async def test_a_search_leaves_what_has_all_words(house: House) -> None:
    """Words are found in paths, codes and texts; what is searched for is shown as text and nothing else."""
    assert re.findall(r'<section id="([^"]+)"', await read(house, "/api?q=wrong_code join")) == ["post_api_companions_id_join"]
    page = await read(house, '/api?q="><script>alert(1)</script>')
    assert "<script" not in page and "No route and no socket" in page


async def test_its_policy_allows_its_own_style_and_no_script(house: House) -> None:
    """With the slash and without: one style, named by its digest; and the colours that this browser has chosen."""
    for path in ("/api", "/api/"):
        answer = await house.guest().raw("GET", path, headers={"Cookie": "theme=dark"})
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-") and "script-src" not in policy
        assert '<html lang="en" data-theme="dark">' in await answer.text()


@pytest.mark.parametrize("theme", ["dark", '"onload="x', ""])
async def test_only_known_colours_are_written(house: House, theme: str) -> None:
    """A cookie of another value changes nothing."""
    page = await read(house, Cookie=f"theme={theme}")
    assert page.startswith(
        '<!doctype html><html lang="en" data-theme="dark">' if theme == "dark" else '<!doctype html><html lang="en"><head>'
    )
