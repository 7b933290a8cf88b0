"""What the server's owner sees and does: each act, what it ends, who may, and the log of acts."""

from typing import Any

import pytest
from aiohttp import WSMsgType

from db import audit, people, recovery, users
from db.errors import Clash
from tests.web.conftest import PASSWORD, Guest, House
from web.keys import DB

USERS = "/api/admin/users"


async def acts(owner: Guest) -> list[tuple[str, str, str]]:
    """The log of acts, newest first."""
    status, rows = await owner.ask("GET", "/api/admin/audit")
    assert status == 200
    return [(row["actor"], row["act"], row["about"]) for row in rows]


async def closed_with(socket: Any) -> int:
    """The code with which the server closes a socket."""
    async for _ in socket:
        pass
    return int(socket.close_code)


async def test_the_owner_finds_accounts(house: House) -> None:
    """By a part of the name, newest first, page by page, each with what it holds."""
    ada, _, _ = [await house.user(name) for name in ("Ada", "bernadette", "Carl")]
    _, rows = await ada.ask("GET", USERS)
    assert [row["username"] for row in rows] == ["Carl", "bernadette", "Ada"]
    assert rows[2]["owner"] and not rows[0]["owner"] and rows[0]["seen_at"] and rows[0]["used_bytes"] == rows[0]["recordings"] == 0
    assert [row["username"] for row in (await ada.ask("GET", f"{USERS}?q=AD"))[1]] == ["bernadette", "Ada"]
    assert [row["username"] for row in (await ada.ask("GET", f"{USERS}?limit=1&before={rows[0]['id']}"))[1]] == ["bernadette"]
    assert (await ada.ask("GET", f"{USERS}?q=%25"))[1] == []


async def test_a_suspended_account_opens_nothing_until_it_is_lifted(house: House) -> None:
    """Login, cookie, token, link, companion and sockets end at once; afterwards all but the companion session work as before."""
    ada, bob = await house.user("ada"), await house.user("bob")
    token = (await bob.ask("POST", "/api/tokens", {"name": "obs", "scopes": ["listen"]}))[1]["token"]
    link = (await bob.ask("POST", "/api/listen-links"))[1]["url"].rpartition("/")[2]
    invite = (await bob.ask("POST", "/api/invites"))[1]["url"].rpartition("=")[2]
    companion = (await bob.ask("POST", "/api/companions", {"kind": "remote"}))[1]["join_url"]
    sockets = [await bob.socket(path) for path in ("/ws/presence", "/ws/stream/bob")]
    phone = await house.guest().socket(companion.replace("/join/", "/ws/session/").replace("#", "?code="))
    assert (await phone.receive(timeout=20)).type is WSMsgType.TEXT

    async def tried() -> list[int]:
        bearer, guest = {"Authorization": f"Bearer {token}"}, house.guest()
        return [
            (await bob.ask("GET", "/api/me"))[0],
            (await guest.ask("POST", "/api/login", {"username": "bob", "password": PASSWORD}))[0],
            (await guest.ask("GET", "/api/stream/status/bob", headers=bearer))[0],
            (await house.guest().ask("GET", "/api/listen-link", headers={"Authorization": f"Bearer {link}"}))[0],
            (await house.guest().ask("GET", "/api/invite", headers={"Authorization": f"Bearer {invite}"}))[0],
        ]

    assert await tried() == [200] * 5
    assert (await ada.ask("PUT", f"{USERS}/BOB/suspended", {"suspended": True}))[0] == 204
    assert [await closed_with(socket) for socket in (*sockets, phone)] == [4401, 4401, 4404]
    assert await tried() == [403, 403, 403, 401, 404]
    refused = await house.guest().ask("POST", "/api/login", {"username": "bob", "password": PASSWORD})
    assert refused[1]["code"] == "suspended" == (await bob.ask("GET", "/api/me"))[1]["code"]
    assert (await house.guest().ask("POST", "/api/login", {"username": "bob", "password": "wrong horse"}))[1]["code"] == "bad_credentials"
    assert await closed_with(await bob.socket("/ws/presence")) == 4403
    assert (await ada.ask("GET", USERS))[1][0]["suspended"]
    assert (await ada.ask("PUT", f"{USERS}/bob/suspended", {"suspended": False}))[0] == 204
    assert await tried() == [200] * 5
    assert await acts(ada) == [("ada", "readmitted", "bob"), ("ada", "suspended", "bob")]


async def test_who_is_suspended_can_sign_out(house: House) -> None:
    ada, bob = await house.user("ada"), await house.user("bob")
    await ada.ask("PUT", f"{USERS}/bob/suspended", {"suspended": True})
    assert (await bob.ask("POST", "/api/logout"))[0] == 204
    assert (await bob.ask("GET", "/api/me"))[0] == 401


async def test_a_reset_link_sets_a_password_once(house: House) -> None:
    """It ends all logins of the account; a newer link voids an older one, and a weak password uses none up."""
    ada, bob = await house.user("ada"), await house.user("bob")
    older, newer = [(await ada.ask("POST", f"{USERS}/bob/reset"))[1]["url"] for _ in range(2)]
    assert newer.startswith("/reset#") and newer != older
    guest, token = house.guest(), newer.partition("#")[2]
    bearer = {"Authorization": f"Bearer {token}"}
    assert (await guest.ask("GET", "/api/reset", headers=bearer))[1] == {"username": "bob"}
    assert (await guest.ask("POST", "/api/reset", {"token": older, "password": "another horse"}))[1]["code"] == "not_found"
    assert (await guest.ask("POST", "/api/reset", {"token": newer, "password": "password1"}))[1]["code"] == "weak_password"
    assert (await bob.ask("GET", "/api/me"))[0] == 200
    assert (await guest.ask("POST", "/api/reset", {"token": newer, "password": "another horse"})) == (200, {"username": "bob"})
    assert (await guest.ask("POST", "/api/reset", {"token": token, "password": "a third horse"}))[0] == 404
    assert (await guest.ask("GET", "/api/reset", headers=bearer))[0] == 404
    assert (await bob.ask("GET", "/api/me"))[0] == 401
    assert (await guest.ask("POST", "/api/login", {"username": "bob", "password": PASSWORD}))[0] == 401
    assert (await guest.ask("POST", "/api/login", {"username": "bob", "password": "another horse"}))[0] == 200
    assert await acts(ada) == [("ada", "reset_link", "bob")] * 2


async def test_reset_tokens_cannot_be_guessed_for_long(house: House) -> None:
    guest = house.guest()
    tried = [(await guest.ask("POST", "/api/reset", {"token": f"wrong{n}", "password": "another horse"}))[0] for n in range(102)]
    assert tried[:100] == [404] * 100 and tried[-1] == 429


async def test_logging_out_and_removing(house: House) -> None:
    ada, bob = await house.user("ada"), await house.user("bob")
    socket = await bob.socket("/ws/presence")
    assert (await ada.ask("POST", f"{USERS}/bob/logout"))[0] == 204
    assert await closed_with(socket) == 4401 and (await bob.ask("GET", "/api/me"))[0] == 401
    assert (await ada.ask("DELETE", f"{USERS}/bob"))[0] == 204
    assert (await ada.ask("DELETE", f"{USERS}/bob"))[1]["code"] == "no_such_user"
    assert [row["username"] for row in (await ada.ask("GET", USERS))[1]] == ["ada"]
    assert await acts(ada) == [("ada", "removed", "bob"), ("ada", "logged_out", "bob")]


async def test_an_owner_neither_suspends_nor_removes_themselves(house: House) -> None:
    ada = await house.user("ada")
    assert (await ada.ask("PUT", f"{USERS}/ada/suspended", {"suspended": True}))[1]["code"] == "self"
    assert (await ada.ask("DELETE", f"{USERS}/ADA"))[1]["code"] == "self"
    assert (await ada.ask("POST", "/api/admin/owner", {"username": "Ada"}))[1]["code"] == "self"
    assert (await ada.ask("GET", "/api/me"))[1]["owner"] and await acts(ada) == []


async def test_ownership_is_handed_over(house: House) -> None:
    """Not to somebody unknown or suspended; the one before has no say any more."""
    ada, bob, _ = [await house.user(name) for name in ("ada", "bob", "carl")]
    await ada.ask("PUT", f"{USERS}/carl/suspended", {"suspended": True})
    assert (await ada.ask("POST", "/api/admin/owner", {"username": "carl"}))[1]["code"] == "suspended"
    assert (await ada.ask("POST", "/api/admin/owner", {"username": "nobody"}))[1]["code"] == "no_such_user"
    assert (await ada.ask("POST", "/api/admin/owner", {"username": "BOB"}))[0] == 204
    assert (await ada.ask("GET", USERS))[1]["code"] == "not_owner"
    assert not (await ada.ask("GET", "/api/me"))[1]["owner"] and (await bob.ask("GET", "/api/me"))[1]["owner"]
    assert (await acts(bob))[0] == ("ada", "owner", "bob")


async def test_reset_links_go_with_the_password_and_the_owner(house: House) -> None:
    """One of an account with any new password of it, all of them when the server is handed over."""
    ada, bob = await house.user("ada"), await house.user("bob")

    async def link(name: str) -> str:
        return str((await ada.ask("POST", f"{USERS}/{name}/reset"))[1]["url"])

    async def use(url: str) -> int:
        return (await house.guest().ask("POST", "/api/reset", {"token": url, "password": "a third horse"}))[0]

    url, others = await link("bob"), await link("ada")
    assert (await bob.ask("POST", "/api/me/password", {"old": PASSWORD, "new": "another horse"}))[0] == 204
    assert await use(url) == 404
    url = await link("bob")
    assert (await ada.ask("POST", "/api/admin/owner", {"username": "bob"}))[0] == 204
    assert [await use(each) for each in (url, others)] == [404, 404]


async def test_an_owner_who_leaves_names_the_next(house: House) -> None:
    """Where there are others; the last account may leave without."""
    ada, bob = await house.user("ada"), await house.user("bob")
    assert (await ada.ask("DELETE", "/api/me", {"password": PASSWORD}))[1]["code"] == "name_an_owner"
    assert (await ada.ask("DELETE", "/api/me", {"password": PASSWORD, "next_owner": "nobody"}))[1]["code"] == "no_such_user"
    assert (await ada.ask("GET", "/api/me"))[1]["owner"]
    assert (await ada.ask("DELETE", "/api/me", {"password": PASSWORD, "next_owner": "bob"}))[0] == 204
    assert (await bob.ask("GET", "/api/me"))[1]["owner"] and (await acts(bob)) == [("ada", "owner", "bob")]
    assert (await bob.ask("DELETE", "/api/me", {"password": PASSWORD}))[0] == 204


async def test_invites_of_all(house: House) -> None:
    ada, bob = await house.user("ada"), await house.user("bob")
    await ada.ask("POST", "/api/invites")
    await bob.ask("POST", "/api/invites", {"uses": 2, "expires_s": 60})
    _, rows = await ada.ask("GET", "/api/admin/invites")
    assert [(row["username"], row["uses"], row["used"]) for row in rows] == [("bob", 2, 0), ("ada", None, 0)]


async def test_the_log_of_acts_is_bounded(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest are kept, and told page by page."""
    monkeypatch.setattr(audit, "KEPT", 3)
    ada = await house.user("ada")
    for number in range(5):
        await house.app[DB].run(audit.note, "ada", "removed", f"user{number}")
    assert [about for _, _, about in await acts(ada)] == ["user4", "user3", "user2"]
    _, rows = await ada.ask("GET", "/api/admin/audit?limit=1")
    assert [row["about"] for row in (await ada.ask("GET", f"/api/admin/audit?before={rows[0]['id']}"))[1]] == ["user3", "user2"]


async def test_recovery_codes(house: House) -> None:
    """Ten, each once; those made anew void the ones before; one signs in with a new password and ends the other logins."""
    ada, guest = await house.user("ada"), house.guest()
    assert (await ada.ask("GET", "/api/me/recovery-codes"))[1] == {"left": 0}
    assert (await ada.ask("POST", "/api/me/recovery-codes", {"password": "wrong"}))[0] == 401
    older, codes = [(await ada.ask("POST", "/api/me/recovery-codes", {"password": PASSWORD}))[1]["codes"] for _ in range(2)]
    assert len(set(codes)) == 10 and not set(codes) & set(older)

    async def recover(code: str, password: str = "another horse", name: str = "ada") -> int:
        return (await guest.ask("POST", "/api/recover", {"username": name, "code": code, "password": password}))[0]

    assert await recover(older[0]) == 401 and await recover(codes[0], name="bob") == 401 and await recover(codes[0], "password1") == 422
    assert await recover(codes[0].upper().replace("-", " ")) == 200
    assert (await guest.ask("GET", "/api/me"))[1]["username"] == "ada" and (await ada.ask("GET", "/api/me"))[0] == 401
    assert await recover(codes[0]) == 401
    assert (await guest.ask("GET", "/api/me/recovery-codes"))[1] == {"left": 9}
    url = (await guest.ask("POST", f"{USERS}/ada/reset"))[1]["url"]
    assert await recover(codes[1], "a third horse") == 200
    assert (await guest.ask("POST", "/api/reset", {"token": url, "password": "a fourth horse"}))[0] == 404
    assert [await recover("wrong") for _ in range(10)][-1] == 429


@pytest.mark.parametrize("way", ["by a reset link", "with revoke", "without"])
async def test_a_new_password_voids_the_codes(house: House, way: str) -> None:
    """Where whoever had the old one may have made them: not by an own change that leaves the tokens too."""
    ada = await house.user("ada")
    code = (await ada.ask("POST", "/api/me/recovery-codes", {"password": PASSWORD}))[1]["codes"][0]
    if way == "by a reset link":
        url = (await ada.ask("POST", f"{USERS}/ada/reset"))[1]["url"]
        assert (await ada.ask("POST", "/api/reset", {"token": url, "password": "another horse"}))[0] == 200
    else:
        body = {"old": PASSWORD, "new": "another horse", "revoke": way == "with revoke"}
        assert (await ada.ask("POST", "/api/me/password", body))[0] == 204
    body = {"username": "ada", "code": code, "password": "a third horse"}
    assert (await house.guest().ask("POST", "/api/recover", body))[0] == (200 if way == "without" else 401)


async def test_an_unknown_name_is_asked_for_codes_too(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the time of the answer does not tell whether there is such an account."""
    await house.user("ada")
    asked: list[int] = []
    has = recovery.has
    monkeypatch.setattr(recovery, "has", lambda user_id, code: (asked.append(user_id), has(user_id, code))[1])
    for name in ("ada", "nobody"):
        assert (await house.guest().ask("POST", "/api/recover", {"username": name, "code": "x", "password": "a third horse"}))[0] == 401
    assert len(asked) == 2 and asked[0] and not asked[1]


async def test_a_refused_departure_ends_nothing(house: House) -> None:
    """The owner stays the owner where the account cannot be removed, and an owner who leaves does both at once."""
    ada, bob = await house.user("ada"), await house.user("bob")
    socket = await ada.socket("/ws/presence")
    owner, failing = await house.app[DB].read(users.find, "ada"), users.remove

    def fail(user_id: int) -> list[str]:
        failing(user_id)
        raise Clash("conflict")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(users, "remove", fail)
        with pytest.raises(Clash, match="conflict"):
            await house.app[DB].run(people.leave, owner, "bob")
    assert (await ada.ask("DELETE", "/api/me", {"password": PASSWORD}))[1]["code"] == "name_an_owner"
    assert (await ada.ask("GET", "/api/me"))[1]["owner"] and await acts(ada) == [] and not socket.closed
    assert not (await bob.ask("GET", "/api/me"))[1]["owner"]
    await socket.close()


async def test_nobody_suspends_or_removes_the_owner_in_the_rows(house: House) -> None:
    """Whatever was looked at before."""
    await house.user("ada")
    owner = await house.app[DB].read(users.find, "ada")
    for act in (lambda: people.suspend(owner, "ADA", True), lambda: people.remove(owner, "ADA")):
        with pytest.raises(Clash, match="self"):
            await house.app[DB].run(act)
