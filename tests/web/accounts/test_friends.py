"""Search, requests, friendships, blocks."""

import pytest

from tests.web.conftest import Guest, House
from tests.web.live.test_sockets import heard
from web.auth.rate_limit import RATE_LIMIT, Bucket


async def ask(guest: Guest, username: str) -> tuple[int, dict[str, object]]:
    return await guest.ask("POST", "/api/friend-request/send", {"username": username})


async def respond(guest: Guest, request_id: object, action: str) -> tuple[int, dict[str, object]]:
    return await guest.ask("POST", f"/api/friend-request/{request_id}/respond", {"action": action})


async def relation(guest: Guest, username: str) -> str:
    found = (await guest.ask("GET", f"/api/search?q={username}"))[1]
    return next(row["relation"] for row in found if row["username"] == username)


async def test_a_request_is_asked_and_accepted(house: House) -> None:
    """Asked is pending for both, accepted makes friends of both, twice is a conflict."""
    alice, bob = await house.user("alice"), await house.user("bob")
    status, asked = await ask(alice, "BOB")
    assert (status, asked["status"]) == (201, "pending")
    assert (await relation(alice, "bob"), await relation(bob, "alice")) == ("outgoing", "incoming")
    waiting = (await bob.ask("GET", "/api/friend-requests/pending"))[1]
    assert [row["username"] for row in waiting["incoming"]] == ["alice"] and waiting["outgoing"] == []
    assert (await alice.ask("GET", "/api/friend-requests/pending"))[1]["outgoing"][0]["username"] == "bob"
    assert (await ask(alice, "bob"))[1]["code"] == "already_requested"
    assert await respond(bob, asked["id"], "accept") == (200, {"id": asked["id"], "status": "accepted"})
    assert (await bob.ask("GET", "/api/friends"))[1] == [{"username": "alice", "live": False, "since": None}]
    assert (await relation(alice, "bob"), await relation(alice, "alice")) == ("friend", "self")
    status, answer = await respond(bob, asked["id"], "reject")
    assert (status, answer["code"]) == (409, "already_answered")
    assert (await ask(bob, "alice"))[1]["code"] == "already_friends"


async def test_asking_each_other_is_accepting(house: House) -> None:
    """Who asks somebody that has asked is a friend at once."""
    alice, bob = await house.user("alice"), await house.user("bob")
    first = (await ask(alice, "bob"))[1]
    assert await ask(bob, "alice") == (201, {"id": first["id"], "status": "accepted"})
    assert len((await alice.ask("GET", "/api/friends"))[1]) == 1


async def test_after_a_rejection_one_may_ask_again(house: House) -> None:
    """A rejected request is over; the next one is a new one."""
    alice, bob = await house.user("alice"), await house.user("bob")
    first = (await ask(alice, "bob"))[1]
    assert (await respond(bob, first["id"], "reject"))[1]["status"] == "rejected"
    status, second = await ask(alice, "bob")
    assert status == 201 and second["id"] != first["id"]


async def test_whose_request_it_is(house: House) -> None:
    """Only the one asked answers: the asker and strangers 403, an unknown request 404, an unknown action 422."""
    alice, bob, carl = await house.user("alice"), await house.user("bob"), await house.user("carl")
    asked = (await ask(alice, "bob"))[1]
    for other in (alice, carl):
        status, answer = await respond(other, asked["id"], "accept")
        assert (status, answer["code"]) == (403, "not_allowed")
    assert (await respond(bob, 4711, "accept"))[0] == 404
    assert (await respond(bob, asked["id"], "perhaps"))[0] == 422
    assert (await respond(bob, "9" * 18, "accept"))[0] == 404
    assert (await respond(bob, "9" * 40, "accept"))[0] == 404


async def test_nobody_befriends_oneself_or_nobody(house: House) -> None:
    """Oneself is 422 self, an unknown name 404 no_such_user."""
    alice = await house.user("alice")
    status, answer = await ask(alice, "Alice")
    assert (status, answer["code"]) == (422, "self")
    status, answer = await ask(alice, "nobody")
    assert (status, answer["code"]) == (404, "no_such_user")
    assert (await alice.ask("PUT", "/api/blocks/alice"))[1]["code"] == "self"


async def test_a_friendship_ends(house: House) -> None:
    """DELETE ends it for both; a second time is 404."""
    alice, bob = await house.friends("alice", "bob")
    assert (await alice.ask("DELETE", "/api/friends/BOB"))[0] == 204
    assert (await bob.ask("GET", "/api/friends"))[1] == []
    assert (await alice.ask("DELETE", "/api/friends/bob"))[0] == 404
    assert (await alice.ask("DELETE", "/api/friends/nobody"))[1]["code"] == "no_such_user"


async def test_a_block_is_silent(house: House) -> None:
    """The blocked one's request looks like any other, is seen by nobody, and twice is already_requested as ever."""
    alice, bob = await house.friends("alice", "bob")
    assert (await alice.ask("PUT", "/api/blocks/bob"))[0] == 204
    assert (await alice.ask("PUT", "/api/blocks/bob"))[0] == 204
    assert (await bob.ask("GET", "/api/friends"))[1] == []
    status, asked = await ask(bob, "alice")
    assert (status, asked["status"]) == (201, "pending")
    assert (await ask(bob, "alice"))[1]["code"] == "already_requested"
    assert (await alice.ask("GET", "/api/friend-requests/pending"))[1]["incoming"] == []
    assert len((await bob.ask("GET", "/api/friend-requests/pending"))[1]["outgoing"]) == 1
    assert (await relation(alice, "bob"), await relation(bob, "alice")) == ("blocked", "outgoing")
    assert (await respond(alice, asked["id"], "accept"))[0] == 404
    assert (await ask(alice, "bob"))[1]["code"] == "blocked"
    assert (await alice.ask("DELETE", "/api/blocks/bob"))[0] == 204
    assert (await ask(bob, "alice"))[0] == 201
    assert (await relation(alice, "bob")) == "incoming"


async def test_a_block_hides_what_was_asked_before(house: House) -> None:
    """A request that waits is withdrawn or hidden by a block."""
    alice, bob = await house.user("alice"), await house.user("bob")
    await ask(bob, "alice")
    await alice.ask("PUT", "/api/blocks/bob")
    assert (await alice.ask("GET", "/api/friend-requests/pending"))[1] == {"incoming": [], "outgoing": []}
    assert len((await bob.ask("GET", "/api/friend-requests/pending"))[1]["outgoing"]) == 1


async def test_search(house: House) -> None:
    """By part, without case, the exact name first, at most 20, wildcards taken literally, nothing for nothing."""
    alice = await house.user("alice")
    await house.user("al_x")
    await house.user("Malice")
    rows = (await alice.ask("GET", "/api/search?q=ALICE"))[1]
    assert rows == [{"username": "alice", "relation": "self"}, {"username": "Malice", "relation": "none"}]
    for text, names in (("_", ["al_x"]), ("%", []), ("", []), ("%25", []), ("*", [])):
        assert [row["username"] for row in (await alice.ask("GET", "/api/search", params={"q": text}))[1]] == names
    assert (await alice.ask("GET", "/api/search", params={"q": "a" * 101}))[0] == 422
    assert (await alice.ask("GET", "/api/search?q=%ED%A0%80%00"))[0] < 500


async def test_strangers_are_asked_to_sign_in(house: House) -> None:
    """Without a login everything here is 401."""
    for method, path in (("GET", "/api/friends"), ("GET", "/api/search?q=a"), ("GET", "/api/friend-requests/pending")):
        status, answer = await house.guest().ask(method, path)
        assert (status, answer["code"]) == (401, "not_signed_in")


async def test_a_request_can_be_withdrawn(house: House) -> None:
    """By who asked, while it waits: both lists are empty then, the other is told, and one may ask again."""
    alice, bob, carl = await house.user("alice"), await house.user("bob"), await house.user("carl")
    asked = (await ask(alice, "bob"))[1]["id"]
    socket = await bob.socket("/ws/presence")
    await heard(socket, "all_statuses")
    for other, code in ((bob, "not_allowed"), (carl, "not_allowed")):
        assert (await other.ask("DELETE", f"/api/friend-request/{asked}"))[1]["code"] == code
    assert (await alice.ask("DELETE", f"/api/friend-request/{asked}"))[0] == 204
    assert await heard(socket, "friendship") == {"username": "alice", "friends": False}
    await socket.close()
    for one in (alice, bob):
        assert (await one.ask("GET", "/api/friend-requests/pending"))[1] == {"incoming": [], "outgoing": []}
    assert (await respond(bob, asked, "accept"))[0] == (await alice.ask("DELETE", f"/api/friend-request/{asked}"))[0] == 404
    again = (await ask(alice, "bob"))[1]["id"]
    await respond(bob, again, "reject")
    assert (await alice.ask("DELETE", f"/api/friend-request/{again}"))[1]["code"] == "already_answered"


async def test_nobody_is_told_of_one_person_without_end(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking and withdrawing in turn is limited: 429 after some, while others may ask."""
    monkeypatch.setattr(house.app[RATE_LIMIT], "_asks", Bucket(3, 10.0))
    alice, bob, carl = await house.user("alice"), await house.user("bob"), await house.user("carl")
    for _ in range(3):
        status, made = await ask(alice, "bob")
        assert status == 201 and (await alice.ask("DELETE", f"/api/friend-request/{made['id']}"))[0] == 204
    answer = await alice.raw("POST", "/api/friend-request/send", json={"username": "bob"})
    assert answer.status == 429 and int(answer.headers["Retry-After"]) > 0
    assert (await ask(carl, "bob"))[0] == (await ask(bob, "alice"))[0] == 201


async def test_a_request_that_nobody_sees_is_withdrawn_in_silence(house: House) -> None:
    """Whoever has blocked the asker hears nothing of it, and does not find the request by its number."""
    alice, bob = await house.user("alice"), await house.user("bob")
    await bob.ask("PUT", "/api/blocks/alice")
    asked = (await ask(alice, "bob"))[1]["id"]
    socket = await bob.socket("/ws/presence")
    await heard(socket, "all_statuses")
    assert (await bob.ask("DELETE", f"/api/friend-request/{asked}"))[0] == 404
    assert (await alice.ask("DELETE", f"/api/friend-request/{asked}"))[0] == 204
    await socket.send_json({"type": "ping", "data": {"timestamp": 1}})
    assert await heard(socket, "pong") == {"timestamp": 1}
    await socket.close()


async def test_blocked_people_are_listed(house: House) -> None:
    """By name, page by page, for the one who has blocked them alone."""
    alice = await house.user("alice")
    for name in ("carl", "Bob", "dora"):
        await house.user(name)
        await alice.ask("PUT", f"/api/blocks/{name}")
    assert (await alice.ask("GET", "/api/blocks"))[1] == ["Bob", "carl", "dora"]
    assert (await alice.ask("GET", "/api/blocks?before=Bob&limit=1"))[1] == ["carl"]
    await alice.ask("DELETE", "/api/blocks/carl")
    assert (await alice.ask("GET", "/api/blocks"))[1] == ["Bob", "dora"]
    assert (await (await house.user("eve")).ask("GET", "/api/blocks"))[1] == []


async def test_a_name_with_nul_in_a_path(house: House) -> None:
    """404 on either database: PostgreSQL cannot even be asked for it."""
    alice = await house.user("alice")
    for method, path in (("GET", "/api/stream/status/a%00b"), ("DELETE", "/api/friends/a%00b"), ("PUT", "/api/blocks/a%00b")):
        status, answer = await alice.ask(method, path)
        assert (status, answer["code"]) == (404, "not_found"), path
