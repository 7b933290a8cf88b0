"""The fence: whoever owned a broadcast before writes nothing about it any more."""

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from db import broadcasts, chapters, epochs, recording_parts, recordings, trash, users
from db.connection import Database
from db.errors import Missing, StaleEpoch
from db.locks import hold
from db.recording_parts import Closed, Takeover
from db.recordings import Ended, JoinedParts
from db.tables import BroadcastEpoch, LiveBroadcast, Recording, User, now
from tests.db.test_broadcasts import row

OWNERS = 5


@pytest.fixture
async def database(place: Path | str) -> AsyncIterator[Database]:
    async with Database(place) as opened:
        yield opened


@pytest.fixture
async def alice(database: Database) -> User:
    return await database.run(users.create, "alice", "x")


async def test_epochs_rise(database: Database, alice: User) -> None:
    """From 1, over all broadcasts of a user; everybody has their own; of nobody's there is none."""
    bob = await database.run(users.create, "bob", "x")
    taken = [await database.run(epochs.take, alice.id, name) for name in ("one", "one", "two", "one")]
    assert taken == [1, 2, 3, 4] and await database.run(epochs.take, bob.id, "bob's") == 1
    for name, newest in (("one", 4), ("two", 3), ("bob's", 1)):
        await database.run(epochs.check, name, newest)
        await database.run(epochs.check, f"{name}.4800", newest)
        for other in (newest - 1, newest + 1):
            with pytest.raises(StaleEpoch):
                await database.run(epochs.check, name, other)
    with pytest.raises(Missing):
        await database.run(epochs.take, 99, "one")
    many = await asyncio.gather(*(database.run(epochs.take, alice.id, f"b{n % 3}") for n in range(60)))
    assert sorted(many) == list(range(5, 65))


WRITES: tuple[Callable[[int, int, str], object], ...] = (
    lambda _, epoch, name: broadcasts.keep("alice", row(name), "Title", epoch),
    lambda _, epoch, name: broadcasts.forget(name, epoch),
    lambda _, epoch, name: recordings.begin("alice", f"{name}.4800", None, now(), epoch),
    lambda tape, epoch, _: recordings.close(tape, Ended(1.0, ["original"], 5, {}), epoch),
    lambda tape, epoch, _: chapters.add(tape, 1.0, "chord", "Am", epoch),
)


@pytest.mark.parametrize("write", range(len(WRITES)))
async def test_every_write_loses_against_a_newer_epoch(database: Database, alice: User, write: int) -> None:
    """Under the old one nothing changes and it is counted; under the new one it goes through; without one as ever."""
    first = await database.run(epochs.take, alice.id, "one")
    tape = (await database.run(recordings.begin, "alice", "one", "T", now(), first)).id
    await database.run(broadcasts.keep, "alice", row("one"), None, first)
    second = await database.run(epochs.take, alice.id, "one")

    def everything() -> list[dict[str, Any]]:
        return [each for table in (Recording, LiveBroadcast) for each in table.select().dicts()]

    before = await database.read(everything)
    for stale in (first, second + 1, 0):
        with pytest.raises(StaleEpoch):
            await database.run(WRITES[write], tape, stale, "one")
    with pytest.raises(StaleEpoch):
        await database.run(WRITES[0], tape, second, "never taken")
    assert await database.read(everything) == before
    assert database.stale_writes == 4
    await database.run(WRITES[write], tape, second, "one")


async def test_another_broadcast_is_another_fence(database: Database, alice: User) -> None:
    """What is over can still be finalised by its owner while the user is on air elsewhere."""
    first = await database.run(epochs.take, alice.id, "one")
    tape = (await database.run(recordings.begin, "alice", "one", "T", now(), first)).id
    await database.run(epochs.take, alice.id, "two")
    await database.run(recordings.close, tape, Ended(1.0, ["original"], 5, {}), first)
    assert (await database.read(recordings.find, tape)).state == "finalising"


@pytest.mark.parametrize("write", ["close", "chapter"])
async def test_a_takeover_and_a_late_write_do_not_wait_for_each_other(database: Database, alice: User, write: str) -> None:
    """Both lock the epoch before the recording, so none is undone and tried again."""
    first = await database.run(epochs.take, alice.id, "one")
    tape = (await database.run(recordings.begin, "alice", "one", "T", now(), first)).id
    taken, tries = threading.Event(), []

    def take_over() -> None:
        tries.append("takeover")
        epochs.take(alice.id, "one")
        taken.set()
        time.sleep(0.3)
        hold(Recording.select().where(Recording.id == tape)).first()

    def late() -> None:
        tries.append("late")
        if write == "close":
            recordings.close(tape, Ended(1.0, ["original"], 5, {}), first)
        else:
            chapters.add(tape, 1.0, "chord", "Am", first)

    taking = asyncio.create_task(database.run(take_over))
    await asyncio.to_thread(taken.wait, 30)
    with pytest.raises(StaleEpoch):
        await database.run(late)
    await taking
    assert tries == ["takeover", "late"]


async def test_a_part_is_closed_while_its_recording_is_deleted(database: Database, alice: User) -> None:
    """Both lock the recording before its parts, so none is undone and tried again."""
    await database.run(epochs.take, alice.id, "one")
    tape = await database.run(recordings.begin, "alice", "one", "T", now(), 1, "a")
    await database.run(recording_parts.take_over, Takeover(alice.id, "one", "one", "b", 1.0))
    part = (await database.read(recording_parts.of_recordings, [tape.id]))[0]
    await database.run(recordings.interrupt, (), "b")
    await database.run(recordings.finish, tape.id, Ended(1.0, ["original"], 5, {}), True)
    held, tries = threading.Event(), []

    def discard() -> None:
        tries.append("discard")
        found = hold(Recording.select().where(Recording.id == tape.id)).first()
        held.set()
        time.sleep(0.3)
        trash.discard([found])

    def close() -> bool:
        tries.append("close")
        return recording_parts.close(part.id, Closed(0.0, 1.0, "ab" * 32, 5))

    deleting = asyncio.create_task(database.run(discard))
    await asyncio.to_thread(held.wait, 30)
    assert not await database.run(close)
    await deleting
    assert tries == ["discard", "close"]


async def test_a_late_end_leaves_another_nodes_recording_alone(database: Database, alice: User) -> None:
    """Without an epoch too, as after a restart: the server that has lost a recording ends nothing."""
    first = await database.run(epochs.take, alice.id, "one")
    tape = await database.run(recordings.begin, "alice", "one", "T", now(), first, "a")
    await database.run(recording_parts.take_over, Takeover(alice.id, "one", "one", "b", 12.5))
    ended = Ended(12.0, ["original"], 5, {})
    await database.run(recordings.close, tape.id, ended, None, "a")
    assert (await database.read(recordings.find, tape.id)).state == "live"
    await database.run(recordings.close, tape.id, ended, None, "b")
    assert (await database.read(recordings.find, tape.id)).state == "finalising"


async def test_what_is_left_behind_is_closed_by_its_node(database: Database, alice: User) -> None:
    """A recording with which nobody goes on after a takeover ends where it lies: not while it is written, nor while the broadcast has
    its name, nor another node's. One that is begun anew under its name, live at another node, is the same recording.
    """
    first = await database.run(epochs.take, alice.id, "one")
    mine, other = [
        (await database.run(recordings.begin, "alice", f"one.{n}", "T", now(), first, node)).id for n, node in ((1, "a"), (2, "b"))
    ]
    assert await database.run(recordings.close_left_behind, "a", ()) == 0
    second = await database.run(epochs.take, alice.id, "one")
    with pytest.raises(StaleEpoch):
        await database.run(recordings.close, mine, Ended(1.0, ["original"], 5, {}), first)
    await database.run(broadcasts.keep, "alice", {**row("one"), "tape": "one.1", "node": "b"}, None, second)
    assert await database.run(recordings.close_left_behind, "a", ()) == 0
    await database.run(broadcasts.keep, "alice", {**row("one"), "tape": "one.9", "node": "b"}, None, second)
    assert [await database.run(recordings.close_left_behind, "a", but) for but in ([mine], (), ())] == [0, 1, 0]
    assert [(await database.read(recordings.find, each)).state for each in (mine, other)] == ["finalising", "live"]
    again = await database.run(recordings.begin, "alice", "one.2", "T", now(), second, "a")
    assert (again.id, again.node) == (other, "a") and len(await database.read(recording_parts.of_recordings, [other])) == 2


async def test_a_row_of_another_node_is_left_alone(database: Database, alice: User) -> None:
    """Without an epoch, as after a restart: one's own row is written, one that another server has is not, nor another broadcast's."""
    await database.run(broadcasts.keep, "alice", row("one") | {"node": "node-1"}, None)
    await database.run(epochs.check_row, "one", "node-1", "alice")
    await database.run(epochs.check_row, "one", "")
    for username in ("alice", ""):
        with pytest.raises(StaleEpoch):
            await database.run(epochs.check_row, "one", "node-2", username)
    with pytest.raises(StaleEpoch):
        await database.run(epochs.check_row, "two", "node-2", "alice")
    await database.run(epochs.check_row, "two", "node-2")


async def test_no_stale_write_gets_through(database: Database, alice: User) -> None:
    """A thousand tries of five owners who take from each other at any time, also between a check and the write that follows it.

    Each write looks at the newest epoch once more before it ends: another one than its own has taken the broadcast over before it.
    """
    chance = random.Random(12)
    await database.run(recordings.begin, "alice", "one", "T", now())
    refused = 0
    seen: list[tuple[int, int]] = []

    def write(mine: int, pause_s: float) -> tuple[int, int]:
        epochs.check("one", mine)
        time.sleep(pause_s)
        Recording.update(title=f"{mine}").where(Recording.broadcast == "one").execute()
        return mine, int(BroadcastEpoch.get_by_id("one").epoch)

    async def owner() -> None:
        nonlocal refused
        mine = await database.run(epochs.take, alice.id, "one")
        for _ in range(1000 // OWNERS):
            await asyncio.sleep(chance.random() * 0.002)
            if chance.random() < 0.1:
                mine = await database.run(epochs.take, alice.id, "one")
            try:
                seen.append(await database.run(write, mine, chance.random() * 0.003))
            except StaleEpoch:
                refused += 1

    await asyncio.gather(*(owner() for _ in range(OWNERS)))
    assert [each for each in seen if each[0] != each[1]] == [] and refused + len(seen) == 1000
    assert refused > 100 and len(seen) > 20 and database.stale_writes == refused


async def test_a_takeover_goes_on_with_the_recording(database: Database, alice: User) -> None:
    """With the epoch the new node gets the row and a folder of its own; what lies at the old one is closed there, ends nothing, and is
    counted once. Joined, the row has the whole, and the rest is to be deleted at each node; so are all parts with the recording.
    """
    first = await database.run(epochs.take, alice.id, "one")
    tape = await database.run(recordings.begin, "alice", "one", "T", now(), first, "a")
    epoch, taken = await database.run(recording_parts.take_over, Takeover(alice.id, "one", "one", "b", 12.5))
    assert taken is not None and (epoch, taken.id, taken.node) == (first + 1, tape.id, "b") and taken.folder != tape.folder
    with pytest.raises(StaleEpoch):
        await database.run(recordings.close, tape.id, Ended(12.0, ["original"], 5, {}), first)
    assert await database.run(recordings.interrupt, (), "a") == 0 and await database.run(trash.discard_empty, tape.id, "a") == []
    [part] = await database.read(recording_parts.to_close, "a")
    assert part.folder == tape.folder and await database.read(recording_parts.to_close, "a", [tape.id]) == []
    await database.run(recordings.close, tape.id, Ended(20.0, ["original"], 100, {}), epoch)
    own = next(each for each in await database.read(recording_parts.of_recordings, [tape.id]) if each.node == "b")
    assert await database.run(recording_parts.close, own.id, Closed(12.75, 20.0, "cd" * 32, 100))
    await database.run(recordings.finish, tape.id, Ended(20.0, ["original"], 110, {}), True)
    assert await database.read(recording_parts.to_join, "b") == []  # one is still open
    assert await database.run(recording_parts.close, part.id, Closed(0.0, 12.25, "ab" * 32, 50))
    assert not await database.run(recording_parts.close, part.id, Closed(0.0, 1.0, None, 0))
    assert await database.read(recordings.used_bytes, alice.id) == 160
    [listed] = await database.read(recordings.of_user, alice.id, 10)
    told = [(each.node, each.epoch, each.from_s, each.to_s, each.sha256) for each in listed.parts]
    assert told == [("a", first, 0.0, 12.25, "ab" * 32), ("b", epoch, 12.75, 20.0, "cd" * 32)]
    assert [each.id for each in await database.read(recording_parts.to_join, "b")] == [tape.id]
    whole = recording_parts.whole_of(listed)
    joined = JoinedParts(whole, taken.folder, [each.id for each in listed.parts])
    assert await database.run(recordings.finish, tape.id, Ended(20.0, ["original"], 140, {}), True, joined, "c") == []
    gone = await database.run(recordings.finish, tape.id, Ended(20.0, ["original"], 140, {}), True, joined, "b")
    assert sorted(gone) == sorted([tape.folder, taken.folder]) and await database.read(recordings.used_bytes, alice.id) == 140
    assert [await database.read(trash.discarded, node) for node in "ab"] == [[tape.folder], [taken.folder]]
    found = await database.read(recordings.find, tape.id)
    assert (found.folder, found.node, found.state) == (whole, "b", "ready") and await database.read(recording_parts.to_join, "b") == []


async def test_all_parts_are_deleted_with_the_recording(database: Database, alice: User) -> None:
    """Each at its node; a part without anything does not lie apart any more; a third owner has the row."""
    first = await database.run(epochs.take, alice.id, "one")
    tape = await database.run(recordings.begin, "alice", "one", "T", now(), None, "a")  # without an epoch it has no part yet
    for node in ("b", "a"):
        await database.run(recording_parts.take_over, Takeover(alice.id, "one", "one", node, 1.0))
    parts = await database.read(recording_parts.of_recordings, [tape.id])
    assert [(each.node, each.epoch) for each in parts] == [("a", 0), ("b", first + 1), ("a", first + 2)]
    assert await database.run(recording_parts.close, parts[1].id, Closed(0.0, 0.0, None, 0))
    assert await database.read(recording_parts.to_close, "b") == [] and await database.read(trash.discarded, "b") == [parts[1].folder]
    assert await database.run(trash.discard_empty, tape.id, "a") == []  # others have recorded
    assert (await database.read(recordings.find, tape.id)).state == "finalising"
    await database.run(trash.remove_of, alice.id)
    names = {f"recordings/{tape.id}{end}" for end in ("", f".{first + 2}")}
    assert set(await database.read(trash.discarded, "a")) == names
    assert not await database.run(recording_parts.close, parts[0].id, Closed(0.0, 1.0, "ab" * 32, 5))


async def test_an_empty_part_does_not_take_another_ones_folder(database: Database, alice: User) -> None:
    """One that was closed with nothing in it lies nowhere, also when the recording goes on at yet another node."""
    await database.run(epochs.take, alice.id, "one")
    tape = await database.run(recordings.begin, "alice", "one", "T", now(), 1, "a")
    for node in ("b", "c"):
        await database.run(recording_parts.take_over, Takeover(alice.id, "one", "one", node, 1.0))
    empty = (await database.read(recording_parts.of_recordings, [tape.id]))[1]
    assert await database.run(recording_parts.close, empty.id, Closed(0.0, 0.0, None, 0))
    _, taken = await database.run(recording_parts.take_over, Takeover(alice.id, "one", "one", "d", 2.0))
    assert taken is not None
    parts = await database.read(recording_parts.of_recordings, [tape.id])
    places = [("a", tape.folder), ("b", None), ("c", f"recordings/{tape.id}.3"), ("d", None)]
    assert [(part.node, part.folder) for part in parts] == places
    await database.run(trash.remove_of, alice.id)
    assert await database.read(trash.discarded, "c") == [f"recordings/{tape.id}.3"]


async def test_a_recording_that_is_over_is_not_taken_over(database: Database, alice: User) -> None:
    """The epoch is taken, and no part begins."""
    first = await database.run(epochs.take, alice.id, "one")
    tape = await database.run(recordings.begin, "alice", "one", "T", now(), first, "a")
    await database.run(recordings.interrupt, (), "a")
    for name in ("one", None):
        epoch, taken = await database.run(recording_parts.take_over, Takeover(alice.id, "one", name, "b", 1.0))
        assert taken is None and epoch > first
    assert (await database.read(recordings.find, tape.id)).node == "a"


async def test_a_recording_moves_with_the_epoch(database: Database, alice: User) -> None:
    """Of a broadcast that another node gives up: whoever takes the epoch has the recording with it, and begins none. What it cannot write
    until the broadcast is over ends there. One that is not recorded, or is this node's, or has no row, is a new epoch and no more.
    """
    first = await database.run(recording_parts.take, alice.id, "one", "a")
    tape = await database.run(recordings.begin, "alice", "one.48000", "T", now(), first, "a")
    row_of = {**row("one"), "tape": "one.48000", "origin": 48_000, "node": "a"}
    await database.run(broadcasts.keep, "alice", {**row_of, "zero_s": await database.read(broadcasts.clock_s) - 11.0}, None, first)
    assert await database.run(recording_parts.take, alice.id, "one", "a") == first + 1
    assert len(await database.read(recording_parts.of_recordings, [tape.id])) == 1
    second = await database.run(recording_parts.take, alice.id, "one", "b")
    found = await database.read(recordings.find, tape.id)
    assert (found.node, found.folder, found.state) == ("b", f"recordings/{tape.id}.{second}", "live")
    parts = await database.read(recording_parts.of_recordings, [tape.id])
    assert [(part.node, part.epoch) for part in parts] == [("a", first), ("b", second)] and parts[1].from_s == pytest.approx(10.0, abs=5)
    for _ in range(2):  # the answer may have been lost
        again = await database.run(recordings.begin, "alice", "one.48000", "T", now(), second, "b")
        assert (again.id, again.folder) == (tape.id, found.folder)
    assert [part.id for part in await database.read(recording_parts.to_close, "a")] == [parts[0].id]
    assert await database.run(recordings.close_left_behind, "b", ()) == 0
    await database.run(broadcasts.forget, "one", second)
    assert [await database.run(recordings.close_left_behind, "b", but) for but in ([tape.id], ())] == [0, 1]
    await database.run(broadcasts.keep, "alice", row_of, None, second)
    await database.run(recording_parts.take, alice.id, "one", "b")  # its recording is over
    assert len(await database.read(recording_parts.of_recordings, [tape.id])) == 2


async def test_where_a_recording_goes_on_no_hosts_clock_is_compared(database: Database, alice: User) -> None:
    """The epoch was taken before there was a row: a recording, begun by a clock that is days off, goes on where the database says."""
    first = await database.run(epochs.take, alice.id, "one")
    tape = await database.run(recordings.begin, "alice", "one.48000", "T", now() - timedelta(days=3), first, "a")
    second = await database.run(recording_parts.take, alice.id, "one", "b")
    zero_s = await database.read(broadcasts.clock_s) - 101.0
    row_of = row("one", tape="one.48000", origin=48_000, node="b", zero_s=zero_s)
    await database.run(broadcasts.keep, "alice", row_of, None, second)
    await database.run(recordings.begin, "alice", "one.48000", "T", now(), second, "b")
    parts = await database.read(recording_parts.of_recordings, [tape.id])
    assert parts[-1].node == "b" and parts[-1].from_s == pytest.approx(100.0, abs=30)
