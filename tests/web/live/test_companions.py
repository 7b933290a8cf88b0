"""Companion devices: joining, what is passed on, cues and chapters."""

import asyncio
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest

from tests.web.conftest import Guest, House
from tests.web.live.test_sockets import close_code, heard
from web.auth.rate_limit import RATE_LIMIT, Bucket
from web.events.presence import PRESENCE
from web.keys import SWITCHBOARD
from web.live.companion_session import COMPANIONS
from web.nodes.companion_store import CompanionStore
from web.nodes.event_log import EventLog
from web.nodes.record_seal import RecordSeal
from web.nodes.records import CompanionDevices, NodeRecord
from web.nodes.redis_connection import RedisConnection
from web.nodes.rubbish import CheckedReader
from web.recordings.archive import ARCHIVE


async def open_companions(guest: Guest, kind: str = "practice") -> tuple[str, str]:
    """Id and code of a new session."""
    status, made = await guest.ask("POST", "/api/companions", {"kind": kind})
    assert status == 201 and made["expires_at"].endswith("Z")
    path, _, code = made["join_url"].partition("#")
    assert path == f"/join/{made['id']}"
    return made["id"], code


async def test_who_may_enter(house: House) -> None:
    """The owner by login, a device by the code or the cookie it got for it; all others are closed."""
    alice, bob, phone = await house.user("alice"), await house.user("bob"), house.guest()
    session, code = await open_companions(alice)
    assert await close_code(await phone.socket(f"/ws/session/{session}")) == 4401
    assert await close_code(await bob.socket(f"/ws/session/{session}")) == 4403
    for wrong in ("wrong", "x" * 101):
        assert await close_code(await phone.socket(f"/ws/session/{session}?code={wrong}")) == 4403
    assert await close_code(await phone.socket(f"/ws/session/{session}?code=")) == 4401, "an empty parameter counts as none"
    assert await close_code(await alice.socket("/ws/session/nothing")) == 4404
    status, answer = await phone.ask("POST", f"/api/companions/{session}/join", {"code": "wrong"})
    assert (status, answer["code"]) == (403, "wrong_code")
    assert (await phone.ask("POST", "/api/companions/nothing/join", {"code": code}))[0] == 404
    assert (await phone.ask("POST", f"/api/companions/{session}/join", {"code": code}))[0] == 200
    for guest, path in ((alice, session), (phone, session), (house.guest(), f"{session}?code={code}")):
        socket = await guest.socket(f"/ws/session/{path}")
        assert (await heard(socket, "connection_update"))["devices"] == 1
        await socket.close()


async def test_a_code_is_guessed_so_often(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong codes of one address are limited, over HTTP and over the socket; right ones do not count."""
    monkeypatch.setattr(house.app[RATE_LIMIT], "_codes", Bucket(3, 60.0))
    alice, phone = await house.user("alice"), house.guest()
    session, code = await open_companions(alice)
    for _ in range(5):
        assert (await phone.ask("POST", f"/api/companions/{session}/join", {"code": code}))[0] == 200
    assert (await phone.ask("POST", f"/api/companions/{session}/join", {"code": "wrong"}))[0] == 403
    for expected in (4403, 4403, 4429):
        assert await close_code(await house.guest().socket(f"/ws/session/{session}?code=wrong")) == expected
    assert (await phone.ask("POST", f"/api/companions/{session}/join", {"code": code}))[0] == 429


async def test_what_one_says_all_hear(house: House) -> None:
    """Connections, chords and practice marks go to every device, the sender included."""
    alice, phone = await house.user("alice"), house.guest()
    session, code = await open_companions(alice)
    desk = await alice.socket(f"/ws/session/{session}")
    first = await heard(desk, "connection_update")
    hand = await phone.socket(f"/ws/session/{session}?code={code}")
    for socket in (desk, hand):
        assert await heard(socket, "connection_update") == {"status": "connected", "user_id": first["user_id"], "devices": 2}
    said: tuple[tuple[str, dict[str, Any], str, dict[str, Any]], ...] = (
        ("chord_change", {"chord": "F♯m7"}, "chord_change", {"chord": "F♯m7", "at_s": None}),
        ("practice_start", {"timestamp": 1738354440000}, "practice_update", {"status": "started", "timestamp": 1738354440000}),
        ("practice_end", {"timestamp": "later"}, "practice_update", {"status": "ended", "timestamp": "later"}),
    )
    for kind, data, answer, expected in said:
        await hand.send_json({"type": kind, "data": data})
        for socket in (desk, hand):
            assert await heard(socket, answer) == expected
    await hand.close()
    assert await heard(desk, "connection_update") == {"status": "disconnected", "user_id": first["user_id"], "devices": 1}
    await desk.close()


async def test_nonsense_goes_to_nobody(house: House) -> None:
    """A bad chord or mark is told to its sender only."""
    alice = await house.user("alice")
    session, code = await open_companions(alice)
    desk, hand = await alice.socket(f"/ws/session/{session}"), await house.guest().socket(f"/ws/session/{session}?code={code}")
    for _ in range(2):
        await heard(desk, "connection_update")
    await heard(hand, "connection_update")
    bad: tuple[tuple[str, dict[str, Any]], ...] = (
        *(("chord_change", {"chord": chord}) for chord in ("", "x" * 17, 7, None, "a\nb", "\ud800")),
        *(("practice_start", {"timestamp": moment}) for moment in (None, True, [], "")),
        ("chord_change", {}),
    )
    for kind, data in bad:
        await hand.send_json({"type": kind, "data": data})
        assert (await heard(hand, "error"))["code"] == "bad_message", data
    await hand.send_json({"type": "stream_state", "data": {}})
    assert (await heard(hand, "error"))["code"] == "unknown_type"
    await desk.send_json({"type": "ping", "data": {"timestamp": 1}})
    assert await heard(desk, "pong") == {"timestamp": 1}
    for socket in (desk, hand):
        await socket.close()


async def test_what_the_remote_takes(house: House) -> None:
    """An action goes to every device, the sender included; a bad one is told to its sender."""
    alice = await house.user("alice")
    session, code = await open_companions(alice, "remote")
    desk, hand = await alice.socket(f"/ws/session/{session}"), await house.guest().socket(f"/ws/session/{session}?code={code}")
    for _ in range(2):
        await heard(desk, "connection_update")
    await heard(hand, "connection_update")
    for data in ({"action": "dance"}, {"action": []}, {}):
        await hand.send_json({"type": "remote", "data": data})
        assert (await heard(hand, "error"))["code"] == "bad_message", data
    for action in ("stop", "mute", "unmute", "denoise_on", "denoise_off"):
        await hand.send_json({"type": "remote", "data": {"action": action}})
        for socket in (desk, hand):
            assert await heard(socket, "remote") == {"action": action}
    for socket in (desk, hand):
        await socket.close()


@pytest.mark.parametrize("kind", ["practice", "remote"])
async def test_a_kind_takes_its_own_messages(house: House, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Those of the other kind get `wrong_kind`, from the owner's page too; nothing is done and nobody else hears of it."""
    alice = await house.user("alice")
    monkeypatch.setattr(house.app[SWITCHBOARD], "own", lambda _: pytest.fail("nothing is to be done"))
    session, code = await open_companions(alice, kind)
    desk, hand = await alice.socket(f"/ws/session/{session}"), await house.guest().socket(f"/ws/session/{session}?code={code}")
    for socket in (desk, desk, hand):
        await heard(socket, "connection_update")
    marks = (
        ("chord_change", {"chord": "Am"}),
        ("practice_start", {"timestamp": 1}),
        ("practice_end", {"timestamp": 1}),
        ("chord_change", {}),
    )
    commands = tuple(("remote", {"action": action}) for action in ("stop", "mute", "unmute", "dance"))
    for name, data in commands if kind == "practice" else marks:
        for socket in (hand, desk):
            await socket.send_json({"type": name, "data": data})
            assert (await heard(socket, "error"))["code"] == "wrong_kind", name
    for socket in (desk, hand):
        await socket.close()


async def test_devices_see_what_the_broadcast_does(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is told on joining and then, with all others, after each change of what concerns it; after the end it is told so."""
    alice = await house.user("alice")
    air, presence = house.app[SWITCHBOARD], house.app[PRESENCE]
    quiet = air.status("alice", names=False)

    def becomes(**changed: Any) -> None:
        monkeypatch.setattr(air, "status", lambda *_, **__: quiet | changed)
        presence.on_status("alice")

    session, code = await open_companions(alice, "remote")
    nothing = {"live": False, "muted": False, "denoise": False, "kind": "remote"}
    hand = await house.guest().socket(f"/ws/session/{session}?code={code}")
    await heard(hand, "connection_update")
    assert await heard(hand, "desk") == nothing
    becomes(live=True)
    assert await heard(hand, "desk") == nothing | {"live": True, "denoise": True}
    becomes(live=True, listeners=3)
    becomes(live=True, muted=True)
    assert await heard(hand, "desk") == nothing | {"live": True, "denoise": True, "muted": True}
    late = await alice.socket(f"/ws/session/{session}")
    await heard(late, "connection_update")
    assert await heard(late, "desk") == nothing | {"live": True, "denoise": True, "muted": True}
    becomes(live=True, muted=True, denoise=quiet["denoise"] | {"enabled": False})
    becomes()
    await heard(hand, "connection_update")
    for socket in (hand, late):
        assert await heard(socket, "desk") == nothing
        await socket.close()
    async with asyncio.timeout(20):
        while presence._watchers:
            await asyncio.sleep(0.01)


async def test_marks_of_a_live_broadcast(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the owner is live a chord has its time, is a cue for the listeners and a chapter of the recording."""
    alice, bob = await house.friends("alice", "bob")
    air, kept = house.app[SWITCHBOARD], []
    quiet = air.status("alice", names=False)
    monkeypatch.setattr(air, "status", lambda *_, **__: quiet | {"live": True, "duration_s": 12.25, "recording": {"id": 5, "failed": None}})

    async def chapter(*said: object) -> None:
        kept.append(said)

    monkeypatch.setattr(house.app[ARCHIVE], "chapter", chapter)
    session, _ = await open_companions(alice)
    desk, ear = await alice.socket(f"/ws/session/{session}"), await bob.socket("/ws/stream/alice")
    await heard(desk, "connection_update")
    await heard(ear, "stream_state")
    await desk.send_json({"type": "chord_change", "data": {"chord": "Am"}})
    assert await heard(desk, "chord_change") == {"chord": "Am", "at_s": 12.25}
    assert await heard(ear, "cue") == {"at_s": 12.25, "kind": "chord", "text": "Am"}
    await desk.send_json({"type": "practice_start", "data": {"timestamp": 1}})
    assert await heard(ear, "cue") == {"at_s": 12.25, "kind": "practice", "text": "started"}
    await desk.close()
    await ear.close()
    assert kept[0] == (5, 12.25, "chord", "Am")


async def test_qr_code(house: House) -> None:
    """The owner gets an SVG; nobody else does."""
    alice, bob = await house.user("alice"), await house.user("bob")
    session, _ = await open_companions(alice, "remote")
    response = await alice.raw("GET", f"/api/companions/{session}/qr.svg")
    assert response.status == 200 and response.content_type == "image/svg+xml"
    assert ElementTree.fromstring(await response.text()).tag.endswith("svg")
    assert (await bob.raw("GET", f"/api/companions/{session}/qr.svg")).status == 403


async def test_a_session_ends(house: House) -> None:
    """DELETE closes its sockets and it is gone; the ninth of one owner ends the first; an unknown kind is 422."""
    alice, bob = await house.user("alice"), await house.user("bob")
    session, code = await open_companions(alice)
    socket = await house.guest().socket(f"/ws/session/{session}?code={code}")
    await heard(socket, "connection_update")
    assert (await bob.ask("DELETE", f"/api/companions/{session}"))[0] == 403
    assert (await alice.ask("DELETE", f"/api/companions/{session}"))[0] == 204
    await heard(socket, "desk")
    assert await close_code(socket) == 4404
    assert (await alice.ask("DELETE", f"/api/companions/{session}"))[0] == 404
    oldest, _ = await open_companions(alice)
    for _ in range(8):
        await open_companions(alice)
    assert await close_code(await alice.socket(f"/ws/session/{oldest}")) == 4404
    assert (await alice.ask("POST", "/api/companions", {"kind": "party"}))[0] == 422


def told_of_others() -> tuple[CompanionStore, CompanionDevices]:
    """What a node knows of the others while Redis is away, and what another one tells: a session has all its devices there."""
    redis, own = RedisConnection("redis://127.0.0.1:1"), NodeRecord(name="a")
    events = EventLog(redis, CheckedReader(RecordSeal("")), lambda: own)
    full = CompanionDevices(session="", node="b", devices=16, status=None, life_s=60)
    return CompanionStore(redis, events, lambda node: node in ("a", "b"), "a"), full


async def test_a_session_that_is_full_elsewhere_is_not_kept(house: House) -> None:
    """The device is refused, and nothing of the session stays here."""
    alice = await house.user("alice")
    session, code = await open_companions(alice)
    companions = house.app[COMPANIONS]
    companions._store, full = told_of_others()
    await companions._store.begin(session)
    companions._store.hear(msgspec.structs.replace(full, session=session))
    assert await close_code(await alice.socket(f"/ws/session/{session}?code={code}")) == 4429
    assert not companions._store.knows(session) and companions._connected == {}


async def test_the_last_leaves_while_another_enters(house: House) -> None:
    """As on a reload of the page: the session that is made anew hears of the other servers again."""
    alice = await house.user("alice")
    session, _ = await open_companions(alice)
    companions = house.app[COMPANIONS]
    store = companions._store = told_of_others()[0]
    first = await companions.connected(session)
    entering = asyncio.create_task(companions.connected(session))
    await asyncio.sleep(0)
    companions.left(first)
    second = await entering
    assert second is not first and store.knows(session)
    companions.left(second)
    assert not store.knows(session)
