"""What ends with a password, with a login, with a friendship."""

import asyncio
import io
import time
from itertools import count
from pathlib import Path

import pytest

from db import companions, invites, links, logins, recovery, resets, revocation, tokens, users
from db.connection import Database
from db.errors import Clash
from db.tables import CompanionSession
from tests.support.people import PASSWORD as THEIRS
from tests.support.people import friends
from tests.support.running import Server
from tests.support.softphone import Softphone
from tests.support.sound import encode
from tests.support.spoken import sound_of
from tests.web.conftest import PASSWORD, House
from tests.web.live.test_companions import open_companions
from tests.web.live.test_sockets import close_code, heard
from web.app import DATABASE
from web.cli.accounts import main
from web.keys import DB

NEW = "another horse"
MADE = {"/api/tokens": {"name": "obs", "scopes": ["listen"]}, "/api/listen-links": {}, "/api/invites": {}}
WRITTEN = {**MADE, "/api/companions": {"kind": "remote"}}


@pytest.mark.parametrize("revoke", [None, False, True])
async def test_what_an_intruder_has_made(house: House, revoke: bool | None) -> None:
    """A new password ends companion sessions and other logins always; tokens, listen links and invites where that is asked for."""
    alice, thief = await house.user("alice"), house.guest()
    await thief.ask("POST", "/api/login", {"username": "alice", "password": PASSWORD})
    secrets = {path: (await thief.ask("POST", path, body))[1] for path, body in MADE.items()}
    session, code = await open_companions(thief)
    phone = await house.guest().socket(f"/ws/session/{session}?code={code}")
    await heard(phone, "connection_update")
    await heard(phone, "desk")
    body = {"old": PASSWORD, "new": NEW} | ({} if revoke is None else {"revoke": revoke})
    assert (await alice.ask("POST", "/api/me/password", body))[0] == 204
    assert await close_code(phone) == 4404
    assert (await thief.ask("GET", "/api/me"))[0] == 401 and (await alice.ask("GET", "/api/me"))[0] == 200
    bearers = (secrets["/api/tokens"]["token"], secrets["/api/listen-links"]["url"].rpartition("/")[2])
    status = [
        (await house.guest().ask("GET", "/api/stream/status/alice", headers={"Authorization": f"Bearer {bearers[0]}"}))[0],
        (await house.guest().ask("GET", "/api/listen-link", headers={"Authorization": f"Bearer {bearers[1]}"}))[0],
    ]
    assert status == ([401, 401] if revoke else [200, 200])
    for path in MADE:
        assert len((await alice.ask("GET", path))[1]) == (0 if revoke else 1)
    assert (await alice.ask("POST", "/api/me/password", {"old": NEW, "new": PASSWORD, "revoke": "yes"}))[1]["errors"].keys() == {"revoke"}


@pytest.mark.parametrize("path", WRITTEN)
async def test_what_waits_while_the_password_changes(house: House, path: str) -> None:
    """An intruder who was still signed in when she asked, and whose turn to write comes after the new password, makes nothing."""
    await house.user("alice")
    thief, database = house.guest(), house.app[DB]
    await thief.ask("POST", "/api/login", {"username": "alice", "password": PASSWORD})
    alice = await database.read(users.find, "alice")
    assert alice is not None
    busy = asyncio.create_task(database.run(time.sleep, 1))
    await asyncio.sleep(0)
    changing = asyncio.create_task(database.run(revocation.change_password, alice, "another", 1, True))
    await asyncio.sleep(0)
    assert (await thief.ask("POST", path, WRITTEN[path]))[0] == 401
    assert changing.done()
    await asyncio.gather(busy, changing)
    left = [await database.read(of_user, alice.id) for of_user in (tokens.of_user, links.of_user, invites.of_user)]
    assert left == [[], [], []] and await database.read(lambda: CompanionSession.select().count()) == 0


async def test_who_was_quicker_has_the_password(tmp_path: Path) -> None:
    """Of two who know the old one the second is told; its own does not come into force."""
    async with Database(tmp_path / "x.db") as database:
        alice = await database.run(users.create, "alice", "old")
        await database.run(revocation.change_password, alice, "first", None, False)
        with pytest.raises(Clash, match="password_changed"):
            await database.run(revocation.change_password, alice, "second", None, True)
        found = await database.run(users.find, "alice")
        assert found is not None and found.password_hash == "first"


async def test_what_is_heard_by_a_token_or_a_link_ends_too(server: object) -> None:
    """With `revoke` the sound of the intruder's token and of the link stops at once; a friend hears on."""
    house: Server = await server({"denoise.default": "passthrough"})  # type: ignore[operator]
    async with friends(house.url, "ada", "ben") as (ada, ben), ada.phone() as mic, ben.phone() as ear:
        token = (await ada.call("POST", "/api/tokens", {"name": "x", "scopes": ["listen"]}))["token"]
        link = (await ada.call("POST", "/api/listen-links", {}))["url"].rpartition("/")[2]
        packets = encode(sound_of(30.0))
        await mic.publish("ada", "?denoise=0&record=0")
        mic.send(0, 0, packets[0])
        await ada.until("ada", live=True)
        bearers = [Softphone(ada.http, house.url, {"Authorization": f"Bearer {secret}"}) for secret in (token, link)]
        try:
            for phone in (ear, *bearers):
                await phone.listen("ada")
            await ada.until("ada", listeners=3)
            await ada.call("POST", "/api/me/password", {"old": THEIRS, "new": NEW, "revoke": True}, status=204)
            await ada.until("ada", listeners=1)
            async with asyncio.timeout(20):
                for number in count(1):  # one alone may count as late where the server had no time meanwhile
                    mic.send(number, 960 * number, packets[number])
                    if ear.received:
                        break
                    await asyncio.sleep(0.02)
        finally:
            for phone in bearers:
                await phone.hang_up(say_so=False)


async def test_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`user passwd --revoke` ends them in the rows, where a running server finds them gone; without it logins, companions, a reset link."""
    config = tmp_path / "config.toml"
    config.write_text("")

    def run(*arguments: str) -> int:
        monkeypatch.setattr("sys.stdin", io.StringIO("correct horse\n"))
        return main(["--config", str(config), "user", *arguments])

    assert await asyncio.to_thread(run, "add", "ada") == 0

    async def left() -> list[int]:
        async with Database(tmp_path / "var" / DATABASE) as database:
            kept = [len(await database.run(of_user, 1)) for of_user in (logins.of_user, tokens.of_user, links.of_user, invites.of_user)]
            kept += [await database.run(recovery.left, 1), int(await database.run(resets.find, "reset") is not None)]
            return [*kept, 1 - len(await database.run(companions.gone, ["phone"]))]

    async with Database(tmp_path / "var" / DATABASE) as database:
        user = await database.run(users.find, "ada")
        assert user is not None
        await database.run(logins.add, 1, "digest", "", "", user.password_hash)
        await database.run(tokens.add, 1, "obs", ["listen"], "digest")
        await database.run(links.add, 1, "digest", None)
        await database.run(invites.add, 1, "digest", None, None)
        await database.run(companions.open_session, "phone", 1, "remote", "digest", 8)
        await database.run(recovery.replace, 1, ["code"])
        await database.run(resets.put, 1, "reset")
        assert await database.run(links.gone, {1, 7}) == {7}
    assert await left() == [1, 1, 1, 1, 1, 1, 1]
    assert await asyncio.to_thread(run, "passwd", "ada") == 0 and await left() == [0, 1, 1, 1, 1, 0, 0]
    assert await asyncio.to_thread(run, "passwd", "ada", "--revoke") == 0 and await left() == [0, 0, 0, 0, 0, 0, 0]
