"""Logins, tokens, invites, links and what goes with an account."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from db import friendships, invites, links, logins, recordings, tokens, trash, users
from db.connection import Database
from db.errors import Missing
from db.tables import Invite, ListenLink, Login, Recording, User, now


@pytest.fixture
async def database(place: Path | str) -> AsyncIterator[Database]:
    async with Database(place) as opened:
        yield opened


@pytest.fixture
async def alice(database: Database) -> User:
    return await database.run(users.create, "alice", "x")


async def test_a_login_is_idle_for_thirty_days_at_most(database: Database, alice: User) -> None:
    """A login seen 29 days ago is good and due to be touched; one seen 31 days ago is not found, but good again if the clock was wrong."""
    added = await database.run(logins.add, alice.id, "digest", "127.0.0.1", "agent", "x")
    assert added is not None

    def seen(days: int) -> None:
        Login.update(seen_at=now() - timedelta(days=days)).where(Login.id == added.login.id).execute()

    await database.run(seen, 29)
    found = await database.run(logins.find, "digest")
    assert found is not None and logins.is_stale(found)
    assert await database.run(logins.touch, "digest")
    touched = await database.run(logins.find, "digest")
    assert touched is not None and not logins.is_stale(touched)
    await database.run(seen, 31)
    assert await database.run(logins.find, "digest") is None
    await database.run(logins.add, alice.id, "other", "127.0.0.1", "agent", "x")
    assert await database.run(logins.remove_idle, now()) == 0
    await database.run(seen, 1)
    assert await database.run(logins.find, "digest") is not None
    await database.run(seen, 91)
    assert await database.run(logins.remove_idle, now()) == 1
    assert await database.run(lambda: [each.digest for each in Login.select()]) == ["other"]


async def test_a_login_lives_for_half_a_year(database: Database, alice: User) -> None:
    """However much it is used: 179 days after signing in it is good, 181 days after it is refused and not listed, and its row stays."""
    added = await database.run(logins.add, alice.id, "digest", "", "", "x")
    assert added is not None

    def made(days: int) -> None:
        Login.update(created_at=now() - timedelta(days=days)).where(Login.id == added.login.id).execute()

    for days, good in ((179, True), (181, False), (1, True)):
        await database.run(made, days)
        assert (await database.run(logins.find, "digest") is not None) is good
        assert len(await database.run(logins.of_user, alice.id)) == good


async def test_a_password_that_was_changed_meanwhile_signs_nobody_in(database: Database, alice: User) -> None:
    """It was right when it was compared, which takes its time."""
    await database.run(lambda: User.update(password_hash="y").where(User.id == alice.id).execute())
    assert await database.run(logins.add, alice.id, "digest", "", "", "x") is None
    assert await database.run(logins.find, "digest") is None


async def test_a_login_that_is_gone_is_not_brought_back(database: Database, alice: User) -> None:
    """Touching what was removed meanwhile does nothing."""
    await database.run(logins.add, alice.id, "digest", "", "", "x")
    await database.run(logins.remove_digest, "digest")
    assert not await database.run(logins.touch, "digest")


async def test_which_are_gone(database: Database, alice: User) -> None:
    """Of some logins and of some tokens those that are no more, or never were."""
    added = await database.run(logins.add, alice.id, "digest", "", "", "x")
    token = await database.run(tokens.add, alice.id, "obs", ["publish"], "digest")
    assert added is not None
    assert await database.run(logins.gone, {added.login.id, 77}) == {77} == await database.run(tokens.gone, {token.id, 77})
    await database.run(tokens.remove, alice.id, token.id)
    assert await database.run(tokens.gone, {token.id}) == {token.id}


async def test_an_invite_is_used_so_often(database: Database, alice: User) -> None:
    """As often as it says, until it expires; a taken name does not use it up."""
    await database.run(invites.add, alice.id, "twice", 2, now() + timedelta(hours=1))
    await database.run(invites.add, alice.id, "late", None, now() - timedelta(seconds=1))
    with pytest.raises(Exception, match="username_taken"):
        await database.run(users.join, "alice", "x", invite="twice")
    for name in ("bob", "carl"):
        made, inviter = await database.run(users.join, name, "x", invite="twice")
        assert inviter is not None and inviter.id == alice.id and await database.run(friendships.are_friends, made.id, alice.id)
    for digest in ("twice", "late", "unknown"):
        with pytest.raises(Missing):
            await database.run(users.join, "dora", "x", invite=digest)
    assert await database.run(users.find, "dora") is None


async def test_a_listen_link_expires(database: Database, alice: User) -> None:
    """Found with its user until then, and until it is removed by its owner."""
    await database.run(links.add, alice.id, "old", now() - timedelta(seconds=1))
    link = await database.run(links.add, alice.id, "good", now() + timedelta(hours=1))
    found = await database.run(links.find, "good")
    assert found is not None and found.user.username == "alice"
    assert await database.run(links.find, "old") is None
    with pytest.raises(Missing):
        await database.run(links.remove, alice.id + 1, link.id)
    await database.run(links.remove, alice.id, link.id)
    assert await database.run(links.find, "good") is None


async def test_what_a_clock_that_was_ahead_has_made_does_not_last_longer(database: Database, alice: User) -> None:
    """An hour from forty days ahead is not forty days: link and invite are refused; without an end they have nothing to outlive."""

    def ahead() -> None:
        for table in (ListenLink, Invite):
            table.update(created_at=now() + timedelta(days=40)).execute()

    for name, expires_at in (("hour", now() + timedelta(days=40, hours=1)), ("endless", None)):
        await database.run(links.add, alice.id, name, expires_at)
        await database.run(invites.add, alice.id, name, None, expires_at)
        assert await database.run(links.find, name) is not None and await database.run(invites.find, name) is not None
    await database.run(ahead)
    for find in (links.find, invites.find):
        assert await database.run(find, "hour") is None and await database.run(find, "endless") is not None


async def test_nothing_is_left_of_a_deleted_account(database: Database, alice: User) -> None:
    """All rows go, the folders of the recordings are told, the others' rows stay."""
    bob = await database.run(users.create, "bob", "x")
    await database.run(friendships.befriend, alice.id, bob.id)
    await database.run(tokens.add, alice.id, "obs", ["publish"], "digest")
    await database.run(logins.add, alice.id, "digest", "", "", "x")
    await database.run(lambda: Recording.create(user=alice.id, broadcast="b", folder="recordings/1"))
    assert await database.run(users.remove, alice.id) == ["recordings/1"]
    assert await database.run(friendships.friends_of, bob.id) == []
    assert await database.run(tokens.find, "digest") is None and await database.run(logins.find, "digest") is None
    assert [user.username for user in await database.run(users.everybody)] == ["bob"]


async def test_ids_are_not_used_again(database: Database, alice: User) -> None:
    """An account that is made anew has another number than the one before it."""
    await database.run(users.remove, alice.id)
    assert (await database.run(users.create, "alice", "x")).id > alice.id


async def test_keep_days_counts_to_the_moment(database: Database, alice: User) -> None:
    """Not to the day: of two recordings of one date, only the one that began before the limit goes into the trash."""
    moment = now().replace(hour=12, minute=0)

    def made(age: timedelta) -> int:
        row = recordings.begin("alice", str(age), None, moment - age)
        Recording.update(state="ready").where(Recording.id == row.id).execute()
        return int(row.id)

    older = await database.run(made, timedelta(days=30, hours=1))
    younger = await database.run(made, timedelta(days=30) - timedelta(hours=1))
    assert await database.run(trash.put_older, 30, moment) == 1
    kept = await database.read(lambda: {row.id: row.deleted_at is None for row in Recording.select()})
    assert kept == {older: False, younger: True}


async def test_what_is_stored(database: Database, alice: User) -> None:
    """How many recordings and how many bytes, by state; in the trash whatever their state was."""

    def make() -> None:
        for state, size, gone in (("ready", 5, None), ("ready", 7, None), ("failed", 1, None), ("ready", 2, now())):
            Recording.create(user=alice.id, broadcast=f"b{size}", folder="", state=state, size_bytes=size, deleted_at=gone)

    await database.run(make)
    assert await database.read(recordings.stored) == {"ready": (2, 12), "failed": (1, 1), "trash": (1, 2)}


async def test_of_several_servers_each_has_its_own(database: Database, alice: User) -> None:
    """Recordings, folders to delete, and what a start interrupts; whose server is not named is everybody's."""
    one = await database.run(recordings.begin, "alice", "one", None, now(), None, "node-1")
    await database.run(recordings.begin, "alice", "two", None, now(), None, "node-2")
    assert await database.run(recordings.interrupt, (), "node-1") == 1
    waiting = await database.read(recordings.next_to_finalise, (), "node-1")
    assert waiting is not None and waiting.id == one.id and await database.read(recordings.next_to_finalise, (), "node-2") is None
    folders = await database.run(users.remove, alice.id)
    assert len(folders) == 2 and await database.read(trash.discarded, "node-1") == [one.folder]
    assert sorted(await database.read(trash.discarded)) == sorted(folders)
