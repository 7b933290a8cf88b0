"""A limit that several sockets share: the one that sends most is closed, the others stay."""

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType

from tests.web.conftest import House
from tests.web.live.test_companions import open_companions
from tests.web.live.test_sockets import heard
from web.events import presence
from web.events.message_rate import MessageRate


def test_whoever_sends_most_goes() -> None:
    """Of three senders the one with most messages is too fast, whoever sends the message over the limit; a single sender is so itself."""
    pace = MessageRate(20)
    for number in range(15):
        assert pace.too_fast("loud", number / 100) is None
    for number in range(5):
        assert pace.too_fast(f"quiet{number % 2}", 0.2) is None
    assert pace.too_fast("quiet0", 0.21) == "loud"
    assert all(pace.too_fast("quiet1", 0.3 + number / 100) is None for number in range(14))
    assert pace.too_fast("quiet1", 0.5) == "quiet1"
    assert MessageRate(1).too_fast("x", 0.0) is None


def test_a_steady_pace_is_no_flood() -> None:
    """Nineteen messages a second for a minute are below the limit."""
    pace = MessageRate(20)
    assert not any(pace.too_fast(number % 3, number / 19) for number in range(1200))


async def closed(socket: ClientWebSocketResponse) -> int | None:
    """The server's close code, after any messages."""
    while (message := await socket.receive(timeout=20)).type is WSMsgType.TEXT:
        pass
    assert message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED)
    return socket.close_code


async def test_the_devices_of_a_session_share_a_bucket(house: House) -> None:
    """Sixteen devices, each below the limit of one socket: the one that sends most is closed with 4429, a quiet one stays."""
    alice = await house.user("alice")
    session, code = await open_companions(alice)
    devices = [await house.guest().socket(f"/ws/session/{session}?code={code}") for _ in range(16)]
    quiet, loud = devices[0], devices[1]
    for _ in range(4):
        for number, device in enumerate(devices[1:]):
            for _ in range(4 if number == 0 else 1):
                await device.send_json({"type": "ping", "data": {"timestamp": 0}})
    assert await closed(loud) == 4429
    await quiet.send_json({"type": "ping", "data": {"timestamp": 7}})
    while (said := await heard(quiet))["type"] != "pong":
        pass
    assert said["data"] == {"timestamp": 7}
    for device in devices:
        await device.close()


async def test_all_sockets_of_one_user_share_a_bucket(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many sockets of a user that together send too much are closed with 4429; another user's stays."""
    monkeypatch.setattr(presence, "RATE_OF_ONE", 30)
    alice, bob = await house.user("alice"), await house.user("bob")
    sockets, other = [await alice.socket("/ws/presence") for _ in range(12)], await bob.socket("/ws/presence")
    for _ in range(5):
        for socket in sockets:
            await socket.send_json({"type": "ping", "data": {"timestamp": 0}})
    await other.send_json({"type": "ping", "data": {"timestamp": 7}})
    assert await heard(other, "all_statuses") == {"friends": []} and await heard(other, "pong") == {"timestamp": 7}
    for socket in sockets:
        if not socket.closed:
            await socket.send_json({"type": "ping", "data": {"timestamp": 1}})
        while (message := await socket.receive(timeout=20)).type is WSMsgType.TEXT and message.json()["data"] != {"timestamp": 1}:
            pass
    codes = {socket.close_code for socket in sockets}
    assert codes == {4429, None}
    for socket in (*sockets, other):
        await socket.close()
