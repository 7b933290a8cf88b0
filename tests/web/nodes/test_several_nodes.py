"""Two real servers with one Redis and one PostgreSQL: what happens at one is told at the other, also after Redis was away."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import msgspec
import pytest

from tests.conftest import StartServer
from tests.end_to_end.test_muted import talking
from tests.support.people import Person, befriend, signed_up
from tests.support.postgres import Postgres
from tests.support.redis import RedisServer
from tests.support.several import Two, a_and_b, at, hearing, ready
from web.nodes.leases import LEASE_S
from web.nodes.record_seal import RecordSeal
from web.nodes.records import NodeRecord


@pytest.fixture
async def two(redis: RedisServer, server: StartServer, postgres_server: Postgres) -> AsyncIterator[Two]:
    async with a_and_b(server, redis, postgres_server) as found:
        yield found


@asynccontextmanager
async def on_air(person: Person) -> AsyncIterator[None]:
    """The person talks at the own server."""
    phone = person.phone()
    try:
        await phone.publish(person.name)
        async with talking(phone):
            yield
    finally:
        await phone.hang_up()


async def test_what_happens_at_one_is_told_at_the_other(two: Two) -> None:
    """Requests, friendships, badges, lists, and the end of friendships and logins, each at the other server than where it happens."""
    async with signed_up(two.a.url, "ada") as ada, signed_up(two.b.url, "bob") as bob, hearing(ada) as adas, hearing(bob) as bobs:
        asked = await ada.call("POST", "/api/friend-request/send", {"username": "bob"}, status=201)
        await bobs.until("friend_request", id=asked["id"], username="ada")
        await bob.call("POST", f"/api/friend-request/{asked['id']}/respond", {"action": "accept"}, status=200)
        await adas.until("friendship", username="bob", friends=True)
        async with on_air(ada):
            await bobs.until("streaming_status_update", username="ada", is_streaming=True)
            [row] = await bob.call("GET", "/api/friends")
            assert (row["username"], row["live"]) == ("ada", True)
            assert row["since"] == (await ada.status())["since"]
            async with hearing(bob) as later:
                await later.until("all_statuses", friends=[row])
            assert (await at(two.b.url, ada).call("GET", "/api/me"))["live"]
            await ada.call("POST", "/api/stream/stop")
            await bobs.until("streaming_status_update", username="ada", is_streaming=False)
        assert [row["live"] for row in await bob.call("GET", "/api/friends")] == [False]
        async with hearing(at(two.b.url, ada)) as elsewhere:
            await bob.call("DELETE", "/api/friends/ada")
            await adas.until("friendship", username="bob", friends=False)
            await ada.call("POST", "/api/logout")
            assert await elsewhere.closed() == 4401


async def test_redis_goes_and_comes_back_empty(two: Two) -> None:
    """While it is away both servers are ready, say so, and show what they knew. When it is back, empty, all is there again: broadcasts
    are shown as before, and requests and friendships of meanwhile are told, those of a server that was killed too. So after FLUSHALL.
    """
    async with (
        signed_up(two.a.url, "ada") as ada,
        signed_up(two.b.url, "bob") as bob,
        signed_up(two.b.url, "cyd") as cyd,
        signed_up(two.a.url, "dan") as dan,
        hearing(bob) as bobs,
        hearing(dan) as dans,
        on_air(cyd),
    ):
        for friend in (ada, cyd):
            await befriend(friend, bob)
        await befriend(cyd, dan)
        asked = await bob.call("POST", "/api/friend-request/send", {"username": "dan"}, status=201)
        await dans.until("streaming_status_update", username="cyd", is_streaming=True)
        two.redis.kill()
        for each in (two.a, two.b):
            await ready(each.url, "Redis")
        assert (await dan.call("GET", "/api/friends"))[0]["live"]  # as known last
        await dan.call("POST", f"/api/friend-request/{asked['id']}/respond", {"action": "accept"}, status=200)
        await ada.call("DELETE", "/api/friends/bob")
        second = await ada.call("POST", "/api/friend-request/send", {"username": "bob"}, status=201)
        two.a.kill()  # with what it had to tell
        await two.a.start()
        bobs.heard.clear()
        await two.redis.start()
        await bobs.until("friend_request", id=second["id"], username="ada")
        await bobs.until("friendship", username="dan", friends=True)
        await bobs.until("friendship", username="ada", friends=False)
        async with asyncio.timeout(20):
            while not {row["username"]: row["live"] for row in await dan.call("GET", "/api/friends")}["cyd"]:
                await asyncio.sleep(0.02)
        async with hearing(dan) as dans:
            await two.redis.do("FLUSHALL")
            async with asyncio.timeout(20):
                while await two.redis.do("EXISTS", "air:cyd", "node:a", "node:b") != 3:
                    await asyncio.sleep(0.02)
            await asyncio.sleep(7)  # until what Redis does not have counts as gone
            assert not [said for _, said in dans.heard if said["type"] == "streaming_status_update"]
            assert {row["username"]: row["live"] for row in await dan.call("GET", "/api/friends")}["cyd"]


async def test_a_killed_node_is_nobodys_badge(two: Two, postgres_server: Postgres) -> None:
    """The badges of a node that was killed end with its record; started again it has its broadcasts, under the epochs that they had, and
    they are shown. Where another node has a higher epoch, the owner ends its own, and leaves the record as it stands."""
    async with signed_up(two.a.url, "ada") as ada, signed_up(two.b.url, "bob") as bob:
        await befriend(ada, bob)
        async with hearing(bob) as bobs:
            async with on_air(ada):
                await bobs.until("streaming_status_update", username="ada", is_streaming=True)
                two.a.kill()
                await bobs.until("streaming_status_update", username="ada", is_streaming=False)
            await two.a.start()
            await bobs.until("streaming_status_update", username="ada", is_streaming=True)
            assert two.ask(postgres_server, "SELECT epoch FROM broadcast_epoch") == [(1,)]
        async with on_air(ada):
            await ada.until("ada", state="live")
            record = b'{"username":"ada","broadcast":"other","node":"b","epoch":999,"state":"ended"}'
            await two.redis.do("SET", "air:ada", record)
            await ada.until("ada", live=False)
            assert await two.redis.do("GET", "air:ada") == record


async def test_an_owner_that_stood_still_writes_nothing(two: Two, postgres_server: Postgres) -> None:
    """Stopped for longer than its lease lasts, and meanwhile another node has taken the broadcast: when it goes on it ends its own, and
    neither the row of the broadcast nor that of the recording is touched."""
    async with signed_up(two.a.url, "ada") as ada, on_air(ada):
        await ada.until("ada", state="live")
        async with asyncio.timeout(60):
            while not two.ask(postgres_server, "SELECT r.state FROM recording r, live_broadcast b WHERE b.tape = r.broadcast"):
                await asyncio.sleep(0.05)
        os.kill(two.a.pid, signal.SIGSTOP)
        try:
            for table, column in (("broadcast_epoch", "epoch = epoch + 1"), ("live_broadcast", "node = 'b'"), ("recording", "node = 'b'")):
                postgres_server.do(f"UPDATE {table} SET {column}", two.database)
            await asyncio.sleep(LEASE_S + 1)
        finally:
            os.kill(two.a.pid, signal.SIGCONT)
        await ada.until("ada", live=False)
        await ready(two.a.url)
        await asyncio.sleep(1)
        assert two.ask(postgres_server, "SELECT b.node, r.node, r.state FROM live_broadcast b, recording r") == [("b", "b", "live")]


async def test_without_redis_at_the_start(redis: RedisServer, server: StartServer) -> None:
    """A server starts and serves while Redis is not there, and is one with it when it comes. /healthz asks nobody. A second one with its
    name, and a database of its own, is noticed by both."""
    redis.kill()
    alone = await server({"redis.url": redis.url, "node.name": "a"})
    await ready(alone.url, "Redis at 127.0.0.1")
    async with aiohttp.ClientSession() as http, http.get(f"{alone.url}/healthz") as answer:
        assert (answer.status, await answer.text()) == (200, "ok\n")
    async with signed_up(alone.url, "ada") as ada, on_air(ada):
        await ada.until("ada", state="live")
        await redis.start()
        await ready(alone.url)
        async with asyncio.timeout(20):
            while not await redis.do("EXISTS", "air:ada"):
                await asyncio.sleep(0.02)
    same = await server({"redis.url": redis.url, "node.name": "a"})
    for each in (alone, same):
        await ready(each.url, "another server is called a too")
    same.stop()
    record = msgspec.json.encode(RecordSeal("").on(NodeRecord(name="b")))  # neither has a node.secret
    await redis.do("SET", "node:b", record)
    told = b'{"node":"b","boot":"1","number":1,"told":{"type":"node","record":' + record + b"}}"
    await redis.do("XADD", "hushcast:events", "*", "event", told)
    await ready(alone.url, "a database of its own")


async def test_a_companion_session_is_at_any_node(two: Two) -> None:
    """Made at one server, joined at the other with code, pass and login: all devices hear each message once, are counted together, and
    the session outlives the server where it was made."""
    async with signed_up(two.a.url, "ada") as ada, aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as phones:
        made = await ada.call("POST", "/api/companions", {"kind": "practice"}, status=201)
        path, code = f"/ws/session/{made['id']}", made["join_url"].partition("#")[2]
        phone = Person("phone", two.b.url, phones)
        async with hearing(ada, path) as desk:
            await desk.until("connection_update", status="connected", devices=1)
            await phone.call("POST", f"/api/companions/{made['id']}/join", {"code": code}, status=200)
            async with hearing(phone, path) as mobile:
                for ear in (desk, mobile):
                    await ear.until("connection_update", status="connected", devices=2)
                await mobile.socket.send_json({"type": "chord_change", "data": {"chord": "Am"}})
                await desk.socket.send_json({"type": "chord_change", "data": {"chord": "C"}})
                for ear in (desk, mobile):
                    for chord in ("Am", "C"):
                        await ear.until("chord_change", chord=chord)
                    assert not [said for _, said in ear.heard if said["type"] == "chord_change"]
            await desk.until("connection_update", status="disconnected", devices=1)
            two.a.kill()
        async with hearing(phone, path) as mobile, hearing(at(two.b.url, ada), path) as desk:
            await desk.until("connection_update", status="connected")
            await mobile.socket.send_json({"type": "chord_change", "data": {"chord": "G"}})
            await desk.until("chord_change", chord="G")
            svg = await at(two.b.url, ada).http.get(f"{two.b.url}/api/companions/{made['id']}/qr.svg")
            assert svg.status == 200
            await two.a.start()
            await ready(two.a.url)
            async with hearing(ada, path) as third:
                await third.until("connection_update", status="connected", devices=3)
                await at(two.b.url, ada).call("DELETE", f"/api/companions/{made['id']}")
                assert await third.closed() == 4404
