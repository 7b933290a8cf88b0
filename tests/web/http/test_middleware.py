"""Middleware: origins, CORS, limits, headers, tokens."""

import asyncio

from tests.web.conftest import PASSWORD, House, OpenHouse

LOGIN = {"username": "alice", "password": PASSWORD}


async def test_another_sites_request_is_refused(house: House) -> None:
    """Unsafe without Authorization needs an Origin of this site: missing or foreign is 403 bad_origin, for register and login too."""
    guest = house.guest()
    for origin in ("", "https://evil.example", "null", guest.origin.replace("http", "https"), guest.origin + "1"):
        for path in ("/api/register", "/api/login", "/api/logout", "/whip/alice", "/whep/alice"):
            status, answer = await guest.ask("POST", path, LOGIN, headers={"Origin": origin})
            assert (status, answer["code"]) == (403, "bad_origin"), (origin, path)
    assert (await guest.ask("POST", "/api/logout"))[0] == 401


async def test_handshakes_need_an_origin(house: House) -> None:
    """A WebSocket handshake from elsewhere is answered 403."""
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "x" * 22 + "=="}
    for path in ("/ws/presence", "/ws/stream/alice"):
        response = await house.guest().raw("GET", path, headers={**upgrade, "Origin": "https://evil.example"})
        assert response.status == 403
        assert (await house.guest().raw("GET", path)).status in (426, 401)


async def test_proxies_tell_the_scheme(open_house: OpenHouse) -> None:
    """A trusted proxy's X-Forwarded-Proto makes an https Origin ours; anybody else's does not."""
    for proxies, expected in ((("127.0.0.0/8",), 201), ((), 403)):
        guest = (await open_house(trusted_proxies=proxies)).guest()
        headers = {"Origin": guest.origin.replace("http", "https"), "X-Forwarded-Proto": "https"}
        assert (await guest.ask("POST", "/api/register", LOGIN, headers=headers))[0] == expected


async def test_cors(house: House) -> None:
    """Preflights are answered, and answers may be read by bearer clients; cookies are never allowed."""
    guest = house.guest()
    response = await guest.raw("OPTIONS", "/api/tokens", headers={"Origin": "https://x.example", "Access-Control-Request-Method": "POST"})
    assert response.status == 204
    assert response.headers["Access-Control-Allow-Methods"] == "GET, POST, PATCH, PUT, DELETE, OPTIONS"
    assert response.headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type, If-Match"
    answer = await guest.raw("GET", "/api/me", headers={"Origin": "https://x.example"})
    assert answer.status == 401 and answer.headers["Access-Control-Expose-Headers"] == "Location, ETag, Link"
    assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_tokens(house: House) -> None:
    """A token is shown once, works for its scope only, until it is revoked, and never for what needs a login."""
    alice, script = await house.user("alice"), house.guest()
    status, made = await alice.ask("POST", "/api/tokens", {"name": "obs", "scopes": ["metrics", "publish"]})
    assert status == 201
    rows = (await alice.ask("GET", "/api/tokens"))[1]
    assert rows[0]["scopes"] == ["publish", "metrics"] and rows[0]["last_used_at"] is None and "token" not in rows[0]
    bearer = {"Authorization": f"Bearer {made['token']}", "X-Forwarded-For": "203.0.113.9", "Origin": ""}
    assert (await script.raw("GET", "/metrics", headers=bearer)).status == 200
    assert (await script.ask("GET", "/api/me", headers=bearer))[1]["code"] == "wrong_scope"
    assert (await script.ask("POST", "/api/logout", headers=bearer))[1]["code"] == "wrong_scope"
    assert (await alice.ask("GET", "/api/tokens"))[1][0]["last_used_at"] is not None
    assert (await alice.ask("DELETE", f"/api/tokens/{made['id']}"))[0] == 204
    assert (await script.raw("GET", "/metrics", headers=bearer)).status == 401
    for scopes in ([], ["root"], "publish", None, [1]):
        assert (await alice.ask("POST", "/api/tokens", {"name": "x", "scopes": scopes}))[0] == 422


async def test_a_cookie_beside_a_bad_token_does_not_count(house: House) -> None:
    """With an Authorization header the cookie does not count."""
    alice = await house.user("alice")
    for value in ("Bearer nonsense", "Basic YTpi", "Bearer", "", "Bearer \xff"):
        assert (await alice.ask("GET", "/api/me", headers={"Authorization": value}))[0] == 401


async def test_limits(house: House) -> None:
    """A body over 64 KiB is 413, with or without Content-Length."""
    alice = await house.user("alice")

    async def pieces():  # type: ignore[no-untyped-def]
        for _ in range(20):
            yield b" " * 4096
            await asyncio.sleep(0)

    for body in (b" " * (64 * 1024 + 1), pieces()):
        response = await alice.raw("POST", "/api/login", data=body)
        assert response.status == 413 and (await response.json(content_type=None))["code"] == "too_large"


async def test_what_is_no_http(house: House) -> None:
    """Malformed HTTP, or a body not encoded as its headers say, is a 400 that is counted and not logged."""
    guest = house.guest()
    url = guest.server.make_url("")
    for raw in (
        b"A" * 20_000,
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        b"POST /api/login HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(raw)
        assert b" 400 " in await asyncio.wait_for(reader.readline(), 20)
        writer.close()
        await writer.wait_closed()
    for path in ("/api/login", "/api/me", "/whip/alice"):
        response = await house.guest().raw("POST", path, data=b"this is no gzip", headers={"Content-Encoding": "gzip"})
        assert 400 <= response.status < 500
    assert "hushcast_malformed_requests_total" in await (await guest.raw("GET", "/metrics")).text()


async def test_a_trailing_slash_is_none(house: House) -> None:
    """/api/me/ is /api/me, without a redirect."""
    alice = await house.user("alice")
    for path in ("/api/me/", "/api/friends/", "/api/search/?q=al", "/healthz/", "/readyz/"):
        assert (await alice.raw("GET", path, allow_redirects=False)).status == 200


async def test_unknown_places_and_methods(house: House) -> None:
    """404 and 405 are problem documents too."""
    guest = house.guest()
    asked = ((404, "GET", "/api/nothing"), (405, "PUT", "/api/me"), (404, "DELETE", "/api/tokens/x"), (404, "GET", "/x"))
    for expected, method, path in asked:
        response = await guest.raw(method, path)
        assert response.status == expected and response.content_type == "application/problem+json", path
    assert "DELETE" in (await guest.raw("PUT", "/api/me")).headers["Allow"]


async def test_headers(house: House) -> None:
    """Answers are not sniffed or cached; pages bring their policy, and only the player may be framed."""
    guest = house.guest()
    answer = await guest.raw("GET", "/api/me")
    assert answer.headers["X-Content-Type-Options"] == "nosniff" and answer.headers["Cache-Control"] == "no-store"
    if (page := await guest.raw("GET", "/login")).status == 200:
        assert "script-src 'self'" in page.headers["Content-Security-Policy"] and page.headers["X-Frame-Options"] == "SAMEORIGIN"
        assert page.headers["Cache-Control"] == "no-cache"
        again = await guest.raw("GET", "/login", headers={"If-None-Match": page.headers["ETag"]})
        assert again.status == 304
        player = await guest.raw("GET", "/l/token")
        assert "frame-ancestors *" in player.headers["Content-Security-Policy"] and "X-Frame-Options" not in player.headers
    for path in ("/js/../../app.py", "/js/%2e%2e/%2e%2e/app.py", "/js//etc/passwd", "/..%2fapp.py", "/app.py"):
        assert (await guest.raw("GET", path)).status == 404


async def test_the_page_knows_how_others_reach_it(open_house: OpenHouse) -> None:
    """A page opened on this machine is told the site's address for others; other browsers are not, and it is not cached."""
    guest = (await open_house(public_url="https://voice.example/")).guest()
    here = await guest.raw("GET", "/login")
    assert '<meta name="site" content="https://voice.example">' in await here.text()
    assert here.headers["Cache-Control"] == "no-cache"
    assert "script-src 'self'" in here.headers["Content-Security-Policy"]
    for headers in ({"Host": "voice.lan"}, {"X-Forwarded-For": "203.0.113.9"}):
        elsewhere = await guest.raw("GET", "/login", headers={**headers, "If-None-Match": here.headers["ETag"]})
        assert elsewhere.status == 200 and 'name="site"' not in await elsewhere.text()


async def test_the_page_and_its_parts_are_sent_whole(house: House) -> None:
    """Pages and assets are sent whole for any Range, and have an ETag."""
    guest = house.guest()
    for path in ("/", "/favicon.svg"):
        whole = await guest.raw("GET", path)
        for asked in ("seconds=0-1", "bytes=0-1", "bytes=a-b", "bytes=999999999-"):
            again = await guest.raw("GET", path, headers={"Range": asked})
            assert (again.status, await again.read()) == (200, await whole.read()), asked
        assert (await guest.raw("GET", path, headers={"If-None-Match": whole.headers["ETag"]})).status == 304
