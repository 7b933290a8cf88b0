"""Presence and stream sockets: who may open them, their messages, and how they end."""

import asyncio
import json
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType
from aiohttp.web import BaseRequest, WebSocketResponse

from db.tables import ListenLink
from tests.web.conftest import PASSWORD, Guest, House, OpenHouse
from web.events import channel, presence
from web.events.presence import PRESENCE
from web.keys import DB, SWITCHBOARD
from web.live import sockets
from web.live.revocation import look_round

NOT_RECORDED = {"id": None, "failed": None}
SINCE = datetime(2025, 1, 31, 20, 14, tzinfo=UTC)


async def heard(socket: ClientWebSocketResponse, kind: str = "") -> Any:
    """The next message's data; `kind`: what its type has to be. What a companion is told of the broadcast is left out unless asked for."""
    while (message := json.loads(await socket.receive_str(timeout=20)))["type"] == "desk" != kind:
        pass
    assert not kind or message["type"] == kind, message
    return message["data"] if kind else message


async def close_code(socket: ClientWebSocketResponse) -> int | None:
    """The server's close code; a message before it is an error."""
    message = await socket.receive(timeout=20)
    assert message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED), message
    return socket.close_code


async def test_who_may(house: House) -> None:
    """4401 without a login, 4404 for nobody's stream; one's own and a friend's are open."""
    alice, bob = await house.friends("alice", "bob")
    assert await close_code(await house.guest().socket("/ws/presence")) == 4401
    assert await close_code(await alice.socket("/ws/stream/nobody")) == 4404
    for guest in (alice, bob):
        socket = await guest.socket("/ws/stream/ALICE")
        assert (await heard(socket, "stream_state"))["username"] == "alice"
        await socket.close()


async def linked(alice: Guest) -> tuple[int, str]:
    """The id and the secret of a new listen link."""
    made = (await alice.ask("POST", "/api/listen-links"))[1]
    return made["id"], made["url"].rpartition("/")[2]


async def test_a_listen_links_bearer_hears_a_stream(house: House) -> None:
    """`hello` with the link's secret: the status without names, mute and recording in it, its changes, levels and cues."""
    alice, carl = await house.user("alice"), await house.user("carl")
    _, secret = await linked(alice)
    for guest in (house.guest(), carl):
        socket = await guest.socket("/ws/stream/ALICE")
        await socket.send_json({"type": "hello", "data": {"token": secret}})
        state = await heard(socket, "stream_state")
        assert (state["username"], state["muted"], state["recording"], state["listener_names"]) == ("alice", False, NOT_RECORDED, None)
        house.app[PRESENCE].on_status("alice")
        await heard(socket, "stream_state")
        house.app[PRESENCE].cue("alice", 1.5, "chord", "Am7")
        assert (await heard(socket, "cue"))["text"] == "Am7"
        house.app[PRESENCE].on_packet_time("alice", 20)  # which is for the broadcaster
        await socket.send_json({"type": "wave", "data": {}})
        assert (await heard(socket, "error"))["code"] == "unknown_type"
        status, polled = await guest.ask("GET", "/api/stream/status/alice", headers={"Authorization": f"Bearer {secret}"})
        assert (status, polled) == (200, state)
        await socket.close()
    own = await alice.socket("/ws/stream/alice")
    await heard(own, "stream_state")
    await own.send_json({"type": "hello", "data": {"token": "whatever"}})
    await own.send_json({"type": "ping", "data": {"timestamp": 1}})
    assert await heard(own, "pong") == {"timestamp": 1}
    await own.close()


async def test_what_is_no_link_closes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong secret, another one's link, another message first, or none in time: 4401, and 4403 for who is signed in."""
    alice, carl = await house.user("alice"), await house.user("carl")
    _, theirs = await linked(carl)
    firsts: tuple[Any, ...] = (
        {"type": "hello", "data": {"token": "wrong"}},
        {"type": "hello", "data": {"token": theirs}},
        {"type": "hello", "data": {"token": 7}},
        {"type": "hello", "data": {}},
        {"type": "wave", "data": {}},
    )
    for first in firsts:
        for guest, code in ((house.guest(), 4401), (carl, 4403)):
            socket = await guest.socket("/ws/stream/alice")
            await socket.send_json(first)
            assert await close_code(socket) == code, first
    assert (await carl.ask("GET", "/api/stream/status/alice", headers={"Authorization": f"Bearer {theirs}"}))[0] == 403
    monkeypatch.setattr(sockets, "HELLO_S", 0.05)
    assert await close_code(await house.guest().socket("/ws/stream/alice")) == 4401
    assert await close_code(await carl.socket("/ws/stream/alice")) == 4403
    assert (await alice.ask("GET", "/api/me"))[0] == 200


async def test_the_end_of_a_link_ends_its_sockets(house: House) -> None:
    """Revoked, run out, or its row gone: 4403."""
    alice = await house.user("alice")
    revoked, secret = await linked(alice)
    _, deleted = await linked(alice)
    brief = (await alice.ask("POST", "/api/listen-links", {"expires_s": 0.5}))[1]["url"].rpartition("/")[2]
    opened = []
    for each in (brief, secret, deleted):
        opened.append(await house.guest().socket("/ws/stream/alice"))
        await opened[-1].send_json({"type": "hello", "data": {"token": each}})
        await heard(opened[-1], "stream_state")
    assert await close_code(opened[0]) == 4403
    assert (await alice.ask("DELETE", f"/api/listen-links/{revoked}"))[0] == 204
    assert await close_code(opened[1]) == 4403
    await house.app[DB].run(lambda: ListenLink.delete().execute())
    await look_round(house.app)
    assert await close_code(opened[2]) == 4403


async def test_friends_hear_of_going_live(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """all_statuses on connecting, then each change; other users are told nothing."""
    _, bob = await house.friends("alice", "bob")
    carl = await house.user("carl")
    ours, theirs = await bob.socket("/ws/presence"), await carl.socket("/ws/presence")
    assert await heard(ours, "all_statuses") == {"friends": [{"username": "alice", "live": False, "since": None}]}
    assert await heard(theirs, "all_statuses") == {"friends": []}
    presence = house.app[PRESENCE]
    presence.on_live("alice", SINCE)
    update = {"username": "alice", "is_streaming": True, "since": "2025-01-31T20:14:00.000Z"}
    assert await heard(ours, "streaming_status_update") == update
    presence.on_ended("alice", 7)
    assert await heard(ours, "streaming_status_update") == {"username": "alice", "is_streaming": False, "since": None}
    await theirs.send_json({"type": "ping", "data": {"timestamp": 1}})
    await heard(theirs, "pong")
    monkeypatch.setattr(house.app[SWITCHBOARD], "live_since", lambda username: SINCE)
    late = await bob.socket("/ws/presence")
    assert (await heard(late, "all_statuses"))["friends"][0] == {"username": "alice", "live": True, "since": update["since"]}
    for socket in (ours, theirs, late):
        await socket.close()


async def test_requests_and_friendships_are_told(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The asked user is told of a request, both of a friendship and its end; a new friend who is live is told at once."""
    alice, bob = await house.user("alice"), await house.user("bob")
    ours, theirs = await alice.socket("/ws/presence"), await bob.socket("/ws/presence")
    await heard(ours, "all_statuses")
    await heard(theirs, "all_statuses")
    asked = (await alice.ask("POST", "/api/friend-request/send", {"username": "bob"}))[1]
    assert await heard(theirs, "friend_request") == {"id": asked["id"], "username": "alice"}
    await bob.ask("POST", f"/api/friend-request/{asked['id']}/respond", {"action": "accept"})
    assert await heard(ours, "friendship") == {"username": "bob", "friends": True}
    assert await heard(theirs, "friendship") == {"username": "alice", "friends": True}
    house.app[PRESENCE].on_live("bob", SINCE)
    assert (await heard(ours, "streaming_status_update"))["username"] == "bob"
    await bob.ask("DELETE", "/api/friends/alice")
    assert await heard(ours, "friendship") == {"username": "bob", "friends": False}
    house.app[PRESENCE].on_ended("bob", None)
    monkeypatch.setattr(house.app[SWITCHBOARD], "live_since", lambda username: SINCE if username == "bob" else None)
    for one, other in ((alice, "bob"), (bob, "alice")):
        await one.ask("POST", "/api/friend-request/send", {"username": other})
    assert await heard(ours, "friendship") == {"username": "bob", "friends": True}
    assert (await heard(ours, "streaming_status_update"))["is_streaming"] is True
    for socket in (ours, theirs):
        await socket.close()


async def test_a_stream_is_told(house: House) -> None:
    """State on connect and change, levels with null for what is not known, cues, the end."""
    alice, bob = await house.friends("alice", "bob")
    own, friends = await alice.socket("/ws/stream/alice"), await bob.socket("/ws/stream/alice")
    await heard(own, "stream_state")
    await heard(friends, "stream_state")
    presence = house.app[PRESENCE]
    for _ in range(5):
        presence.on_status("alice")
    for socket in (own, friends):
        assert (await heard(socket, "stream_state"))["live"] is False
    presence.on_level("alice", -23.456, float("nan"))
    presence.cue("alice", 12.5, "chord", "Am7")
    presence.on_ended("alice", None)
    for socket in (own, friends):
        assert await heard(socket, "level") == {"original_dbfs": -23.5, "denoised_dbfs": None}
        assert await heard(socket, "cue") == {"at_s": 12.5, "kind": "chord", "text": "Am7"}
        assert await heard(socket, "ended") == {"recording": None}
        await heard(socket, "stream_state")
        await socket.close()


async def test_only_the_broadcaster_hears_how_long_packets_shall_be(house: House) -> None:
    """All of the broadcaster's sockets on the own stream are told the packet time, and no others."""
    alice, bob = await house.friends("alice", "bob")
    own = [await alice.socket("/ws/stream/alice") for _ in range(2)]
    others = [await bob.socket("/ws/stream/alice"), await alice.socket("/ws/stream/bob")]
    for socket in (*own, *others):
        await heard(socket, "stream_state")
    house.app[PRESENCE].on_packet_time("alice", 20)
    for socket in (*own, *others):
        await socket.send_json({"type": "ping", "data": {"timestamp": 1}})
    for socket in own:
        assert await heard(socket, "packet") == {"ms": 20}
    for socket in (*own, *others):
        assert await heard(socket, "pong") == {"timestamp": 1}
        await socket.close()


async def test_the_end_of_what_allowed_it_ends_the_socket(house: House) -> None:
    """Unfriended or blocked: 4403 at the other's stream. Signed out: 4401 everywhere."""
    alice, bob = await house.friends("alice", "bob")
    stream, own = await bob.socket("/ws/stream/alice"), await bob.socket("/ws/stream/bob")
    await heard(stream, "stream_state")
    await heard(own, "stream_state")
    await alice.ask("PUT", "/api/blocks/bob")
    assert await close_code(stream) == 4403
    presence = await bob.socket("/ws/presence")
    await heard(presence, "all_statuses")
    await bob.ask("POST", "/api/logout")
    assert await close_code(own) == 4401
    assert await close_code(presence) == 4401


async def test_a_close_waits_for_its_answer(house: House) -> None:
    """The server waits for the client's close frame, so that every client sees the code."""
    url, headers = house.server.make_url("/ws/presence"), {"Origin": house.guest().origin}
    async with house.guest().session.ws_connect(url, headers=headers, autoclose=False) as socket:
        assert (await socket.receive(timeout=20)).data == 4401
        await asyncio.sleep(0.1)  # by now the connection would be gone
        await socket.close()
        assert socket.close_code == 4401


async def test_another_login_in_the_same_browser_ends_the_sockets_of_the_first(house: House) -> None:
    """Sockets of a login that has ended are closed with 4401."""
    await house.user("bob")
    alice = await house.user("alice")
    socket = await alice.socket("/ws/presence")
    await heard(socket, "all_statuses")
    assert (await alice.ask("POST", "/api/login", {"username": "bob", "password": PASSWORD}))[0] == 200
    assert await close_code(socket) == 4401


async def test_one_user_has_so_many_sockets(open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """One socket more than a user may have is closed with 4429, and no other; after one has closed there is room again."""
    monkeypatch.setattr(presence, "MOST_OF_ONE", 3)
    house = await open_house()
    alice, bob = await house.friends("alice", "bob")
    sockets = [await alice.socket(path) for path in ("/ws/presence", "/ws/stream/alice", "/ws/stream/bob")]
    for socket in sockets:
        await heard(socket)
    assert await close_code(await alice.socket("/ws/presence")) == 4429
    await sockets.pop().close()
    sockets.append(await bob.socket("/ws/presence"))
    await heard(sockets[-1], "all_statuses")
    async with asyncio.timeout(20):
        while house.app[PRESENCE].sockets > 3:
            await asyncio.sleep(0.01)
    sockets.append(await alice.socket("/ws/presence"))
    await heard(sockets[-1], "all_statuses")
    for socket in sockets:
        await socket.close()


async def test_all_sockets_together_are_so_many(open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """One with fewer sockets takes the place of the oldest of the user with most, which ends with 4429; among equals the new one does."""
    monkeypatch.setattr(presence, "most_connections", lambda: 4)  # three of which may be sockets
    house = await open_house()
    alice, bob, carl = [await house.user(name) for name in ("alice", "bob", "carl")]
    first, second, third = [await alice.socket("/ws/presence") for _ in range(3)]
    sockets = [second, third, await bob.socket("/ws/presence")]
    assert await close_code_after(first) == 4429
    for socket in sockets:
        await heard(socket, "all_statuses")
    assert await close_code(await bob.socket("/ws/presence")) == 4429, "she would only swap places with Alice"
    sockets.append(await carl.socket("/ws/presence"))
    await heard(sockets[-1], "all_statuses")
    assert await close_code(second) == 4429
    assert await close_code(await house.guest().socket("/ws/presence")) == 4401, "who is not let in needs no place"
    figures = await (await alice.raw("GET", "/metrics")).text()
    assert "\nhushcast_sockets 3\n" in figures
    assert 'hushcast_sockets_dropped_total{reason="taken"} 2\n' in figures
    assert 'hushcast_sockets_dropped_total{reason="refused"} 1\n' in figures
    for socket in sockets:
        await socket.close()


async def close_code_after(socket: ClientWebSocketResponse) -> int | None:
    """The server's close code, after its first messages."""
    await heard(socket, "all_statuses")
    return await close_code(socket)


async def test_a_friendship_that_ends_while_the_socket_opens(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A friendship that ends during the handshake still closes the socket with 4403."""
    alice, bob = await house.friends("alice", "bob")
    prepare = WebSocketResponse.prepare

    async def late(self: WebSocketResponse, request: BaseRequest) -> Any:
        monkeypatch.setattr(WebSocketResponse, "prepare", prepare)
        await alice.ask("DELETE", "/api/friends/bob")
        return await prepare(self, request)

    monkeypatch.setattr(WebSocketResponse, "prepare", late)
    socket = await bob.socket("/ws/stream/alice")
    await heard(socket, "stream_state")
    assert await close_code(socket) == 4403


async def test_nonsense_gets_an_error_and_the_socket_stays(house: House) -> None:
    """bad_message for malformed messages, unknown_type for other types; a ping still works after both."""
    socket = await _open(house)
    bad = ("", "{", "[]", "[" * 5000, '"x"', '{"type": 1}', '{"type": "x", "data": []}', '{"type": "ping"}', '{"type": "x", "data": NaN}')
    for text in (*bad, '{"type": "ping", "data": {"timestamp": 1e999}}'):
        await socket.send_str(text)
        assert (await heard(socket, "error"))["code"] == "bad_message", text
    await socket.send_bytes(b'{"type": "ping", "data": {"timestamp": 1}}')
    assert (await heard(socket, "error"))["code"] == "bad_message"
    await socket.send_json({"type": "dance", "data": {}})
    assert (await heard(socket, "error"))["code"] == "unknown_type"
    for value in (1, 1.5, "x", None, {"a": [1]}):
        await socket.send_json({"type": "ping", "data": {"timestamp": value}})
        assert await heard(socket, "pong") == {"timestamp": value}
    await socket.close()


async def test_a_labyrinth_gets_an_answer(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A timestamp nested to any depth gets a pong or an error, and the socket stays open."""
    monkeypatch.setattr(channel, "RATE", 1000)
    monkeypatch.setattr(presence, "RATE_OF_ONE", 1000)
    socket = await _open(house)
    for depth in range(800, 1000):
        await socket.send_str('{"type": "ping", "data": {"timestamp": ' + "[" * depth + "]" * depth + "}}")
        assert (await heard(socket))["type"] in ("pong", "error"), depth
    await socket.close()


async def test_a_message_too_large_closes(house: House) -> None:
    """64 KiB is read; one byte more closes with 1009."""
    socket = await _open(house)
    text = json.dumps({"type": "ping", "data": {"timestamp": ""}})
    await socket.send_str(text.replace('""', '"' + "x" * (64 * 1024 - len(text)) + '"'))
    assert len((await heard(socket, "pong"))["timestamp"]) == 64 * 1024 - len(text)
    await socket.send_str("x" * (64 * 1024 + 1))
    assert await close_code(socket) == 1009


async def test_too_many_messages_close(house: House) -> None:
    """The twenty-first message within a second closes with 4429."""
    socket = await _open(house)
    for number in range(21):
        await socket.send_json({"type": "ping", "data": {"timestamp": number}})
    for _ in range(20):
        await heard(socket, "pong")
    assert await close_code(socket) == 4429


async def test_a_silent_client_is_ended(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server pings; a client that answers stays, a silent one is closed with 4408."""
    monkeypatch.setattr(channel, "PING_S", 0.1)
    monkeypatch.setattr(channel, "DEAD_S", 1.0)
    alice = await house.user("alice")
    url, headers = house.server.make_url("/ws/presence"), {"Origin": alice.origin}
    connect = partial(alice.session.ws_connect, url, headers=headers)
    async with connect() as answering, connect(autoping=False) as mute:
        await heard(answering, "all_statuses")
        await heard(mute, "all_statuses")
        answered = asyncio.create_task(answering.receive())  # reading is what answers pings
        pings = 0
        while (message := await mute.receive(timeout=20)).type is WSMsgType.PING:
            pings += 1
        assert pings >= 2 and message.data == 4408
        assert not answered.done()
        house.app[PRESENCE].end_all()
        assert (await answered).data == 1001
        assert await close_code(await alice.socket("/ws/presence")) == 1001  # so does one that comes too late


async def test_a_slow_client_is_cut_off(house: House) -> None:
    """The queue of a client that does not read is bounded, and levels are dropped first."""
    alice, bob = await house.friends("alice", "bob")
    slow, quick = await _raw_stream(bob, "alice"), await alice.socket("/ws/stream/alice")
    await heard(quick, "stream_state")
    presence = house.app[PRESENCE]
    open_sockets, big = presence.sockets, "x" * 50_000
    for _ in range(3000):
        presence.cue("alice", 1.0, "chord", big)
        await heard(quick, "cue")
        if presence.sockets < open_sockets:
            break
    assert presence.sockets == open_sockets - 1
    slow.close()
    await quick.close()


async def test_sockets_leave_nothing(house: House) -> None:
    """After fifty sockets have opened and closed, nothing of them is kept."""
    _, bob = await house.friends("alice", "bob")
    presence = house.app[PRESENCE]
    for _ in range(25):
        one, other = await bob.socket("/ws/presence"), await bob.socket("/ws/stream/alice")
        await heard(one, "all_statuses")
        await other.close()
        await one.close()
    async with asyncio.timeout(20):
        while presence.sockets:
            await asyncio.sleep(0.01)
    assert not any(
        len(places) for places in (presence._shares, presence.friends._by_friend, presence.friends._by_user, presence._by_broadcaster)
    )


async def _open(house: House) -> ClientWebSocketResponse:
    socket: ClientWebSocketResponse = await (await house.user("alice")).socket("/ws/presence")
    await heard(socket, "all_statuses")
    return socket


async def _raw_stream(guest: Guest, broadcaster: str) -> asyncio.StreamWriter:
    """A WebSocket client that reads nothing after the handshake."""
    url = guest.server.make_url("")
    cookies = "; ".join(f"{cookie.key}={cookie.value}" for cookie in guest.session.cookie_jar)
    reader, writer = await asyncio.open_connection(url.host, url.port, limit=1024)
    lines = (
        f"GET /ws/stream/{broadcaster} HTTP/1.1",
        f"Host: {url.host}:{url.port}",
        f"Origin: {guest.origin}",
        f"Cookie: {cookies}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "",
        "",
    )
    writer.write("\r\n".join(lines).encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 101")
    return writer
