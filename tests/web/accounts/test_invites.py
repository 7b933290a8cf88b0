"""Invites: who has made one, what one with an account does with it, and that its address can be seen again; listen links alike."""

from pathlib import Path

import pytest

from db.tables import Invite, ListenLink
from tests.web.accounts.test_friends import ask, relation
from tests.web.conftest import Guest, House, OpenHouse
from tests.web.live.test_sockets import heard
from web.auth.link_secrets import KEY
from web.keys import CONFIG, DB


async def invited(guest: Guest, **body: object) -> str:
    """The code of a new invite."""
    code: str = (await guest.ask("POST", "/api/invites", body or None))[1]["url"].rpartition("=")[2]
    return code


async def whose(house: House, code: str) -> tuple[int, str]:
    status, answer = await house.guest().ask("GET", "/api/invite", headers={"Authorization": f"Bearer {code}"})
    return status, answer["username"] if status == 200 else answer["code"]


async def use(guest: Guest, invite: str) -> tuple[int, str]:
    status, answer = await guest.ask("POST", "/api/invite", {"invite": invite})
    return status, answer["username"] if status == 200 else answer["code"]


async def test_who_invites_is_named(house: House) -> None:
    """To whoever has the code, signed in or not, as the account spells it; not of one that cannot be used."""
    alice = await house.user("Alice")
    code = await invited(alice, uses=1)
    assert await whose(house, code) == (200, "Alice")
    await house.user("bob", invite=code)
    assert await whose(house, code) == await whose(house, "wrong") == (404, "not_found")


async def test_an_invite_works_for_who_is_signed_in(house: House) -> None:
    """Code or whole link: both are friends at once, both hear of it, and it is used once; requests between them are answered."""
    alice, bob = await house.user("alice"), await house.user("bob")
    code = await invited(alice, uses=1)
    socket = await alice.socket("/ws/presence")
    await heard(socket, "all_statuses")
    await ask(bob, "alice")
    await heard(socket, "friend_request")
    assert await use(bob, f"https://hush.example/register?invite={code}") == (200, "alice")
    assert await heard(socket, "friendship") == {"username": "bob", "friends": True}
    await socket.close()
    assert await relation(bob, "alice") == "friend"
    assert (await bob.ask("GET", "/api/friend-requests/pending"))[1] == {"incoming": [], "outgoing": []}
    assert [row["used"] for row in (await alice.ask("GET", "/api/invites"))[1]] == [1]
    assert await use(await house.user("carl"), code) == (404, "not_found")


async def test_what_an_invite_does_not_do(house: House) -> None:
    """One's own, a friend's, or of somebody whom one has blocked: 409; of somebody who has blocked one: as if there were none."""
    alice, bob, carl = [await house.user(name) for name in ("alice", "bob", "carl")]
    code = await invited(alice)
    assert await use(alice, code) == (409, "own_invite")
    assert await use(bob, code) == (200, "alice")
    assert await use(bob, code) == (409, "already_friends")
    await carl.ask("PUT", "/api/blocks/alice")
    assert await use(carl, code) == (409, "blocked")
    await carl.ask("DELETE", "/api/blocks/alice")
    await alice.ask("PUT", "/api/blocks/carl")
    assert await use(carl, code) == (404, "not_found")
    assert await relation(carl, "alice") == "none"
    assert [row["used"] for row in (await alice.ask("GET", "/api/invites"))[1]] == [1]


@pytest.mark.parametrize("path", ["/api/invites", "/api/listen-links"])
async def test_addresses_can_be_seen_again(open_house: OpenHouse, path: str) -> None:
    """By whoever made them, after a restart too; not those from before, nor once the key is gone: those stay good, without an address."""
    house = await open_house("same")
    alice = await house.user("alice")
    made = (await alice.ask("POST", path))[1]
    assert [(row["id"], row["url"]) for row in (await alice.ask("GET", path))[1]] == [(made["id"], made["url"])]
    table = Invite if path == "/api/invites" else ListenLink
    await house.app[DB].run(lambda: table.create(user=1, digest="of an older version"))
    assert [row["url"] for row in (await alice.ask("GET", path))[1]] == [None, made["url"]]
    key: Path = house.app[CONFIG].storage.path / KEY
    assert key.stat().st_mode & 0o077 == 0
    await house.close()
    house = await open_house("same")
    alice = house.guest()
    await alice.ask("POST", "/api/login", {"username": "alice", "password": "correct horse battery"})
    assert [row["url"] for row in (await alice.ask("GET", path))[1]] == [None, made["url"]]
    await house.close()
    key.unlink()
    house = await open_house("same")
    alice = house.guest()
    await alice.ask("POST", "/api/login", {"username": "alice", "password": "correct horse battery"})
    assert [row["url"] for row in (await alice.ask("GET", path))[1]] == [None, None]
    if path == "/api/invites":
        assert await whose(house, made["url"].rpartition("=")[2]) == (200, "alice")
