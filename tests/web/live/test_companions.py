"""Companion devices: joining, what is passed on, cues and chapters."""

from typing import Any
from xml.etree import ElementTree

import pytest

from tests.web.conftest import Guest, House
from tests.web.live.test_sockets import close_code, heard
from web.keys import SWITCHBOARD
from web.recordings.archive import ARCHIVE


async def pairing(guest: Guest, kind: str = "practice") -> tuple[str, str]:
    """Id and code of a new session."""
    status, made = await guest.ask("POST", "/api/companions", {"kind": kind})
    assert status == 201 and made["expires_at"].endswith("Z")
    path, _, code = made["join_url"].partition("#")
    assert path == f"/join/{made['id']}"
    return made["id"], code


async def test_who_may_enter(house: House) -> None:
    """The owner by login, a device by the code or the cookie it got for it; all others are closed."""
    alice, bob, phone = await house.user("alice"), await house.user("bob"), house.guest()
    session, code = await pairing(alice)
    assert await close_code(await phone.socket(f"/ws/session/{session}")) == 4401
    assert await close_code(await bob.socket(f"/ws/session/{session}")) == 4403
    assert await close_code(await phone.socket(f"/ws/session/{session}?code=wrong")) == 4403
    assert await close_code(await alice.socket("/ws/session/nothing")) == 4404
    status, answer = await phone.ask("POST", f"/api/companions/{session}/join", {"code": "wrong"})
    assert (status, answer["code"]) == (403, "wrong_code")
    assert (await phone.ask("POST", "/api/companions/nothing/join", {"code": code}))[0] == 404
    assert (await phone.ask("POST", f"/api/companions/{session}/join", {"code": code}))[0] == 200
    for guest, path in ((alice, session), (phone, session), (house.guest(), f"{session}?code={code}")):
        socket = await guest.socket(f"/ws/session/{path}")
        assert (await heard(socket, "connection_update"))["devices"] == 1
        await socket.close()


async def test_what_one_says_all_hear(house: House) -> None:
    """Connections, chords, practice and the remote go to every device, the sender included."""
    alice, phone = await house.user("alice"), house.guest()
    session, code = await pairing(alice)
    desk = await alice.socket(f"/ws/session/{session}")
    first = await heard(desk, "connection_update")
    hand = await phone.socket(f"/ws/session/{session}?code={code}")
    for socket in (desk, hand):
        assert await heard(socket, "connection_update") == {"status": "connected", "user_id": first["user_id"], "devices": 2}
    said: tuple[tuple[str, dict[str, Any], str, dict[str, Any]], ...] = (
        ("chord_change", {"chord": "F♯m7"}, "chord_change", {"chord": "F♯m7", "at_s": None}),
        ("practice_start", {"timestamp": 1738354440000}, "practice_update", {"status": "started", "timestamp": 1738354440000}),
        ("practice_end", {"timestamp": "later"}, "practice_update", {"status": "ended", "timestamp": "later"}),
        ("remote", {"action": "denoise_off"}, "remote", {"action": "denoise_off"}),
    )
    for kind, data, answer, expected in said:
        await hand.send_json({"type": kind, "data": data})
        for socket in (desk, hand):
            assert await heard(socket, answer) == expected
    await hand.close()
    assert await heard(desk, "connection_update") == {"status": "disconnected", "user_id": first["user_id"], "devices": 1}
    await desk.close()


async def test_nonsense_goes_to_nobody(house: House) -> None:
    """A bad chord, mark or action is told to its sender only."""
    alice = await house.user("alice")
    session, code = await pairing(alice)
    desk, hand = await alice.socket(f"/ws/session/{session}"), await house.guest().socket(f"/ws/session/{session}?code={code}")
    for _ in range(2):
        await heard(desk, "connection_update")
    await heard(hand, "connection_update")
    bad: tuple[tuple[str, dict[str, Any]], ...] = (
        *(("chord_change", {"chord": chord}) for chord in ("", "x" * 17, 7, None, "a\nb", "\ud800")),
        *(("practice_start", {"timestamp": moment}) for moment in (None, True, [], "")),
        ("remote", {"action": "dance"}),
        ("remote", {"action": []}),
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


async def test_marks_of_a_live_broadcast(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the owner is live a chord has its time, is a cue for the listeners and a chapter of the recording."""
    alice, bob = await house.friends("alice", "bob")
    air, kept = house.app[SWITCHBOARD], []
    quiet = air.status("alice", names=False)
    monkeypatch.setattr(air, "status", lambda *_, **__: quiet | {"live": True, "duration_s": 12.25, "recording": {"id": 5, "failed": None}})

    async def chapter(*said: object) -> None:
        kept.append(said)

    monkeypatch.setattr(house.app[ARCHIVE], "chapter", chapter)
    session, _ = await pairing(alice)
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
    session, _ = await pairing(alice, "remote")
    response = await alice.raw("GET", f"/api/companions/{session}/qr.svg")
    assert response.status == 200 and response.content_type == "image/svg+xml"
    assert ElementTree.fromstring(await response.text()).tag.endswith("svg")
    assert (await bob.raw("GET", f"/api/companions/{session}/qr.svg")).status == 403


async def test_a_session_ends(house: House) -> None:
    """DELETE closes its sockets and it is gone; the ninth of one owner ends the first; an unknown kind is 422."""
    alice, bob = await house.user("alice"), await house.user("bob")
    session, code = await pairing(alice)
    socket = await house.guest().socket(f"/ws/session/{session}?code={code}")
    await heard(socket, "connection_update")
    assert (await bob.ask("DELETE", f"/api/companions/{session}"))[0] == 403
    assert (await alice.ask("DELETE", f"/api/companions/{session}"))[0] == 204
    assert await close_code(socket) == 4404
    assert (await alice.ask("DELETE", f"/api/companions/{session}"))[0] == 404
    oldest, _ = await pairing(alice)
    for _ in range(8):
        await pairing(alice)
    assert await close_code(await alice.socket(f"/ws/session/{oldest}")) == 4404
    assert (await alice.ask("POST", "/api/companions", {"kind": "party"}))[0] == 422
