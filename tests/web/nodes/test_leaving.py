"""Two real servers, of which one is told to end: what is on air there goes on at the other one, or waits for its return.

`python3 run.py test -m slow tests/web/nodes/test_leaving.py` runs the rest.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from tests.conftest import StartServer
from tests.support.pair import Pair, two_servers
from tests.support.people import Person
from tests.support.postgres import Postgres
from tests.support.redis import RedisServer
from tests.support.several import at, hearing, until
from tests.support.softphone import Softphone

SILENCE = b"\xf8\xff\xfe"  # 20 ms of Opus
PACKET_MS = 20


@pytest.fixture
async def two(server: StartServer, redis: RedisServer, postgres_server: Postgres, leave_s: float) -> AsyncIterator[Pair]:
    with postgres_server.database("hushcast") as name:
        async with two_servers(server, redis.url, postgres_server.url(name), node__leave_s=leave_s) as pair:
            yield pair


@asynccontextmanager
async def talking(person: Person, query: str = "") -> AsyncIterator[Softphone]:
    """The person sends through the node of `person.url` until the block ends."""
    async with person.phone() as phone:
        await phone.publish(person.name, query)
        over = asyncio.Event()
        task = asyncio.create_task(phone.talk([SILENCE] * 6000, until=over))
        try:
            yield phone
        finally:
            over.set()
            await task


def node_of(phone: Softphone) -> str:
    return phone.location.rpartition("/")[2].partition(".")[0]


def longest_gap_ms(phone: Softphone) -> float:
    times = [arrival for arrival, _ in phone.received]
    return max((after - before) / 1e6 for before, after in pairwise(times))


@pytest.mark.real_time(pair=True)
@pytest.mark.parametrize("leave_s", [25.0])
async def test_what_is_on_air_goes_on_at_the_other_node(two: Pair) -> None:
    """The sockets at both nodes say that the owner leaves. An offer through it is answered by the other one, which tells nothing of the
    broadcast until its first packet comes; then it is there, the same one. A listener at the first node is still sent everything, and is
    told by both where it is. When the listener has followed, the first node ends, long before it has to.
    """
    one, other, alice, bob = two.one, two.two, two.alice, two.bob
    async with talking(alice, "?denoise=0&title=Night") as mic, bob.phone() as ear:
        old, new = (one, other) if node_of(mic) == "one" else (other, one)
        before = await alice.until("alice", state="live", node=node_of(mic), leaving=False)
        await ear.listen("alice")
        await ear.heard(25)
        async with hearing(at(old.url, bob), "/ws/stream/alice") as near, hearing(at(new.url, bob), "/ws/stream/alice") as far:
            ending = asyncio.create_task(asyncio.to_thread(old.stop))
            began_s = time.monotonic()
            for watching in (near, far):
                await watching.until("stream_state", leaving=True, node=node_of(mic))
            async with at(old.url, alice).phone() as again:
                await again.publish("alice")  # and says nothing yet
                assert node_of(again) != node_of(mic)
                assert (await at(new.url, bob).status("alice"))["node"] == node_of(mic)
            async with talking(at(old.url, alice)) as again:
                for watching in (near, far):
                    await watching.until("stream_state", leaving=False, node=node_of(again), state="live", broadcast=before["broadcast"])
                status = await at(new.url, bob).until("alice", state="live", title="Night")
                assert status["duration_s"] >= before["duration_s"] and status["since"] == before["since"]
                await ear.heard(len(ear.received) + 50)  # of the first node, for the broadcaster sends to both
                async with at(old.url, bob).phone() as follower:
                    await follower.listen("alice")
                    assert node_of(follower) == node_of(again)
                    await follower.heard(25)
                    assert not ending.done()
                    assert await ear.delete() == 200
                    await asyncio.wait_for(ending, 20)
                    assert time.monotonic() - began_s < 20
                    await follower.heard(len(follower.received) + 25)
                    assert longest_gap_ms(ear) < 10 * PACKET_MS
                    assert [said["type"] for _, said in (*near.heard, *far.heard)].count("ended") == 0
                    assert await near.closed() == 1001
    async with asyncio.timeout(20):
        await old.start()
        for row in await at(new.url, alice).call("GET", "/api/recordings"):
            assert row["state"] in ("live", "finalising", "ready")


@pytest.mark.slow
@pytest.mark.parametrize("leave_s", [1.0])
async def test_who_does_not_move_is_parked(two: Pair) -> None:
    """A client without a page: the node ends when its time is over, and the next offer goes on with the broadcast at the other one."""
    async with talking(two.alice) as mic:
        old, new = (two.one, two.two) if node_of(mic) == "one" else (two.two, two.one)
        before = await two.alice.until("alice", state="live")
        await asyncio.to_thread(old.stop)
        assert "after 1 s still here: alice" in old.log
    async with talking(at(new.url, two.alice)) as again:
        status = await at(new.url, two.bob).until("alice", state="live")
        assert status["broadcast"] == before["broadcast"] and status["node"] == node_of(again)
    await old.start()


@pytest.mark.slow
@pytest.mark.parametrize("leave_s", [25.0])
async def test_nobody_waits_where_nobody_takes_it(two: Pair) -> None:
    """Without another node that serves, and at a second signal, the end comes at once."""
    async with talking(two.alice) as mic:
        old, new = (two.one, two.two) if node_of(mic) == "one" else (two.two, two.one)
        await two.alice.until("alice", state="live")
        ending = asyncio.create_task(asyncio.to_thread(old.stop))
        await until(lambda: "closing" in old.log)
        await asyncio.sleep(0.3)
        assert not ending.done()
        await asyncio.to_thread(old.stop)
        await ending
        await old.start()
    async with talking(at(new.url, two.alice)) as mic:
        last, first = (two.one, two.two) if node_of(mic) == "one" else (two.two, two.one)
        await at(last.url, two.alice).until("alice", state="live")
        await asyncio.to_thread(first.stop)
        began_s = time.monotonic()
        await asyncio.to_thread(last.stop)
        assert time.monotonic() - began_s < 15
    await two.two.start()
