"""The rows of the parts of a recording: what is joined, taken over or moved, and what has to stay."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from db import broadcasts, epochs, recording_parts, recordings, stored_folders, trash, users
from db.connection import Database
from db.recording_parts import Closed, Takeover
from db.recordings import Ended, JoinedParts
from db.tables import BroadcastEpoch, Recording, now
from tests.db.test_broadcasts import row

ENDED = Ended(1.0, ["original"], 100, {})


@pytest.fixture
async def database(place: Path | str) -> AsyncIterator[Database]:
    async with Database(place) as opened:
        await opened.run(users.create, "alice", "x")
        yield opened


async def taken_over(database: Database, name: str) -> tuple[int, Recording]:
    """A recording of server a with which b goes on; the id of the first part, which is closed, and the recording."""
    broadcast = name.partition(".")[0]
    epoch = await database.run(epochs.take, 1, broadcast)
    await database.run(recordings.begin, "alice", name, None, now(), epoch, "a")
    _, found = await database.run(recording_parts.take_over, Takeover(1, broadcast, name, "b", 1.0))
    assert found is not None
    first, _ = await database.read(recording_parts.of_recordings, [found.id])
    await database.run(recording_parts.close, first.id, Closed(0.0, 1.0, "ab" * 32, 40))
    await database.run(recordings.close, found.id, ENDED, None, "b")
    return first.id, found


async def test_a_part_that_is_not_closed_stays(database: Database) -> None:
    """What is joined without it replaces the recording's folder, and the part lies apart there from then on, to be closed and joined."""
    first, tape = await taken_over(database, "b1")
    joined = JoinedParts(recording_parts.whole_of(tape), tape.folder, [first])
    assert await database.run(recordings.finish, tape.id, ENDED, True, joined, "b") == [f"recordings/{tape.id}"]
    assert await database.read(trash.discarded, "b") == []
    [part] = await database.read(recording_parts.to_close, "b")
    assert (part.folder, part.to_s) == (tape.folder, None)


async def test_what_is_not_closed_does_not_move(database: Database) -> None:
    """A recording that is ready is sent to S3 when its own part is closed, and that is tried again; one that has moved stays as it is."""
    _, tape = await taken_over(database, "b1")
    assert await database.read(recording_parts.left_open, "b") == []
    await database.run(recordings.finish, tape.id, ENDED, True, None, "b")
    assert await database.read(stored_folders.waiting, "b", 0, 9) == []
    assert await database.read(recording_parts.left_open, "a") == []
    [own] = await database.read(recording_parts.left_open, "b")
    assert (own.folder, own.recording.folder) == (None, tape.folder)
    await database.run(stored_folders.add, tape.id, tape.folder, "recordings/1/x", [])
    assert await database.read(recording_parts.left_open, "b") == [], "its files are not here"
    await database.run(recording_parts.close, own.id, Closed(1.0, 2.0, "cd" * 32, 40))
    await database.run(lambda: stored_folders.StoredFolder.delete().execute())
    assert [each.folder for each in await database.read(stored_folders.waiting, "b", 0, 9)] == [tape.folder]
    assert await database.read(recording_parts.left_open, "b") == []


async def newest(database: Database) -> list[tuple[str, int]]:
    return await database.read(lambda: list(BroadcastEpoch.select(BroadcastEpoch.broadcast, BroadcastEpoch.epoch).tuples()))


async def test_nobody_inherits_what_is_on_air(database: Database) -> None:
    """A recording that has ended, of a broadcast that goes on with another: the next epoch would stop who speaks. Later it is inherited."""
    _, tape = await taken_over(database, "one.48000")
    await database.run(recordings.finish, tape.id, ENDED, True, None, "b")
    await database.run(broadcasts.keep, "alice", row("one", tape="one.96000", node="c"), None)
    before = await newest(database)
    assert not await database.run(recording_parts.inherit, tape.id, "b", "a") and await newest(database) == before
    await database.run(broadcasts.forget, "one")
    assert await database.run(recording_parts.inherit, tape.id, "b", "a") and await newest(database) != before
    assert (await database.read(recordings.find, tape.id)).node == "a"


@pytest.mark.parametrize("change", [{"node": "c"}, {"folder": "recordings/1.whole1.b"}])
async def test_what_changes_before_it_is_inherited(database: Database, monkeypatch: pytest.MonkeyPatch, change: dict[str, str]) -> None:
    """Another server was quicker, or its own has joined it after all: no epoch is taken, and nothing is written."""
    _, tape = await taken_over(database, "one")
    before, real = await newest(database), epochs.take

    def meanwhile(user_id: int, broadcast: str) -> int:
        Recording.update(change).where(Recording.id == tape.id).execute()
        return real(user_id, broadcast)

    with monkeypatch.context() as patched:
        patched.setattr(epochs, "take", meanwhile)
        assert not await database.run(recording_parts.inherit, tape.id, "b", "a")
    assert await newest(database) == before
    assert (await database.read(recordings.find, tape.id)).node == "b"
    assert await database.run(recording_parts.inherit, tape.id, "b", "a")
