"""Whose server it is: the first account on the machine, the claim link, and what the start says."""

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sfu.config.schema import AccountsConfig, Config, HttpConfig
from tests.conftest import StartServer
from tests.support.people import signed_up
from tests.web.conftest import PASSWORD, Guest, House, OpenHouse
from tests.web.on_both import on_sqlite
from web.accounts.claims import CLAIMS, KEY, told_at_start
from web.app import DATABASE
from web.auth.rate_limit import JOIN_BURST, RATE_LIMIT
from web.keys import CONFIG

ELSEWHERE = {"X-Forwarded-For": "203.0.113.9"}  # somebody stands between: it is not this machine that asks


async def joined(guest: Guest, username: str, *, headers: dict[str, str] | None = None, **more: Any) -> tuple[int, Any]:
    return await guest.ask("POST", "/api/register", {"username": username, "password": PASSWORD, **more}, headers=headers or {})


async def owns(guest: Guest) -> bool:
    owner: bool = (await guest.ask("GET", "/api/me"))[1]["owner"]
    return owner


async def secret_of(house: House) -> str:
    secret = await house.app[CLAIMS].secret()
    assert secret is not None
    return str(secret)


@pytest.mark.parametrize(
    "headers",
    [
        ELSEWHERE,
        {"Via": "1.1 proxy"},
        {"Forwarded": "for=127.0.0.1"},
        {"Host": "rebound.example"},
        {"Origin": "https://evil.example", "Authorization": "Bearer of nothing"},
    ],
)
async def test_who_comes_from_elsewhere_owns_nothing(house: House, headers: dict[str, str]) -> None:
    """The first account is an ordinary one where a proxy, another name or another site's page stands between, and so is the next one
    from here.
    """
    first, second = house.guest(), house.guest()
    if "Host" in headers:
        headers = headers | {"Origin": f"http://{headers['Host']}"}
    assert (await joined(first, "alice", headers=headers))[0] == 201
    assert (await joined(second, "bob"))[0] == 201
    assert not await owns(second)
    await first.ask("POST", "/api/login", {"username": "alice", "password": PASSWORD})
    assert not await owns(first)
    assert await house.app[CLAIMS].secret() is not None


async def test_a_proxy_that_speaks_as_nginx_does_is_not_this_machine(house: House) -> None:
    """Without a line of configuration it calls us by our own name, leaves no trace, and speaks HTTP/1.0."""
    body = f'{{"username": "alice", "password": "{PASSWORD}"}}'
    head = f"POST /api/register HTTP/1.0\r\nHost: 127.0.0.1:{house.server.port}\r\nOrigin: {house.guest().origin}\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", house.server.port)
    writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    answer = await reader.read()
    writer.close()
    assert b" 201 " in answer.partition(b"\r\n")[0], answer
    assert await house.app[CLAIMS].secret() is not None


async def test_behind_a_public_name_this_machine_is_no_proof(open_house: OpenHouse) -> None:
    """A proxy that leaves no trace looks like this machine: where a public name tells of one, only the claim makes the owner."""
    house = await open_house(public_url="https://voice.example")
    made = await house.guest().raw("POST", "/api/register", json={"username": "alice", "password": PASSWORD})
    assert made.status == 201 and await house.app[CLAIMS].secret() is not None


async def test_the_claim_link_makes_the_owner(open_house: OpenHouse) -> None:
    """From elsewhere, where registration is closed, after others: whoever opens it first owns the server, and then it is used up."""
    house = await open_house(registration="closed")
    secret = await secret_of(house)
    assert (await joined(house.guest(), "early", headers=ELSEWHERE))[1]["code"] == "registration_closed"
    alice = house.guest()
    assert (await alice.ask("GET", "/api/claim", headers={"Authorization": f"Bearer {secret}"}))[0] == 204
    link = f"https://voice.example/register?claim={secret}"
    assert (await joined(alice, "alice", headers=ELSEWHERE, claim=link))[0] == 201
    assert await owns(alice)
    for claim in (secret, link):
        status, answer = await joined(house.guest(), "late", claim=claim)
        assert (status, answer["code"]) == (403, "bad_claim") and "has an owner already" in answer["detail"]
    status, answer = await house.guest().ask("GET", "/api/claim", headers={"Authorization": f"Bearer {secret}"})
    assert (status, answer["code"]) == (403, "bad_claim")


@pytest.mark.parametrize("claim", ["wrong", "x" * 43, "register?claim=", "ü"])
async def test_a_wrong_claim_makes_nothing(house: House, claim: str) -> None:
    """403 bad_claim, on this machine too, and no account is made; an ordinary one can still be."""
    status, answer = await joined(house.guest(), "alice", claim=claim)
    assert (status, answer["code"]) == (403, "bad_claim")
    assert (await joined(house.guest(), "alice", headers=ELSEWHERE))[0] == 201


async def test_of_two_claims_one_wins(house: House) -> None:
    """However many come at once with the right link, one becomes the owner; the others are refused and have no account."""
    secret = await secret_of(house)
    guests = [house.guest() for _ in range(6)]
    answers = await asyncio.gather(*(joined(guest, f"guest{number}", claim=secret) for number, guest in enumerate(guests)))
    assert sorted(status for status, _ in answers) == [201] + [403] * 5
    assert {answer["code"] for status, answer in answers if status == 403} == {"bad_claim"}
    [(winner, _)] = [(guest, status) for guest, (status, _) in zip(guests, answers, strict=True) if status == 201]
    assert await owns(winner)
    names = [found["username"] for found in (await winner.ask("GET", "/api/search?q=guest"))[1]]
    assert len(names) == 1


async def test_an_account_that_is_there_can_claim(house: House) -> None:
    """Signed in, by the link, once; a stranger cannot, and the wrong link makes nobody the owner."""
    alice, bob = house.guest(), house.guest()
    for guest, name in ((alice, "alice"), (bob, "bob")):
        await joined(guest, name, headers=ELSEWHERE)
    secret = await secret_of(house)
    assert (await house.guest().ask("POST", "/api/claim", {"claim": secret}))[1]["code"] == "not_signed_in"
    assert (await alice.ask("POST", "/api/claim", {"claim": secret[:-1] + "-"}))[1]["code"] == "bad_claim"
    assert (await alice.ask("POST", "/api/claim", {"claim": secret})) == (204, None)
    assert await owns(alice)
    assert (await bob.ask("POST", "/api/claim", {"claim": secret}))[1]["code"] == "bad_claim"
    assert not await owns(bob)


async def test_claims_are_counted_as_joining(house: House) -> None:
    """Guessing at the link ends where registering from one address does."""
    guest = house.guest()
    for _ in range(JOIN_BURST - 1):
        await house.app[RATE_LIMIT].join("127.0.0.1")
    looks = [guest.raw("GET", "/api/claim", headers={"Authorization": f"Bearer guess{number}"}) for number in range(9)]
    statuses = [response.status for response in await asyncio.gather(*looks)]
    assert set(statuses) == {403, 429}
    assert (await joined(guest, "alice", claim="guess"))[0] == 429


@on_sqlite
async def test_the_link_outlives_a_restart_but_not_its_owner(open_house: OpenHouse, tmp_path: Path) -> None:
    """The same after a restart; the database alone opens nothing; after the owner has left a start makes another one."""
    house = await open_house("kept")
    secret = await secret_of(house)
    storage = Path(house.app[CONFIG].storage.path)
    for file in storage.glob(f"{DATABASE}*"):
        assert secret.encode() not in file.read_bytes()
    with closing(sqlite3.connect(storage / DATABASE)) as source, closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        source.backup(copy)
    (tmp_path / "copied").mkdir()
    (tmp_path / "copy.db").rename(tmp_path / "copied" / DATABASE)
    assert await secret_of(await open_house("copied")) != secret
    again = await open_house("kept")
    assert await secret_of(again) == secret
    alice = await again.user("alice", claim=secret)
    assert await again.app[CLAIMS].secret() is None
    assert (await alice.ask("DELETE", "/api/me", {"password": PASSWORD}))[0] == 204
    assert (await joined(again.guest(), "bob", claim=secret, headers=ELSEWHERE))[1]["code"] == "bad_claim"
    assert await secret_of(await open_house("kept")) != secret


async def test_without_room_for_the_key_it_serves_without_a_link(
    open_house: OpenHouse, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the key cannot be written the log says so, there is no link, and whoever is at the machine can still register."""
    (tmp_path / "odd" / KEY).mkdir(parents=True)
    house = await open_house("odd")
    assert await house.app[CLAIMS].secret() is None and "it can make no claim link" in caplog.text
    assert await owns(await house.user("alice"))


def lines(said: list[str]) -> Iterator[str]:
    for line in said:
        yield re.sub(r"claim=[\w-]{43}$", "claim=SECRET", line)


async def test_what_a_start_says(open_house: OpenHouse) -> None:
    """One line with the link; another where registration is not open, with `user add` only where that makes the owner."""
    house = await open_house()

    async def said(registration: str = "open", *, secure: bool = False, **http: Any) -> list[str]:
        config = Config(http=HttpConfig(**http), accounts=AccountsConfig(registration=registration))
        return list(lines(await told_at_start(house.app, config, 8080, secure=secure)))

    here: dict[str, Any] = {"host": "127.0.0.1"}
    assert await said(**here) == ["claim this server: http://127.0.0.1:8080/register?claim=SECRET"]
    public = "https://voice.example/"
    assert await said(**here, public_url=public) == ["claim this server: https://voice.example/register?claim=SECRET"]
    assert await said(host="::1", secure=True) == ["claim this server: https://[::1]:8080/register?claim=SECRET"]
    for registration in ("closed", "invite"):
        how, link = await said(registration, **here)
        assert (
            f'accounts.registration = "{registration}"' in how and "run.py user add NAME" in how and link.startswith("claim this server: ")
        )
    await joined(house.guest(), "stranger", headers=ELSEWHERE)
    how, _ = await said("closed", **here)
    assert "claim link" in how and "user add" not in how
    await house.user("alice", claim=await secret_of(house))
    assert await said("closed", **here) == []


async def test_the_link_is_printed_and_never_logged(server: StartServer) -> None:
    """After the addresses and before `listening`, at every start until somebody owns the server; asked and used, it leaves no trace."""
    running = await server()
    [secret] = re.findall(rf"microphone works\nclaim this server: {running.url}/register\?claim=([\w-]{{43}})\nlistening ", running.log)
    async with aiohttp.ClientSession() as client:
        async with client.get(f"{running.url}/register", params={"claim": secret}) as page:
            assert page.status == 200 and page.headers["Referrer-Policy"] == "strict-origin"
        async with client.get(f"{running.url}/api/claim", headers={"Authorization": f"Bearer {secret}"}) as answer:
            assert answer.status == 204
    running.stop()
    await running.start()
    assert running.log.count(secret) == 2
    async with signed_up(running.url, "alice") as alice:
        assert (await alice.call("GET", "/api/me"))["owner"] is True
        await alice.call("POST", "/api/claim", {"claim": secret}, status=403)
    assert running.log.count(secret) == running.log.count("claim this server") == 2
