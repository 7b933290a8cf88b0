"""Hear yourself: a private broadcast that nobody else sees, hears or records."""

import asyncio
from typing import Any

import pytest
from aiortc import RTCCertificate

from db import logins, users
from tests.end_to_end.test_muted import VOICE, talking
from tests.support.people import Person, friends
from tests.support.softphone import Softphone
from tests.support.spoken import packets_of
from tests.web.conftest import House
from web.keys import DB
from web.live import hear_yourself
from web.live.hear_yourself import HEAR_YOURSELF
from web.live.revocation import look_round


async def begun(person: Person) -> str:
    """The query of both addresses."""
    made = await person.call("POST", "/api/hear-yourself", status=201)
    query: str = made["whip"].partition("?")[2]
    assert made == {"whip": f"/whip/{person.name}?{query}", "whep": f"/whep/{person.name}?{query}"}
    return f"?{query}"


async def test_one_hears_oneself_raw_and_clean(server) -> None:
    """Original as it was sent, denoised by the worker, at the same time; friends, their sockets and the recordings know nothing of it."""
    house = await server({"denoise.default": "passthrough"})
    async with friends(house.url, "ada", "ben") as (ada, ben), ada.phone() as mic, ada.phone() as raw, ada.phone() as clean:
        async with ben.http.ws_connect(f"{house.url}/ws/presence", headers={"Origin": house.url}) as socket:
            await socket.receive_json()
            query = await begun(ada)
            await mic.publish("ada", query)
            async with talking(mic):
                async with asyncio.timeout(20):
                    while (status := await ada.call("GET", "/api/hear-yourself"))["denoise"]["state"] != "active":
                        await asyncio.sleep(0.02)
                assert status["live"] and status["recording"] == {"id": None, "failed": None}
                await asyncio.gather(raw.listen("ada", query + "&variant=original"), clean.listen("ada", query + "&variant=denoised"))
                await asyncio.gather(raw.heard(50), clean.heard(50))
                assert {packet.payload for _, packet in raw.received} <= set(VOICE)
                late = [packet for _, packet in clean.received[10:] if packet.payload in VOICE]  # the worker was: the original was sent
                assert len(late) < len(clean.received) / 2
                assert not (await ben.status("ada"))["live"] and not (await ada.status())["live"]
                assert not (await ada.call("GET", "/api/me"))["live"] and not (await ben.call("GET", "/api/friends"))[0]["live"]
                async with ben.phone() as ear:
                    for wish in (query, "", await begun(ben)):  # a ticket of one's own opens nobody else's either
                        assert await refused(ben, ear, "ada", wish) == 404
                await ada.call("POST", "/api/stream/mute", {"muted": True}, status=409)
            await ada.call("DELETE", mic.location)
            await socket.send_json({"type": "ping", "data": {"timestamp": 1}})
            assert (await socket.receive_json())["type"] == "pong"
        async with asyncio.timeout(20):
            while (await ada.call("GET", "/api/hear-yourself"))["state"] != "ended":
                await asyncio.sleep(0.02)
        assert await ada.call("GET", "/api/recordings") == []


async def refused(person: Person, phone: Softphone, broadcaster: str, query: str) -> int:
    """The status with which an offer to listen is refused."""
    headers = {"Origin": person.url, "Content-Type": "application/sdp"}
    body = phone._offer(RTCCertificate.generateCertificate(), "recvonly", False)
    async with person.http.post(f"{person.url}/whep/{broadcaster}{query}", data=body, headers=headers) as response:
        return response.status


async def test_it_does_not_touch_what_is_live(server) -> None:
    """Who is live stays so beside it, and each is ended by its own resource."""
    house = await server({"denoise.default": "passthrough"})
    async with friends(house.url, "ada") as (ada,), ada.phone() as mic, ada.phone() as other:
        await mic.publish("ada", "?title=Tea")
        async with talking(mic):
            live = await ada.until("ada", state="live")
            await other.publish("ada", await begun(ada))
            async with talking(other):
                async with asyncio.timeout(20):
                    while not (private := await ada.call("GET", "/api/hear-yourself"))["live"]:
                        await asyncio.sleep(0.02)
            assert private["broadcast"] != live["broadcast"]
            await ada.call("DELETE", other.location)
            assert (await ada.status())["broadcast"] == live["broadcast"] and (await ada.status())["title"] == "Tea"
        await ada.call("POST", "/api/stream/stop")


async def test_it_ends_by_itself(live_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """When its time is over, whoever still sends; the ticket is good no longer; nothing is left of it."""
    monkeypatch.setattr(hear_yourself, "LIFE_S", 1.0)
    monkeypatch.setattr(hear_yourself, "AFTER_S", 0.1)
    alice = await live_house.user("alice")
    path = (await alice.ask("POST", "/api/hear-yourself"))[1]["whip"]
    private = live_house.app[HEAR_YOURSELF]
    async with Softphone(alice.session, alice.origin) as phone:
        await phone.publish("alice", "?" + path.partition("?")[2])
        phone.send(0, 0, packets_of(1)[0])
        async with asyncio.timeout(20):
            while private._tasks:
                await asyncio.sleep(0.02)
    assert not private.switchboard.people() and not private._tickets
    assert (await alice.raw("POST", path, data="v=0", headers={"Content-Type": "application/sdp"})).status == 404


@pytest.mark.parametrize("act", ["suspend", "logout", "elsewhere"])
async def test_it_ends_with_the_right_to_it(live_house: House, act: str) -> None:
    """With the account's suspension and the login, also where another server or the command line has ended that."""
    owner, alice = await live_house.user("owner"), await live_house.user("alice")
    path = (await alice.ask("POST", "/api/hear-yourself"))[1]["whip"]
    private = live_house.app[HEAR_YOURSELF].switchboard
    async with Softphone(alice.session, alice.origin) as phone:
        await phone.publish("alice", "?" + path.partition("?")[2])
        assert private.people() == {"alice"}
        if act == "suspend":
            assert (await owner.ask("PUT", "/api/admin/users/alice/suspended", {"suspended": True}))[0] == 204
        elif act == "logout":
            assert (await alice.ask("POST", "/api/logout"))[0] == 204
        else:
            user = await live_house.app[DB].read(users.find, "alice")
            await live_house.app[DB].run(logins.remove_of, user.id)
            await look_round(live_house.app)
        assert not private.people() and not private.grants


async def test_they_are_few(live_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """One a user, whose former ticket ends; some for all users together."""
    monkeypatch.setattr(hear_yourself, "MOST", 1)
    alice, bob = await live_house.user("alice"), await live_house.user("bob")
    first = (await alice.ask("POST", "/api/hear-yourself"))[1]["whep"]
    status, second = await alice.ask("POST", "/api/hear-yourself")
    assert status == 201 and second["whep"] != first
    status, answer = await bob.ask("POST", "/api/hear-yourself")
    assert (status, answer["code"]) == (429, "too_many_attempts")

    async def heard(path: str) -> Any:
        return (await alice.ask("POST", path, headers={"Content-Type": "text/plain"}))[1]["code"]

    assert (await heard(first), await heard(second["whep"])) == ("not_found", "unsupported_media_type")
