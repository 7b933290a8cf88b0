"""Two servers on one database ask at the same time: what may happen once happens once, and no limit is passed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from db import (
    chapters,
    companions,
    epochs,
    friendships,
    invites,
    logins,
    ownership,
    preferences,
    recordings,
    revocation,
    tokens,
    trash,
    users,
)
from db import people as admin
from db.connection import Database
from db.errors import DatabaseRefusal
from db.locks import hold_users
from db.tables import Chapter, CompanionPass, FriendRequest, Invite, Login, Token, User, now

AT_ONCE = 16


class Servers:
    """Two of them."""

    def __init__(self, *databases: Database) -> None:
        self._databases = databases

    async def at_once(self, jobs: Iterable[tuple[Callable[..., Any], *tuple[Any, ...]]]) -> list[Any]:
        """What each job returns, or the refusal that it raises; every second one is the other server's."""
        asked = [self._databases[number % 2].run(function, *args) for number, (function, *args) in enumerate(jobs)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, DatabaseRefusal):
                raise answer
        return answers

    async def one(self, function: Callable[..., Any], *args: Any) -> Any:
        return await self._databases[0].run(function, *args)


def codes(answers: Iterable[Any]) -> list[str]:
    """The codes of the refusals."""
    return [answer.code for answer in answers if isinstance(answer, DatabaseRefusal)]


@pytest.fixture
async def servers(place: Path | str) -> AsyncIterator[Servers]:
    async with Database(place) as one, Database(place) as other:
        yield Servers(one, other)


@pytest.fixture
async def people(servers: Servers) -> list[User]:
    return [await servers.one(users.create, f"person{number}", "x") for number in range(2 * AT_ONCE)]


async def test_a_name_is_given_once(servers: Servers) -> None:
    """In any case of its letters."""
    answers = await servers.at_once((users.create, name, "x") for _ in range(AT_ONCE // 2) for name in ("alice", "ALICE"))
    assert codes(answers) == ["username_taken"] * (AT_ONCE - 1)


async def test_two_who_ask_each_other_are_friends(servers: Servers, people: list[User]) -> None:
    """At once, and neither request is left over."""
    pairs = list(zip(people[::2], people[1::2], strict=True))
    answers = await servers.at_once((friendships.ask, *two) for a, b in pairs for two in ((a.id, b.id), (b.id, a.id)))
    assert sorted(answer.status for answer in answers) == ["accepted"] * AT_ONCE + ["pending"] * AT_ONCE
    assert await servers.one(lambda: [row.status for row in FriendRequest.select()]) == ["accepted"] * AT_ONCE
    for a, b in pairs:
        assert await servers.one(friendships.are_friends, a.id, b.id)


async def test_a_request_has_one_answer(servers: Servers, people: list[User]) -> None:
    """Accepted, rejected or taken back, by whoever was first."""
    for a, b in zip(people[:8:2], people[1:8:2], strict=True):
        asked = await servers.one(friendships.ask, a.id, b.id)
        jobs = [
            (friendships.answer, asked.id, b.id, True),
            (friendships.answer, asked.id, b.id, False),
            (friendships.withdraw, asked.id, a.id),
        ]
        answers = await servers.at_once(jobs * 2)
        assert len(codes(answers)) == 5 and set(codes(answers)) <= {"already_answered", "not_found"}
        [first] = [answer for answer in answers if not isinstance(answer, DatabaseRefusal)]
        assert await servers.one(friendships.are_friends, a.id, b.id) is (getattr(first, "status", "") == "accepted")


async def test_who_is_parted(servers: Servers, people: list[User], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of pairs in either order, asked for by few questions; nobody is parted from oneself."""
    ids = [person.id for person in people]
    for first, second in zip(ids[::2], ids[1::2], strict=True):
        await servers.one(friendships.befriend, first, second)
    pairs = [(one, other) for one in ids for other in ids]
    monkeypatch.setattr(friendships, "PAIRS", 7)
    parted = await servers.one(friendships.parted, pairs)
    assert parted == [(one, other) for one, other in pairs if ids.index(one) // 2 != ids.index(other) // 2]
    monkeypatch.setattr(friendships, "are_friends", lambda *_: pytest.fail("one question a pair"))
    monkeypatch.setattr(friendships, "PAIRS", 10_000)
    assert await servers.one(friendships.parted, pairs) == parted


async def test_blocking_and_asking_at_once(servers: Servers, people: list[User]) -> None:
    """Whoever was first: never friends of whom one has blocked."""
    for a, b in zip(people[:12:2], people[1:12:2], strict=True):
        await servers.one(friendships.ask, a.id, b.id)
        jobs = [
            (friendships.ask, b.id, a.id),
            (friendships.block, b.id, a.id),
            (friendships.ask, b.id, a.id),
            (friendships.block, a.id, b.id),
        ]
        await servers.at_once(jobs)
        assert not await servers.one(friendships.are_friends, a.id, b.id)


async def test_an_invite_is_used_no_more_often_than_it_says(servers: Servers, people: list[User]) -> None:
    """By who joins and by who has an account."""
    await servers.one(invites.add, people[0].id, "five", 5, None)
    joining = [(lambda name=f"new{number}": users.join(name, "x", invite="five"),) for number in range(AT_ONCE)]
    answers = await servers.at_once([*joining, *((invites.accept, person.id, "five") for person in people[1:])])
    assert len(answers) - len(codes(answers)) == 5 and set(codes(answers)) <= {"invite", "not_found"}
    assert await servers.one(lambda: Invite.get().used) == 5 == len(await servers.one(friendships.friends_of, people[0].id))


async def test_the_server_has_one_owner(servers: Servers) -> None:
    """Of those who register on the machine at once, and of those who have the claim."""
    nonce = await servers.one(ownership.open_nonce)
    await servers.at_once((lambda name=f"a{number}": users.join(name, "x", here=True),) for number in range(AT_ONCE))
    first = await servers.one(ownership.owner_id)
    if first is not None:
        await servers.one(users.remove, first)
    nonce = await servers.one(ownership.open_nonce)
    answers = await servers.at_once((lambda name=f"b{number}": users.join(name, "x", claim=nonce),) for number in range(AT_ONCE))
    assert codes(answers) == ["bad_claim"] * (AT_ONCE - 1)
    [joined] = [answer for answer in answers if not isinstance(answer, DatabaseRefusal)]
    assert await servers.one(ownership.owner_id) == joined.user.id


async def test_no_limit_is_passed(servers: Servers, people: list[User]) -> None:
    """Of tokens, logins and devices, however many ask for the last place."""
    alice = people[0].id
    for number in range(95):
        await servers.one(tokens.add, alice, "obs", [], f"{number}")
    answers = await servers.at_once((tokens.add, alice, "obs", [], f"late {number}") for number in range(AT_ONCE))
    assert codes(answers) == ["limit_reached"] * (AT_ONCE - 5) and await servers.one(lambda: Token.select().count()) == 100
    for number in range(45):
        await servers.one(logins.add, alice, f"{number}", "", "", "x")
    await servers.at_once((logins.add, alice, f"late {number}", "", "", "x") for number in range(AT_ONCE))
    assert len(await servers.one(logins.ids_of, alice)) == 50
    await servers.at_once((companions.open_session, f"s{number}", alice, "remote", "digest", 8) for number in range(AT_ONCE))
    [kept, *_] = sorted({f"s{number}" for number in range(AT_ONCE)} - await servers.one(companions.gone, [f"s{n}" for n in range(AT_ONCE)]))
    await servers.at_once((companions.admit, kept, f"pass {number}", 4) for number in range(AT_ONCE))
    assert await servers.one(lambda: CompanionPass.select().count()) == 4


async def test_chapters_follow_one_another(servers: Servers, people: list[User]) -> None:
    """Each has a place of its own, without a gap."""
    tape = (await servers.one(recordings.begin, "person0", "one", None, now())).id
    assert all(await servers.at_once((chapters.add, tape, float(number), "chord", "Am") for number in range(3 * AT_ONCE)))
    places = await servers.one(lambda: [mark.place for mark in Chapter.select().order_by(Chapter.place)])
    assert places == list(range(3 * AT_ONCE))


async def test_preferences_are_replaced_as_they_were_seen(servers: Servers, people: list[User]) -> None:
    """Of those who have seen the same, one replaces it."""
    seen = [preferences.tag_of(preferences.NONE)]
    answers = await servers.at_once((preferences.replace, people[0].id, f'{{"n": {number}}}', seen) for number in range(AT_ONCE))
    assert sorted(answers) == [False] * (AT_ONCE - 1) + [True]


async def test_epochs_are_taken_once(servers: Servers, people: list[User]) -> None:
    """Also of two broadcasts of one user."""
    answers = await servers.at_once((epochs.take, people[0].id, f"b{number % 3}") for number in range(3 * AT_ONCE))
    assert sorted(answers) == list(range(1, 3 * AT_ONCE + 1))


async def test_a_deleted_account_leaves_no_folder(servers: Servers, people: list[User]) -> None:
    """A recording that begins while its account is deleted is in the list of what to delete, or was not begun."""
    for number, person in enumerate(people[:6]):
        begin = [(recordings.begin, person.username, f"tape {number} {each}", None, now()) for each in range(4)]
        answers = await servers.at_once([*begin[:2], (users.remove, person.id), *begin[2:]])
        begun = {answer.folder for answer in answers if not isinstance(answer, DatabaseRefusal | list)}
        [gone] = [answer for answer in answers if isinstance(answer, list)]
        assert begun == set(gone) and begun <= set(await servers.one(trash.discarded))
        assert set(codes(answers)) <= {"no_such_user", "conflict"}


async def test_the_owner_is_never_suspended(servers: Servers) -> None:
    """An account that is handed the server while the owner before suspends or removes it: one of the two is refused."""
    ada = (await servers.one(lambda: users.join("ada", "x", here=True))).user
    for number in range(6):
        heir = (await servers.one(users.join, f"heir{number}", "x")).user
        ban = (admin.suspend, ada, heir.username, True) if number % 2 else (admin.remove, ada, heir.username)
        jobs = [(admin.hand_over, ada, heir.username), ban]
        answers = await servers.at_once(jobs if number % 3 else jobs[::-1])
        assert len(codes(answers)) == 1 and set(codes(answers)) <= {"not_owner", "suspended", "no_such_user"}
        if await servers.one(ownership.owner_id) == heir.id:
            found = await servers.one(users.find, heir.username)
            assert found is not None and not found.suspended
            await servers.one(admin.hand_over, heir, "ada")
        assert await servers.one(ownership.owner_id) == ada.id


async def test_what_a_new_password_revokes_is_not_made_beside_it(servers: Servers, people: list[User]) -> None:
    """A write that looks whether its login is there: before the new password, which revokes what it made, or refused."""
    for number, person in enumerate(people[:12]):
        login = (await servers.one(logins.add, person.id, f"login {number}", "", "", "x")).login

        def make(person: User = person, login: Login = login) -> bool:
            hold_users(person.id)
            return not logins.gone([login.id]) and bool(tokens.add(person.id, "obs", [], f"token {person.id}"))

        change = (revocation.change_password, person, "y", None, True)
        await servers.at_once([(make,), change] if number % 2 else [change, (make,)])
        assert await servers.one(tokens.of_user, person.id) == []
