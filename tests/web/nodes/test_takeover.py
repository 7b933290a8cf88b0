"""A broadcast of a node that does not answer, taken over here."""

import asyncio
from pathlib import Path
from typing import Any, cast
from weakref import WeakValueDictionary

import pytest
from aiohttp import web

from db import broadcasts, epochs, users
from db.tables import User
from sfu.broadcast.services import PublishOptions
from sfu.config.schema import Config, NodeConfig, RedisConfig, StorageConfig
from sfu.net.media_port import MediaSockets
from tests.db.test_broadcasts import row
from tests.sfu.broadcast.test_broadcast import peer_on
from tests.sfu.broadcast.test_broadcast import sockets as sockets
from tests.sfu.broadcast.test_moves import speak
from tests.web.conftest import House
from web.keys import DB, NODE, SWITCHBOARD
from web.live.logbook import LOGBOOK
from web.nodes.directory import DIRECTORY
from web.nodes.leases import Leases
from web.nodes.membership import MEMBERSHIP, NodeMembership
from web.nodes.record_seal import RecordSeal
from web.nodes.records import AirRecord, NodeRecord
from web.signalling.takeover import TURNS, take_over


async def node_b(live_house: House, tmp_path: Path) -> tuple[web.Application, User]:
    """A node, and alice, whose broadcast is at another one that does not answer."""
    await live_house.user("alice")
    database = live_house.app[DB]
    config = Config(node=NodeConfig(name="b"), redis=RedisConfig(url="redis://127.0.0.1:1"), storage=StorageConfig(path=tmp_path))
    membership = NodeMembership(config, lambda record: record)
    parts: dict[Any, Any] = {each: live_house.app[each] for each in (DB, SWITCHBOARD, LOGBOOK)}
    parts |= {NODE: "b", MEMBERSHIP: membership, DIRECTORY: membership.directory, TURNS: WeakValueDictionary()}
    await database.run(broadcasts.keep, "alice", row("one", node="a", record=False), None)
    membership.directory.take(AirRecord(username="alice", broadcast="one", node="a", epoch=1))
    return cast(web.Application, parts), await database.read(users.find, "alice")


async def test_offers_at_once_take_it_over_once(live_house: House, tmp_path: Path) -> None:
    """Each waits for its turn; those after the first find the broadcast here and take no epoch, and nothing is kept of the turns."""
    app, alice = await node_b(live_house, tmp_path)
    await asyncio.gather(*(take_over(app, alice) for _ in range(5)))
    assert live_house.app[SWITCHBOARD].status("alice", names=False)["broadcast"] == "one"
    assert (await app[DB].read(users.find, "alice")).epoch == 1 and not app[TURNS]


async def test_a_node_that_dies_while_it_leaves_changes_nothing(live_house: House, tmp_path: Path) -> None:
    """Its broadcast is expected here already: another offer finds that one, and takes nothing before its first packet."""
    app, alice = await node_b(live_house, tmp_path)
    there = await app[DB].read(broadcasts.of_user, alice.id)
    assert there is not None
    await app[SWITCHBOARD].moves.expect(await app[LOGBOOK].given_up(there))
    [expected] = app[SWITCHBOARD].broadcasts
    await take_over(app, alice)
    assert [*app[SWITCHBOARD].broadcasts] == [expected] and (await app[DB].read(users.find, "alice")).epoch == 0


@pytest.mark.parametrize("over", [False, True])
async def test_what_is_taken_back_outlasts_what_was_given_up(live_house: House, tmp_path: Path, sockets: MediaSockets, over: bool) -> None:
    """The node that had it has died: the broadcast that was given up here, or that still ends, is closed before the other one begins."""
    app, alice = await node_b(live_house, tmp_path)
    switchboard = app[SWITCHBOARD]
    before, peer = await switchboard._broadcast_of("alice"), peer_on(sockets)
    before.offer(peer, PublishOptions(denoise=False))
    speak(peer, 0)
    async with asyncio.timeout(20):
        while (await app[DB].read(broadcasts.of_user, alice.id)).id != before.id:
            await asyncio.sleep(0.01)
    await app[DB].run(broadcasts.keep, "alice", row("one", node="a", record=False), None)  # it has gone on there meanwhile
    switchboard.moves.give_up("alice")
    if over:
        before.over.set()
    held = switchboard._tasks["alice"]
    await take_over(app, alice)
    before.over.set()
    await asyncio.wait({held})
    [after] = switchboard.broadcasts
    assert after.id == "one" and switchboard.holds("alice")


async def test_what_comes_back_from_a_node_that_leaves_has_a_new_epoch(live_house: House, tmp_path: Path, sockets: MediaSockets) -> None:
    """This node had it before and lives on: the epoch of that time is no good. What is still written about that time keeps it."""
    app, alice = await node_b(live_house, tmp_path)
    database, membership, switchboard = app[DB], app[MEMBERSHIP], app[SWITCHBOARD]
    before, others = [await database.run(epochs.take, alice.id, "one") for _ in range(2)]
    membership._leases = Leases(database, membership.directory, switchboard, {"one": before})
    membership.directory.meet(RecordSeal(NodeConfig().secret).on(NodeRecord(name="a", state="draining")))
    await take_over(app, alice)
    [broadcast] = switchboard.broadcasts
    assert switchboard.moves.is_expected("alice") and membership.epoch_of("one") == before
    broadcast.offer(peer := peer_on(sockets), PublishOptions())
    speak(peer, 0)
    assert await membership.take("alice", "one") == others + 1 == membership.epoch_of("one")
    await take_over(app, alice)  # another offer, now that it is here
    assert await membership.take("alice", "one") == others + 1
