"""A server is cut off from the others: the higher epoch wins, and the loser ends its broadcast when it learns of it."""

import asyncio

import pytest

from tests.conftest import StartServer
from tests.support.pair import Pair, joined, metrics, speaking, two_servers
from tests.support.postgres import Postgres
from tests.support.redis import RedisServer
from tests.support.several import hearing
from tests.support.writes import note_all, noted, stale, stale_events

WAIT_S = 40.0
RECORDED = "?denoise=0&record=1"


async def part_and_mend(pair: Pair, cables: str) -> None:
    """alice's broadcast goes on at both sides of the cut, for she offers again at the other one, and her first phone talks on.

    cables: "all" of the owner's, or that "inside" alone, by which other servers ask it.
    """
    async with speaking(pair.alice, RECORDED) as first:
        old = pair.with_broadcast(first.location)
        new, wires = pair.other(old), pair.wires[pair.name(old)]
        broadcast = (await pair.alice.until("alice", live=True))["broadcast"]
        wires_cut = wires.cut if cables == "all" else wires.inside.cut
        async with pair.at(pair.bob, old).phone() as ear, hearing(pair.at(pair.bob, new)) as told:
            await ear.listen("alice")
            await ear.heard(25)
            wires_cut()
            async with speaking(pair.at(pair.alice, new), RECORDED) as second:
                assert pair.with_broadcast(second.location) is new
                assert (await pair.at(pair.bob, new).status("alice"))["broadcast"] == broadcast
                await joined(pair.at(pair.bob, new), "alice")
                if cables == "all":
                    await ear.heard(len(ear.received) + 25)  # it knows of nothing
                wires.mend()
                async with asyncio.timeout(WAIT_S):
                    while "hushcast_resources 0" not in await metrics(pair.bob.http, old.url):
                        await asyncio.sleep(0.05)
                for node in (old, new):
                    bob = pair.at(pair.bob, node)
                    await bob.until("alice", live=True, state="live", broadcast=broadcast)
                    await joined(bob, "alice")
                assert not [
                    said for _, said in told.heard if said["type"] == "streaming_status_update" and not said["data"]["is_streaming"]
                ]
                await pair.at(pair.alice, new).call("POST", "/api/stream/stop")
    for node in (old, new):
        await pair.at(pair.bob, node).until("alice", live=False)


@pytest.mark.slow
@pytest.mark.parametrize("cables", ["all", "inside"])
async def test_the_higher_epoch_wins(server: StartServer, redis: RedisServer, postgres_server: Postgres, cables: str) -> None:
    """Between two servers, or between one and everything: there is one broadcast afterwards, and the loser has written nothing of it."""
    with postgres_server.database("hushcast") as name:
        url = postgres_server.url(name)
        async with two_servers(server, redis.url, url, wired=True) as pair:
            note_all(url)
            await part_and_mend(pair, cables)
            assert not stale(noted(url)) and not await stale_events(redis)


@pytest.mark.slow
async def test_an_older_redis_takes_over(server: StartServer, redis: RedisServer, postgres_server: Postgres, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """A replica that has missed the last writes is promoted: it has a broadcast that is over, and not the one that goes on. Nobody's
    badge blinks, each broadcast is at one server, and the records are right again.
    """
    replica = await RedisServer(tmp_path / "replica", "--replicaof", "127.0.0.1", str(redis.port)).start()
    try:
        with postgres_server.database("hushcast") as name:
            async with two_servers(server, redis.url, postgres_server.url(name), wired=True) as pair:
                await fail_over(pair, redis, replica)
    finally:
        replica.kill()


async def fail_over(pair: Pair, redis: RedisServer, replica: RedisServer) -> None:
    """Between the servers' Redis and its replica, which falls behind first."""
    async with speaking(pair.alice):
        async with asyncio.timeout(WAIT_S):
            while await replica.do("EXISTS", "air:alice") != 1:
                await asyncio.sleep(0.02)
        await replica.do("REPLICAOF", "NO", "ONE")  # from now on it misses everything
        await pair.alice.call("POST", "/api/stream/stop")
    async with speaking(pair.bob), speaking(pair.alice):
        live = {each: (await pair.alice.status(each))["broadcast"] for each in ("alice", "bob")}
        async with hearing(pair.at(pair.alice, pair.one)) as one, hearing(pair.at(pair.bob, pair.two)) as two:
            for told in (one, two):
                await told.until("all_statuses")
            redis.kill()
            for wires in pair.wires.values():
                wires.redis.lead_to(replica.port)
            async with asyncio.timeout(WAIT_S):
                while await replica.do("EXISTS", "air:alice", "air:bob", "node:one", "node:two") != 4:
                    await asyncio.sleep(0.02)
            await asyncio.sleep(7)  # until what Redis does not have counts as gone
            for node in (pair.one, pair.two):
                for person in (pair.alice, pair.bob):
                    [row] = await pair.at(person, node).call("GET", "/api/friends")
                    assert row["live"], (pair.name(node), row)
                    status = await pair.at(person, node).status(row["username"])
                    assert (status["broadcast"], status["state"]) == (live[row["username"]], "live")
                    await joined(pair.at(person, node), row["username"])
            for told in (one, two):
                assert not [said for _, said in told.heard if said["type"] == "streaming_status_update"]
