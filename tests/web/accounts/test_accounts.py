"""Accounts, logins, passwords."""

import asyncio

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from tests.web.conftest import PASSWORD, House, OpenHouse
from tests.web.on_both import on_sqlite


async def test_register_signs_in(house: House) -> None:
    """Who registers is signed in, and the first account is the owner."""
    alice = await house.user("Alice")
    status, me = await alice.ask("GET", "/api/me")
    assert status == 200
    assert me["username"] == "Alice" and me["owner"] is True and me["live"] is False and me["created_at"].endswith("Z")
    bob = await house.user("bob")
    assert (await bob.ask("GET", "/api/me"))[1]["owner"] is False


async def test_names_are_unique_without_case(house: House) -> None:
    """ALICE is taken where alice is."""
    await house.user("alice")
    status, answer = await house.guest().ask("POST", "/api/register", {"username": "ALICE", "password": PASSWORD})
    assert (status, answer["code"]) == (409, "username_taken")


async def test_bad_fields_are_told_one_by_one(house: House) -> None:
    """Every bad field is named in a 422 problem document."""
    response = await house.guest().raw("POST", "/api/register", json={"username": "a b", "password": "short"})
    assert response.status == 422 and response.content_type == "application/problem+json"
    problem = await response.json(content_type=None)
    assert problem["code"] == "bad_request" and set(problem["errors"]) == {"username", "password"}
    assert (problem["type"], problem["status"]) == ("about:blank", 422)


async def test_login_rotates_and_logout_kills_the_cookie(house: House) -> None:
    """Login gives a new cookie, the old one is dead; after logout the new one is too."""
    alice = await house.user("alice")
    before = cookie_of(alice)
    assert (await alice.ask("POST", "/api/login", {"username": "aLiCe", "password": PASSWORD})) == (200, {"username": "alice"})
    after = cookie_of(alice)
    assert before != after
    thief = house.guest()
    assert (await thief.ask("GET", "/api/me", headers={"Cookie": f"hushcast={before}"}))[0] == 401
    assert (await thief.ask("GET", "/api/me", headers={"Cookie": f"hushcast={after}"}))[0] == 200
    assert (await alice.ask("POST", "/api/logout"))[0] == 204
    status, answer = await thief.ask("GET", "/api/me", headers={"Cookie": f"hushcast={after}"})
    assert (status, answer["code"]) == (401, "not_signed_in")


async def test_cookie_attributes(open_house: OpenHouse) -> None:
    """Plain: `hushcast`; by the public name of HTTPS: `__Host-hushcast` and Secure; always HttpOnly, Lax, for the whole site."""
    plain, secure = await open_house(), await open_house(public_url="https://voice.example")
    by_name = {"Host": "voice.example", "Origin": "https://voice.example"}
    body = {"username": "alice", "password": PASSWORD}
    first = (await plain.guest().raw("POST", "/api/register", json=body)).headers["Set-Cookie"]
    assert first.startswith("hushcast=") and "Secure" not in first
    second = (await secure.guest().raw("POST", "/api/register", json=body, headers=by_name)).headers["Set-Cookie"]
    assert second.startswith("__Host-hushcast=") and "Secure" in second and "Domain" not in second
    for cookie in (first, second):
        assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Path=/" in cookie


async def test_wrong_password_and_unknown_name_look_the_same(house: House) -> None:
    """Both are 401 bad_credentials."""
    await house.user("alice")
    for name in ("alice", "nobody"):
        status, answer = await house.guest().ask("POST", "/api/login", {"username": name, "password": "wrong password"})
        assert (status, answer["code"]) == (401, "bad_credentials")


@on_sqlite
async def test_guessing_ends(house: House) -> None:
    """After ten wrong passwords for a name there is a 429 with Retry-After, for the right one too; another name is not hurt."""
    await house.user("alice")
    await house.user("bob")
    wrong = [house.guest().raw("POST", "/api/login", json={"username": "alice", "password": f"wrong {n}"}) for n in range(14)]
    statuses = sorted(response.status for response in await asyncio.gather(*wrong))
    assert statuses == [401] * 10 + [429] * 4
    response = await house.guest().raw("POST", "/api/login", json={"username": "alice", "password": PASSWORD})
    assert response.status == 429 and int(response.headers["Retry-After"]) >= 1
    assert (await response.json(content_type=None))["code"] == "too_many_attempts"
    assert (await house.guest().ask("POST", "/api/login", {"username": "bob", "password": PASSWORD}))[0] == 200


@on_sqlite
async def test_a_new_port_is_no_new_guesser(open_house: OpenHouse, caplog: pytest.LogCaptureFixture) -> None:
    """Behind a proxy that writes ports guesses come to an end, each is one line of the log with the address, and sessions show it."""
    house = await open_house(trusted_proxies=("127.0.0.0/8", "10.0.0.0/8"))
    alice, thief = await house.user("alice"), house.guest()
    written = [f'"[2001:db8:2::{number + 1:x}]:{40_000 + number}"' for number in range(12)]
    statuses = []
    for each in written:
        guess = {"username": "alice", "password": "not the right one"}
        statuses.append((await thief.ask("POST", "/api/login", guess, headers={"X-Forwarded-For": f"192.0.2.9, {each}, 10.0.0.1:8080"}))[0])
    assert statuses == [401] * 10 + [429] * 2
    lines = [record.getMessage() for record in caplog.records if record.name == "web.auth.rate_limit"]
    assert lines == [f"login failed from 2001:db8:2::{number + 1:x}" for number in range(10)]
    assert "not the right one" not in caplog.text and "alice" not in caplog.text
    for written_as, address in (
        ("203.0.113.9:51008", "203.0.113.9"),
        ("for=_hidden", "127.0.0.1"),
        ('for="[2001:db8::9]:443"', "2001:db8::9"),
    ):
        header = "Forwarded" if "=" in written_as else "X-Forwarded-For"
        right = {"username": "alice", "password": PASSWORD}
        assert (await alice.ask("POST", "/api/login", right, headers={header: written_as}))[0] == 200
        [mine] = [each for each in (await alice.ask("GET", "/api/me/sessions"))[1] if each["current"]]
        assert mine["address"] == address


async def test_a_new_password_ends_the_other_logins(house: House) -> None:
    """The login that changed it stays, the others are out, the old password is dead."""
    alice, other = await house.user("alice"), house.guest()
    await other.ask("POST", "/api/login", {"username": "alice", "password": PASSWORD})
    assert len((await alice.ask("GET", "/api/me/sessions"))[1]) == 2
    assert (await alice.ask("POST", "/api/me/password", {"old": "not this one", "new": "another horse"}))[0] == 401
    assert (await alice.ask("POST", "/api/me/password", {"old": PASSWORD, "new": "another horse"}))[0] == 204
    assert (await alice.ask("GET", "/api/me"))[0] == 200
    assert (await other.ask("GET", "/api/me"))[0] == 401
    assert (await other.ask("POST", "/api/login", {"username": "alice", "password": "another horse"}))[0] == 200


async def test_a_login_can_be_ended_from_another(house: House) -> None:
    """DELETE of a session signs that browser out; a stranger's is 404."""
    alice, other, bob = await house.user("alice"), house.guest(), await house.user("bob")
    await other.ask("POST", "/api/login", {"username": "alice", "password": PASSWORD})
    rows = (await alice.ask("GET", "/api/me/sessions"))[1]
    theirs = next(row["id"] for row in rows if not row["current"])
    assert (await bob.ask("DELETE", f"/api/me/sessions/{theirs}"))[0] == 404
    assert (await alice.ask("DELETE", f"/api/me/sessions/{theirs}"))[0] == 204
    assert (await other.ask("GET", "/api/me"))[0] == 401


async def test_deleting_an_account(house: House) -> None:
    """With the right password the account is gone, with its login and its friendships; the name is free."""
    alice, bob = await house.friends("alice", "bob")
    assert (await alice.ask("DELETE", "/api/me", {"password": "wrong password"}))[0] == 401
    assert (await alice.ask("DELETE", "/api/me", {"password": PASSWORD, "next_owner": "bob"}))[0] == 204
    assert (await alice.ask("GET", "/api/me"))[0] == 401
    assert (await bob.ask("GET", "/api/friends"))[1] == []
    await house.user("alice")


async def test_closed_registration(open_house: OpenHouse) -> None:
    """Where it is closed or by invitation nobody registers alone; with an invite they do, and are friends."""
    alice = await (await open_house("kept")).user("alice")
    for registration in ("invite", "closed"):
        house = await open_house("kept", registration=registration)
        status, answer = await house.guest().ask("POST", "/api/register", {"username": "zoe", "password": PASSWORD})
        assert (status, answer["code"]) == (403, "registration_closed")
        alice = house.guest()
        await alice.ask("POST", "/api/login", {"username": "alice", "password": PASSWORD})
        status, invite = await alice.ask("POST", "/api/invites", {"uses": 1})
        assert status == 201
        code = invite["url"].rpartition("=")[2]
        guest = await house.user(f"by-{registration}", invite=code)
        assert [friend["username"] for friend in (await guest.ask("GET", "/api/friends"))[1]] == ["alice"]
        status, answer = await house.guest().ask("POST", "/api/register", {"username": "late", "password": PASSWORD, "invite": code})
        assert (status, answer["code"]) == (403, "registration_closed")
    assert (await guest.ask("POST", "/api/invites", {}))[1]["code"] == "not_allowed"


async def test_invites_are_listed_and_revoked(house: House) -> None:
    """An invite can be used until it is revoked; a bad one is a 422 where registration is open."""
    alice = await house.user("alice")
    invite = (await alice.ask("POST", "/api/invites"))[1]
    await house.user("bob", invite=invite["url"])
    rows = (await alice.ask("GET", "/api/invites"))[1]
    assert [(row["id"], row["uses"], row["used"]) for row in rows] == [(invite["id"], None, 1)]
    assert (await alice.ask("DELETE", f"/api/invites/{invite['id']}"))[0] == 204
    body = {"username": "carl", "password": PASSWORD, "invite": invite["url"]}
    status, answer = await house.guest().ask("POST", "/api/register", body)
    assert status == 422 and "invite" in answer["errors"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)
FIELDS = ("username", "password", "old", "new", "invite", "name", "scopes", "uses", "expires_s", "action")
BODIES = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON))
PATHS = st.sampled_from(
    [
        ("POST", "/api/register"),
        ("POST", "/api/login"),
        ("POST", "/api/me/password"),
        ("DELETE", "/api/me"),
        ("POST", "/api/tokens"),
        ("POST", "/api/invites"),
        ("POST", "/api/listen-links"),
        ("POST", "/api/friend-request/send"),
        ("POST", "/api/friend-request/1/respond"),
    ]
)


NONSENSE = (
    *(b"", b"{", b"\xff\xfe", b"[" * 60_000, b"1" * 5000, b'{"username": NaN}', b'"text"', b"\x00"),
    b'{"username": "\\ud800abc", "password": "12345678"}',
)


@on_sqlite
async def test_no_body_breaks_it(house: House) -> None:
    """Whatever JSON, or no JSON, comes: a 2xx or a 4xx with a code."""
    alice = await house.user("alice")
    bodies: list[tuple[tuple[str, str], bytes]] = []

    @limits(max_examples=60, suppress_health_check=list(HealthCheck), database=None, deadline=None)
    @given(PATHS, BODIES)
    def collect(path: tuple[str, str], body: dict[str, object]) -> None:
        import json

        bodies.append((path, json.dumps(body).encode()))

    collect()
    for raw in NONSENSE:
        bodies += [(("POST", "/api/register"), raw), (("POST", "/api/friend-request/send"), raw)]
    for (method, path), body in bodies:
        response = await alice.raw(method, path, data=body)
        assert response.status < 500, (path, body)
        if response.status >= 400:
            assert (await response.json(content_type=None))["code"]


def cookie_of(guest: object) -> str:
    return next(cookie.value for cookie in guest.session.cookie_jar if cookie.key == "hushcast")  # type: ignore[attr-defined]
