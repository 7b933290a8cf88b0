"""A broadcast that moves from one switchboard to another, as those of two servers: what each tells of it, and when."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from sfu.broadcast.services import NoEvents, PublishOptions
from sfu.broadcast.snapshots import BroadcastSnapshot, NoSnapshots, ResumableBroadcast
from sfu.broadcast.states import BroadcastState
from sfu.broadcast.switchboard import Switchboard
from sfu.config.schema import Config
from sfu.elapsed import Moment
from sfu.fanout.listener import Listener
from sfu.net.media_port import MediaSockets
from sfu.peer.peer import Peer
from tests.sfu.broadcast.test_broadcast import VOICE, Folder, Kept, peer_on, services_of
from tests.sfu.broadcast.test_broadcast import sockets as sockets

AGE_S = 90.0


class Told(NoEvents):
    """What a switchboard reports."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def on_status(self, username: str) -> None:
        self.said.append("status")

    def on_ended(self, username: str, recording: int | None) -> None:
        self.said.append("ended")

    def on_given_up(self, username: str) -> None:
        self.said.append("given up")

    def on_packet_time(self, username: str, packet_ms: int) -> None:
        self.said.append("packet time")


@asynccontextmanager
async def node(folder: Path, memory: NoSnapshots) -> AsyncIterator[tuple[Switchboard, Told, Folder]]:
    """One server's switchboard, what it tells, and its recordings."""
    folder.mkdir()
    told, archive = Told(), Folder(folder)
    services = replace(services_of(Config(), memory), archive=archive, events=told, node=folder.name)
    async with Switchboard(services, lambda *_: pytest.fail("nobody offers by SDP")) as switchboard:
        yield switchboard, told, archive


def left(began: Moment) -> ResumableBroadcast:
    """As the server has it that gives it up: muted, and without denoising."""
    snapshot = BroadcastSnapshot("one", "ada", "Night", False, began, True, True, False, None, None, "resource", "login:1", "one", 0)
    return ResumableBroadcast(snapshot, "user:ada", None)


def speak(peer: Peer, number: int) -> None:
    peer.on_rtp(VOICE._replace(sequence=number, timestamp=960 * number), time.monotonic_ns())


async def test_what_is_expected_is_nothing_until_it_speaks(sockets: MediaSockets, tmp_path: Path, stretch: float) -> None:
    """Then it is the same broadcast, as old as it is, muted, and its recording goes on there at its place on the time line."""
    memory = Kept()
    async with asyncio.timeout(20 * stretch), node(tmp_path / "b", memory) as (switchboard, told, archive):
        now = Moment.now()
        began = Moment(now.at - timedelta(seconds=AGE_S), now.boot, now.boot_s - AGE_S)
        for _ in range(2):  # for a second offer nothing is done twice
            await switchboard.moves.expect(left(began))
        peer, [broadcast] = peer_on(sockets), switchboard.broadcasts
        broadcast.offer(peer, PublishOptions())
        assert not told.said and not switchboard.holds("ada") and not switchboard.tapes and switchboard.live_since("ada") is None
        status = switchboard.status("ada", names=True)
        assert (status["live"], status["node"]) == (False, "")
        speak(peer, 0)
        status = switchboard.status("ada", names=True)
        assert (status["broadcast"], status["title"], status["muted"], status["node"]) == ("one", "Night", True, "b")
        assert status["state"] == "live" and not status["leaving"] and told.said
        assert broadcast.properties.duration_s == pytest.approx(AGE_S, abs=5)
        assert broadcast.properties.tape == "one"
        speak(peer, 1)
        assert await switchboard.stop("ada") == 1
    [totals] = archive.totals
    assert totals.packets == 2 and totals.duration_s == pytest.approx(AGE_S, abs=5)
    assert memory.forgotten == ["one"] and told.said[-1] == "ended"


async def test_what_is_expected_and_does_not_come_was_never_here(sockets: MediaSockets, tmp_path: Path, stretch: float) -> None:
    """Neither told of, nor recorded, nor forgotten, for it is another server's."""
    memory = Kept()
    async with asyncio.timeout(20 * stretch), node(tmp_path / "b", memory) as (switchboard, told, archive):
        await switchboard.moves.expect(left(Moment.now()))
        peer, [broadcast] = peer_on(sockets), switchboard.broadcasts
        broadcast.offer(peer, PublishOptions())
        assert broadcast.withdraw(peer.id)
        broadcast.over.set()
        while switchboard.broadcasts:
            await asyncio.sleep(0)
    assert not told.said and not archive.totals and not memory.forgotten


async def test_what_is_given_up_serves_its_listeners(sockets: MediaSockets, tmp_path: Path, stretch: float) -> None:
    """Its recording ends there and its row is left alone; it is not live here any more, says nothing, and counts as unmoved until its
    listeners have gone."""
    async with asyncio.timeout(20 * stretch), node(tmp_path / "a", NoSnapshots()) as (switchboard, told, archive):
        broadcast = await switchboard._broadcast_of("ada")
        peer, ear = peer_on(sockets), peer_on(sockets)
        broadcast.offer(peer, PublishOptions(denoise=False))
        assert switchboard.moves.unmoved == ["ada"]  # it may speak at any moment
        speak(peer, 0)
        broadcast.audience.join(Listener(ear, "auto", name="bob"))
        switchboard.moves.leaving = True
        assert switchboard.status("ada", names=False)["leaving"]
        switchboard.moves.give_up("ada")
        switchboard.moves.give_up("ada")
        told_then = list(told.said)
        assert told_then.count("given up") == 1 and not switchboard.holds("ada") and not switchboard.status("ada", names=False)["live"]
        speak(peer, 1)
        assert broadcast.ingest.received == 2 and broadcast.state is BroadcastState.LIVE
        assert switchboard.moves.unmoved == ["ada"] and "bob" in switchboard.people()
        while not archive.totals:
            await asyncio.sleep(0.01)
        await broadcast.audience.part(ear.id)
        assert not switchboard.moves.unmoved and told.said == told_then
    [totals] = archive.totals
    assert totals.packets == 1 and told.said == told_then


async def test_what_was_given_up_makes_way(sockets: MediaSockets, tmp_path: Path, stretch: float) -> None:
    """An offer that comes back finds no broadcast that tells nothing: the one given up ends first, and takes no other one with it."""
    async with asyncio.timeout(20 * stretch), node(tmp_path / "a", NoSnapshots()) as (switchboard, _, _):
        for come_back in (lambda: switchboard.moves.expect(left(Moment.now())), lambda: switchboard._broadcast_of("ada")):
            before = await switchboard._broadcast_of("ada")
            peer = peer_on(sockets)
            before.offer(peer, PublishOptions(denoise=False))
            speak(peer, 0)
            switchboard.moves.give_up("ada")
            await come_back()
            [after] = switchboard.broadcasts
            assert after is not before and before.state is BroadcastState.ENDED and not after.over.is_set()
            await switchboard.clear("ada")


async def test_the_page_is_asked_for_nothing_by_whom_it_has_left(sockets: MediaSockets, tmp_path: Path, stretch: float) -> None:
    """With room for a long time a server asks for short packets, and repeats that; not where the broadcast has gone to another one."""
    async with asyncio.timeout(20 * stretch), node(tmp_path / "a", NoSnapshots()) as (switchboard, told, _):
        broadcast = await switchboard._broadcast_of("ada")
        peer = peer_on(sockets)
        broadcast.offer(peer, PublishOptions(denoise=False))
        speak(peer, 0)
        while not broadcast.ingest.samples:
            await asyncio.sleep(0.01)
        asked = list[int]()
        for later_s in (0, 61, 120):
            if later_s == 120:
                switchboard.moves.give_up("ada")
            broadcast._adaptation.look_at_load(time.monotonic_ns() + later_s * 10**9)
            asked.append(told.said.count("packet time"))
        assert asked == [0, 1, 1]
