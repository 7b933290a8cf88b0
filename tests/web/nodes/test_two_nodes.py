"""Two real servers with one PostgreSQL and one Redis: whichever is asked, the one that has the broadcast answers; media is direct."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType
from yarl import URL

from tests.conftest import StartServer
from tests.support.pair import Pair, metrics, two_servers
from tests.support.people import Person, befriend
from tests.support.postgres import Postgres
from tests.support.redis import RedisServer
from tests.support.running import Server
from tests.support.several import at as at_url
from tests.support.softphone import Softphone

SDP = "application/sdp"
SILENCE = b"\xf8\xff\xfe"  # 20 ms of Opus
WAIT_S = 20.0


@pytest.fixture
async def community(server: StartServer, redis: RedisServer, postgres_server: Postgres) -> AsyncIterator[Pair]:
    """Both believe what a proxy on this machine says of clients."""
    with postgres_server.database("hushcast") as name:
        async with two_servers(server, redis.url, postgres_server.url(name), http__trusted_proxies=["127.0.0.1"]) as pair:
            yield pair


def at(person: Person, node: Server) -> Person:
    """The same person, by the same login, at this node."""
    return at_url(node.url, person)


@asynccontextmanager
async def on_air(person: Person, query: str = "?denoise=0") -> AsyncIterator[Softphone]:
    """The person broadcasts through the node of `person.url`, until the block ends."""
    async with person.phone() as phone:
        await phone.publish(person.name, query)
        over = asyncio.Event()
        talking = asyncio.create_task(phone.talk([SILENCE] * 6000, until=over))
        try:
            await person.until(person.name, live=True)
            yield phone
        finally:
            over.set()
            await talking


async def next_of(socket: ClientWebSocketResponse, kind: str) -> dict[str, object]:
    """The data of the next message of that type."""
    async with asyncio.timeout(WAIT_S):
        while True:
            message = await socket.receive()
            assert message.type is WSMsgType.TEXT, message
            said = json.loads(message.data)
            if said["type"] == kind:
                found: dict[str, object] = said["data"]
                return found


async def everything_of_a_broadcast_through_the_wrong_node(community: Pair) -> None:
    """A listener who asks the other node hears by the owner's own address; PUT, PATCH, DELETE, commands, statuses and Stop work there."""
    async with on_air(community.alice) as mic:
        right = community.with_broadcast(mic.location)
        wrong = community.other(right)
        alice, bob = at(community.alice, wrong), at(community.bob, wrong)
        live = await bob.until("alice", live=True)
        async with bob.phone() as ear:
            await ear.listen("alice")
            assert community.with_broadcast(ear.location) is right
            assert f" {right.media_port} typ host" in ear.answer and f" {wrong.media_port} typ host" not in ear.answer
            await ear.heard(25)
            await bob.call("PUT", f"{ear.location}/variant", {"variant": "original"}, status=204)
            fragment = {"Origin": wrong.url, "Content-Type": "application/trickle-ice-sdpfrag"}
            candidate = "a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n"
            async with bob.http.patch(wrong.url + ear.location, data=candidate, headers=fragment) as answer:
                assert answer.status == 204, await answer.text()
            assert (await alice.status())["listener_names"] == ["bob"] and (await bob.status("alice"))["listener_names"] is None
            assert [each["live"] for each in await bob.call("GET", "/api/statuses?users=alice")] == [True]
            assert (await alice.call("POST", "/api/stream/denoise", {"enabled": False}))["broadcast"] == live["broadcast"]
            await alice.call("POST", "/api/stream/mute", {"muted": True}, status=204)
            assert (await bob.status("alice"))["muted"]
            assert (await ear.delete(), await ear.delete()) == (200, 404)
        stopped = await alice.call("POST", "/api/stream/stop")
        assert stopped["recording"] is not None
        assert not (await bob.status("alice"))["live"]
        await alice.call("POST", "/api/stream/stop", status=409)


async def a_stream_socket_at_the_other_node(community: Pair) -> None:
    """Those who watch at the other node share one socket: they get states, levels, cues and the end; without watchers it is closed."""
    async with on_air(community.alice) as mic:
        wrong = community.other(community.with_broadcast(mic.location))
        alice, bob = at(community.alice, wrong), at(community.bob, wrong)
        await bob.until("alice", live=True)
        headers = {"Origin": wrong.url}
        own = await alice.http.ws_connect(f"{wrong.url}/ws/stream/alice", headers=headers)
        friends_ = [await bob.http.ws_connect(f"{wrong.url}/ws/stream/alice", headers=headers) for _ in range(2)]
        for socket, names in ((own, []), (friends_[0], None), (friends_[1], None)):
            state = await next_of(socket, "stream_state")
            assert state["live"] and state["listener_names"] == names
            await next_of(socket, "level")
        assert "hushcast_node_sockets 1" in await metrics(bob.http, wrong.url)
        session = await alice.call("POST", "/api/companions", {"kind": "practice"}, status=201)
        async with alice.http.ws_connect(f"{wrong.url}/ws/session/{session['id']}", headers=headers) as phone:
            assert (await next_of(phone, "desk"))["live"]
            await phone.send_json({"type": "chord_change", "data": {"chord": "Am"}})
            chord = await next_of(phone, "chord_change")
            assert isinstance(chord["at_s"], float) and chord["at_s"] > 0
        for socket in friends_:
            assert (await next_of(socket, "cue"))["text"] == "Am"
        await friends_[0].close()
        recording = (await alice.call("POST", "/api/stream/stop"))["recording"]
        for socket in (own, friends_[1]):
            assert (await next_of(socket, "ended"))["recording"] == recording
            await socket.close()
        async with asyncio.timeout(WAIT_S):
            while "hushcast_node_sockets 0" not in await metrics(bob.http, wrong.url):
                await asyncio.sleep(0.02)
        chapters = (await bob.call("GET", "/api/recordings/alice"))[0]["chapters"]
        assert [each["text"] for each in chapters] == ["Am"]


async def a_recording_plays_from_both_nodes(community: Pair) -> None:
    """Sound, ranges, outlines, HEAD and refusals are the same at both nodes, to the byte; the node that has no files has none of it."""
    async with on_air(community.alice) as mic:
        right = community.with_broadcast(mic.location)
        recording = (await community.alice.call("POST", "/api/stream/stop"))["recording"]
    wrong = community.other(right)
    async with asyncio.timeout(WAIT_S):
        while (await community.alice.call("GET", "/api/recordings"))[0]["state"] != "ready":
            await asyncio.sleep(0.05)
    assert not list((wrong.storage / "recordings" / str(recording)).glob("*.opus"))
    for query in ("", "?variant=original&format=opus", "?variant=original&format=flac&download=1"):
        for headers in ({}, {"Range": "bytes=100-299"}, {"Range": "bytes=-50"}, {"Range": "bytes=999999999-"}):
            for method in ("GET", "HEAD"):
                answers = []
                for node in (right, wrong):
                    url = f"{node.url}/api/recording/{recording}/audio{query}"
                    async with community.bob.http.request(method, url, headers=headers) as answer:
                        kept = {name: answer.headers.get(name) for name in ("Content-Length", "Content-Range", "Content-Type", "ETag")}
                        answers.append((answer.status, kept, await answer.read()))
                assert answers[0] == answers[1], (method, query, headers)
                assert answers[0][0] in (200, 206, 416)
    peaks = [await at(community.bob, node).call("GET", f"/api/recording/{recording}/peaks?points=10") for node in (right, wrong)]
    assert peaks[0] == peaks[1]
    await at(community.bob, wrong).call("DELETE", f"/api/recording/{recording}", status=403)
    await at(community.alice, wrong).call("DELETE", f"/api/recording/{recording}", status=204)


async def broadcasters_keep_their_node(community: Pair) -> None:
    """A takeover through whichever node reaches the same broadcast where it is. (Where one begins is for `test_placement`.)"""
    async with on_air(at(community.alice, community.one)) as first, on_air(at(community.bob, community.one)) as second:
        nodes = (community.one, community.two)
        for person, phone in ((community.alice, first), (community.bob, second)):
            broadcast = (await person.status())["broadcast"]
            for node in nodes:
                async with at(person, node).phone() as again:
                    await again.publish(person.name)
                    assert community.with_broadcast(again.location) is community.with_broadcast(phone.location)
                    assert (await at(person, node).status())["broadcast"] == broadcast


async def tokens_and_links_at_the_other_node(community: Pair) -> None:
    """A token publishes, mutes and listens, and a link's bearer listens, through the node that has not got the broadcast."""
    scopes = {"name": "obs", "scopes": ["publish", "listen"]}
    token = (await community.alice.call("POST", "/api/tokens", scopes, status=201))["token"]
    link = (await community.alice.call("POST", "/api/listen-links", status=201))["url"].rpartition("/")[2]
    async with on_air(community.alice) as mic, aiohttp.ClientSession() as http:
        right = community.with_broadcast(mic.location)
        wrong = community.other(right)
        bearer = {"Authorization": f"Bearer {token}"}
        await at(community.bob, wrong).until("alice", live=True)
        for secret in (token, link):
            async with Softphone(http, wrong.url, {"Authorization": f"Bearer {secret}"}) as ear:
                await ear.listen("alice")
                await ear.heard(10)
                assert (await ear.delete()) == 200
        async with http.post(f"{wrong.url}/api/stream/mute", json={"muted": True}, headers=bearer) as answer:
            assert answer.status == 204
        async with http.post(f"{wrong.url}/api/stream/stop", headers=bearer) as answer:
            assert (answer.status, (await answer.json())["code"]) == (403, "wrong_scope")
        async with http.get(f"{wrong.url}/api/listen-link", headers={"Authorization": f"Bearer {link}"}) as answer:
            assert (await answer.json())["live"]
        status = await community.alice.status()
        assert status["muted"] and status["live"]


async def a_body_that_comes_after_the_right_has_ended(community: Pair) -> None:
    """Who may listen while the head of the offer comes, and may not any more when its body does, hears nothing at the other node."""
    async with on_air(community.alice) as mic:
        wrong = community.other(community.with_broadcast(mic.location))
        bob = at(community.bob, wrong)
        await bob.until("alice", live=True)
        cookies = "; ".join(f"{each.key}={each.value}" for each in bob.http.cookie_jar.filter_cookies(URL(wrong.url)).values())
        head = f"POST /whep/alice HTTP/1.1\r\nHost: {URL(wrong.url).authority}\r\nOrigin: {wrong.url}\r\nCookie: {cookies}\r\n"
        head += f"Content-Type: {SDP}\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"
        reading, writing = await asyncio.open_connection(URL(wrong.url).host, URL(wrong.url).port)
        writing.write(head.encode() + b"v=0")
        await asyncio.sleep(0.3)  # it has looked at who asks by now, if it does that first
        await community.alice.call("DELETE", "/api/friends/bob", status=204)
        writing.write(b"\r\n")
        late = int((await reading.readline()).split()[1])
        writing.close()
        await writing.wait_closed()
        async with bob.http.post(f"{wrong.url}/whep/alice", data="v=0\r\n", headers={"Origin": wrong.url, "Content-Type": SDP}) as answer:
            assert answer.status == late and late in (403, 404)
    await befriend(community.alice, community.bob)


async def one_hears_oneself_through_either_node(community: Pair) -> None:
    """The private broadcast is at one node, whichever is asked for it, and is sent to and heard through both."""
    made = await at(community.alice, community.one).call("POST", "/api/hear-yourself", status=201)
    async with at(community.alice, community.two).phone() as mic, at(community.alice, community.one).phone() as ear:
        await mic.publish("alice", "?" + made["whip"].partition("?")[2])
        over = asyncio.Event()
        talking = asyncio.create_task(mic.talk([SILENCE] * 700, until=over))
        async with asyncio.timeout(WAIT_S):
            while not all(
                [(await at(community.alice, node).call("GET", "/api/hear-yourself"))["live"] for node in (community.one, community.two)]
            ):
                await asyncio.sleep(0.05)
        await ear.listen("alice", "?" + made["whep"].partition("?")[2])
        await ear.heard(10)
        over.set()
        await talking
    assert not (await community.bob.status("alice"))["live"]


async def outsiders_cannot_ask_as_a_node(community: Pair) -> None:
    """A client with headers of its own is refused by a real node, and its login does not help it; the refusals are counted."""
    for path in ("/node/handshake", "/node/statuses?users=alice", "/node/stream/alice"):
        async with community.bob.http.get(community.one.url + path) as answer:
            assert (answer.status, (await answer.json())["code"]) == (403, "not_a_node")
    forged = {"Origin": community.one.url, "Hushcast-Node": "e30=", "Hushcast-Node-Mac": "0" * 64}
    async with community.bob.http.post(f"{community.one.url}/api/stream/stop", headers=forged) as answer:
        assert answer.status == 403
    refused = await metrics(community.bob.http, community.one.url)
    assert 'hushcast_node_requests_refused_total{reason="unsigned"} 3' in refused
    assert 'hushcast_node_requests_refused_total{reason="malformed"} 1' in refused


async def a_node_that_is_stopped(community: Pair) -> None:
    """SIGSTOP of the owner: an offer through the other node is answered by that one, and the same broadcast goes on there, muted as it
    was, under a higher epoch; the old owner ends its own, and writes nothing of it.
    """
    async with on_air(community.alice) as mic:
        old = community.with_broadcast(mic.location)
        new = community.other(old)
        alice, bob = at(community.alice, new), at(community.bob, new)
        await bob.until("alice", live=True)  # the other node has heard of it
        await alice.call("POST", "/api/stream/mute", {"muted": True}, status=204)
        broadcast = (await bob.until("alice", live=True, muted=True))["broadcast"]
        os.kill(old.pid, signal.SIGSTOP)
        try:
            async with bob.http.post(f"{new.url}/whep/alice", data=mic.answer, headers={"Origin": new.url, "Content-Type": SDP}) as answer:
                assert (answer.status, (await answer.json())["code"]) == (404, "not_live") and "Retry-After" in answer.headers
            assert (await bob.status("alice"))["live"]  # as the directory has it
            async with on_air(alice) as again, bob.phone() as ear:
                assert community.with_broadcast(again.location) is new
                status = await bob.status("alice")
                assert (status["broadcast"], status["muted"], status["state"]) == (broadcast, True, "live")
                assert status["recording"]["id"] is not None and status["duration_s"] > 0.5
                await ear.listen("alice")
                await ear.heard(25)
                os.kill(old.pid, signal.SIGCONT)
                async with asyncio.timeout(WAIT_S):
                    while (await metrics(bob.http, old.url)).count("hushcast_resources 0") == 0:
                        await asyncio.sleep(0.05)
                assert community.with_broadcast((await _offered_again(at(community.alice, old))).location) is new
                await ear.heard(len(ear.received) + 25)
                assert (await bob.status("alice"))["broadcast"] == broadcast
        finally:
            os.kill(old.pid, signal.SIGCONT)


async def a_node_that_is_killed(community: Pair) -> None:
    """kill -9 of the owner: an offer through the other node is taken there at once, the same broadcast goes on with its recording, and
    listeners hear it; the killed one leaves the broadcast and the recording where they are when it is back.
    """
    async with on_air(community.alice, "?denoise=0&record=1&title=Night") as mic:
        old = community.with_broadcast(mic.location)
        new = community.other(old)
        alice, bob = at(community.alice, new), at(community.bob, new)
        live = await bob.until("alice", live=True)
        await asyncio.sleep(0.5)  # something to record
        first = (await bob.status("alice"))["recording"]["id"]
        old.kill()
        async with on_air(alice) as again, bob.phone() as ear:
            assert community.with_broadcast(again.location) is new
            await ear.listen("alice")
            await ear.heard(25)
            await old.start()
            for node in (new, old):
                status = await at(community.bob, node).until("alice", live=True)
                assert (status["broadcast"], status["title"]) == (live["broadcast"], "Night")
            await ear.heard(len(ear.received) + 25)
            async with asyncio.timeout(WAIT_S):
                while True:
                    [row] = [row for row in await alice.call("GET", "/api/recordings") if row["id"] == first]
                    if row["parts"][0]["sha256"]:
                        break
                    await asyncio.sleep(0.05)
            assert row["state"] == "live" and (await bob.status("alice"))["recording"]["id"] == first


async def _offered_again(person: Person) -> Softphone:
    """A takeover through that node, which hangs up at once."""
    async with person.phone() as phone:
        await phone.publish(person.name)
        return phone


STEPS = (
    everything_of_a_broadcast_through_the_wrong_node,
    a_stream_socket_at_the_other_node,
    a_recording_plays_from_both_nodes,
    broadcasters_keep_their_node,
    tokens_and_links_at_the_other_node,
    a_body_that_comes_after_the_right_has_ended,
    one_hears_oneself_through_either_node,
    outsiders_cannot_ask_as_a_node,
    a_node_that_is_stopped,
    a_node_that_is_killed,
)


async def test_whichever_node_is_asked(community: Pair) -> None:
    """One community for all steps, for servers take long to start. Each step's docstring says what it proves; none leaves a broadcast."""
    for step in STEPS:
        await step(community)
        for person in (community.alice, community.bob):
            if (await person.status())["live"]:
                await person.call("POST", "/api/stream/stop")
            await person.until(person.name, live=False)
