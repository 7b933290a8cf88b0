"""What one account may have, and how long lists are read."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from db import caps, friendships, invites, links, logins, search, tokens, users
from db.connection import TABLES, Database
from db.errors import Clash
from db.tables import FriendRequest, Friendship, User, UserBlock

MAKING: dict[str, tuple[int, Callable[[int, str], object], Callable[..., list[Any]]]] = {
    "links": (100, lambda user, digest: links.add(user, digest, None), links.of_user),
    "tokens": (100, lambda user, digest: tokens.add(user, "obs", ["listen"], digest), tokens.of_user),
    "invites": (100, lambda user, digest: invites.add(user, digest, None, None), invites.of_user),
}
WHEN = "'2026-01-01T00:00:00.000000Z'"


@pytest.fixture
async def database(place: Path | str) -> AsyncIterator[Database]:
    async with Database(place) as opened:
        yield opened


@pytest.fixture
async def alice(database: Database) -> User:
    return await database.run(users.create, "alice", "x")


def people(number: int) -> None:
    """Accounts person1, person2, … with the ids 2, 3, …"""
    many = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {number})"
    TABLES.execute_sql(f"{many} INSERT INTO \"user\" (username, password_hash, created_at) SELECT 'person' || i, 'x', {WHEN} FROM n")


def sql(text: str) -> None:
    TABLES.execute_sql(text)


@pytest.mark.parametrize("what", MAKING)
async def test_there_is_an_end_to_what_one_makes(database: Database, alice: User, what: str) -> None:
    """A hundred, and no more until one goes; another account has its own hundred."""
    most, make, _ = MAKING[what]
    bob = await database.run(users.create, "bob", "x")
    for number in range(most):
        await database.run(make, alice.id, f"{number}")
    with pytest.raises(Clash, match="limit_reached"):
        await database.run(make, alice.id, "one more")
    await database.run(make, bob.id, "another's")
    remove = {"links": links.remove, "tokens": tokens.remove, "invites": invites.remove}[what]
    await database.run(remove, alice.id, 1)
    await database.run(make, alice.id, "in its place")


@pytest.mark.parametrize("what", MAKING)
async def test_pages_have_it_all_once(database: Database, alice: User, what: str) -> None:
    """Page by page, newest first, each row comes once; more than the cap, from before there was one, is read too."""
    table = {"links": "listen_link", "tokens": "token", "invites": "invite"}[what]
    more = {"links": ("", ""), "tokens": (", name, scopes", ", 'obs', '[]'"), "invites": ("", "")}[what]
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 450)"
    fill = f"{many} INSERT INTO {table} (user_id, digest, created_at{more[0]}) SELECT 1, 'd' || i, {WHEN}{more[1]} FROM n"
    await database.run(sql, fill)
    read: list[int] = []
    while page := await database.run(MAKING[what][2], alice.id, *([read[-1]] if read else [])):
        assert len(page) <= caps.PAGE
        read += [row.id for row in page]
    assert read == list(range(450, 0, -1))
    with pytest.raises(Clash):
        await database.run(MAKING[what][1], alice.id, "one more")


async def test_the_oldest_login_makes_room(database: Database, alice: User) -> None:
    """The fifty-first ends the first; the one that is replaced does not count; of far too many a hundred go at once."""
    for number in range(50):
        added = await database.run(logins.add, alice.id, f"{number}", "", "", "x")
        assert added is not None and added.ended == []
    added = await database.run(logins.add, alice.id, "one more", "", "", "x")
    assert added is not None and added.ended == [1] and await database.run(logins.find, "0") is None
    added = await database.run(logins.add, alice.id, "again", "", "", "x", added.login.id)
    assert added is not None and added.ended == []
    many = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {300})"
    fill = f"{many} INSERT INTO login (user_id, digest, created_at, seen_at, address, agent) SELECT 1, 'd' || i, seen, seen, '', '' FROM n,"
    await database.run(sql, f"{fill} (SELECT max(seen_at) AS seen FROM login) AS latest")
    for ended in (100, 100, 100, 5, 1):
        added = await database.run(logins.add, alice.id, f"late {added.login.id}", "", "", "x")
        assert added is not None and len(added.ended) == ended
    assert len(await database.run(logins.ids_of, alice.id)) == 50


async def test_there_is_an_end_to_asking_and_to_friends(database: Database, alice: User) -> None:
    """Two hundred requests wait at most, a thousand are friends or blocked; what settles a request makes room."""
    await database.run(people, 1300)
    for other in range(2, 202):
        await database.run(friendships.ask, alice.id, other)
    with pytest.raises(Clash, match="limit_reached"):
        await database.run(friendships.ask, alice.id, 202)
    await database.run(friendships.answer, 1, 2, True)
    assert (await database.run(friendships.ask, alice.id, 202)).status == "pending"
    await database.run(
        sql, f'INSERT INTO friendship (first_id, second_id, created_at) SELECT 1, id, {WHEN} FROM "user" WHERE id IN (3, 1001)'
    )
    pair = f'SELECT 1, id, {WHEN} FROM "user" WHERE id BETWEEN'
    await database.run(sql, f"INSERT INTO friendship (first_id, second_id, created_at) {pair} 4 AND 1000")
    asked = await database.run(friendships.ask, 1100, 1)
    with pytest.raises(Clash, match="limit_reached"):
        await database.run(friendships.answer, asked.id, 1, True)
    assert [request.id for request in (await database.run(friendships.pending, 1)).incoming] == [asked.id]
    await database.run(friendships.unfriend, 1, 2)
    assert (await database.run(friendships.answer, asked.id, 1, True)).status == "accepted"
    await database.run(sql, f"INSERT INTO block (blocker_id, blocked_id, created_at) {pair} 2 AND 1001")
    with pytest.raises(Clash, match="limit_reached"):
        await database.run(friendships.block, alice.id, 1200)
    assert await database.run(friendships.block, alice.id, 500) is True  # who is blocked already, and was made a friend meanwhile


async def test_asking_again_and_again_leaves_one_answer(database: Database, alice: User) -> None:
    """Of a hundred rejections the last is kept, and is still said to be answered."""
    bob = await database.run(users.create, "bob", "x")
    for _ in range(100):
        asked = await database.run(friendships.ask, alice.id, bob.id)
        await database.run(friendships.answer, asked.id, bob.id, False)
    await database.run(friendships.ask, alice.id, bob.id)
    assert await database.run(lambda: FriendRequest.select().count()) == 2
    with pytest.raises(Clash, match="already_answered"):
        await database.run(friendships.answer, asked.id, bob.id, True)


async def test_friends_are_read_by_name(database: Database, alice: User) -> None:
    """A thousand at once, the others behind the last name that one has."""
    await database.run(people, 1500)
    await database.run(sql, f'INSERT INTO friendship (first_id, second_id, created_at) SELECT 1, id, {WHEN} FROM "user" WHERE id > 1')
    first = [friend.username for friend in await database.run(friendships.friends_of, alice.id)]
    second = [friend.username for friend in await database.run(friendships.friends_of, alice.id, first[-1])]
    assert (len(first), len(second)) == (1000, 500) and [*first, *second] == sorted({*first, *second})


async def test_a_name_is_found_by_any_part(database: Database, alice: User) -> None:
    """Exact first, then what begins so, then what has it inside, by name and without case; deleted accounts are not found."""
    for name in ("Malice", "ali", "alibi", "x.ALI_y", "zali", "bob"):
        await database.run(users.create, name, "x")
    found = await database.run(search.search, alice.id, "aLi")
    assert [name for name, _ in found] == ["ali", "alibi", "alice", "Malice", "x.ALI_y", "zali"]
    assert dict(found)["alice"] == "self"
    for text, names in (("_", ["x.ALI_y"]), (".ALI", ["x.ALI_y"]), ("%", []), ("ob", ["bob"]), ("bobb", []), ("b", ["bob", "alibi"])):
        assert [name for name, _ in await database.run(search.search, alice.id, text)] == names
    malice = await database.run(users.find, "malice")
    assert malice is not None
    await database.run(users.remove, malice.id)
    assert "Malice" not in dict(await database.run(search.search, alice.id, "lice"))
    await database.run(people, 100)
    assert len(await database.run(search.search, alice.id, "e")) == 20 == len(await database.run(search.search, alice.id, "person"))


async def test_every_relation_of_a_search(database: Database, alice: User) -> None:
    """Those of the people that are found: none, outgoing, incoming, friend, blocked."""
    await database.run(people, 5)

    def relate() -> None:
        FriendRequest.create(asker=1, asked=2)
        FriendRequest.create(asker=3, asked=1)
        Friendship.create(first=1, second=4)
        UserBlock.create(blocker=1, blocked=5)

    await database.run(relate)
    found = await database.run(search.search, alice.id, "person")
    assert [relation for _, relation in found] == ["outgoing", "incoming", "friend", "blocked", "none"]
