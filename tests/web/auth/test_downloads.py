"""A download of a recording is aborted when its right ends, for files and for views that are decoded."""

import asyncio
import os
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import ClientError, ClientResponse

from db import friendships, logins
from tests.web.conftest import PASSWORD, Guest, House
from tests.web.on_both import on_sqlite
from tests.web.recordings.test_recordings import folder_of, tape, until
from web.auth.downloads import DOWNLOADS
from web.keys import DB
from web.live.revocation import look_round

LARGE = 40_000_000  # more than lies between the two ends of a connection
End = Callable[[House, Guest, Guest, int], Awaitable[object]]


async def by_row(house: House, question: Callable[..., object], *arguments: object) -> None:
    """Delete in the database, as another process does, which does not notify the server."""
    await house.app[DB].run(question, *arguments)
    await look_round(house.app)


ENDS: dict[str, End] = {
    "the friendship": lambda house, alice, bob, recording: alice.ask("DELETE", "/api/friends/bob"),
    "a block": lambda house, alice, bob, recording: alice.ask("PUT", "/api/blocks/bob"),
    "the login": lambda house, alice, bob, recording: bob.ask("POST", "/api/logout"),
    "the recording": lambda house, alice, bob, recording: alice.ask("DELETE", f"/api/recording/{recording}"),
    "the account heard": lambda house, alice, bob, recording: alice.ask("DELETE", "/api/me", {"password": PASSWORD, "next_owner": "bob"}),
    "the account that hears": lambda house, alice, bob, recording: bob.ask("DELETE", "/api/me", {"password": PASSWORD}),
    "the friendship's row": lambda house, alice, bob, recording: by_row(house, friendships.unfriend, 1, 2),
    "the login's row": lambda house, alice, bob, recording: by_row(house, logins.remove_others, 2, 0),
}


async def begun(guest: Guest, recording: int, query: str = "") -> ClientResponse:
    """An answer whose head and first bytes have arrived."""
    response = await guest.session.get(guest.server.make_url(f"/api/recording/{recording}/audio{query}"))
    assert response.status == 200
    assert len(await response.content.readexactly(10_000)) == 10_000
    return response


async def is_broken_off(response: ClientResponse) -> bool:
    """Whether the rest ends before the promised length."""
    try:
        async with asyncio.timeout(60):
            async for _ in response.content.iter_chunked(1 << 20):
                pass
    except ClientError:
        return True
    finally:
        response.close()
    return False


@on_sqlite
@pytest.mark.parametrize("what", ENDS)
async def test_a_file_ends_with_the_right_to_it(house: House, what: str) -> None:
    """Each end of a right aborts the download; the owner's own download goes on where it may."""
    alice, bob = await house.friends("alice", "bob")
    recording = await tape(house, "alice", seconds=1)
    await until(alice, recording)
    await asyncio.to_thread(os.truncate, folder_of(house, recording) / "heard.wav", LARGE)
    theirs, ours = await begun(bob, recording), await begun(alice, recording)
    assert len(house.app[DOWNLOADS]) == 2
    await ENDS[what](house, alice, bob, recording)
    assert await is_broken_off(theirs)
    assert await is_broken_off(ours) is (what in ("the recording", "the account heard"))
    async with asyncio.timeout(20):
        while len(house.app[DOWNLOADS]):
            await asyncio.sleep(0.02)


@on_sqlite
async def test_what_is_decoded_ends_too(house: House) -> None:
    """A view, which is decoded by a child process, is aborted too, and its child ends."""
    alice, bob = await house.friends("alice", "bob")
    recording = await tape(house, "alice", seconds=240)
    await until(alice, recording)
    response = await begun(bob, recording, "?variant=both")
    await alice.ask("DELETE", "/api/friends/bob")
    assert await is_broken_off(response)
    assert (await bob.raw("GET", f"/api/recording/{recording}/audio")).status == 403


async def test_whoever_changes_the_password_stops_the_others(house: House) -> None:
    """After a new password the intruder's download is aborted, the own one goes on."""
    alice, thief = await house.user("alice"), house.guest()
    await thief.ask("POST", "/api/login", {"username": "alice", "password": PASSWORD})
    recording = await tape(house, "alice", seconds=1)
    await until(alice, recording)
    await asyncio.to_thread(os.truncate, folder_of(house, recording) / "heard.wav", LARGE)
    stolen, own = await begun(thief, recording), await begun(alice, recording)
    assert (await alice.ask("POST", "/api/me/password", {"old": PASSWORD, "new": "another horse"}))[0] == 204
    assert await is_broken_off(stolen) and not await is_broken_off(own)
