"""The rows of the parts of a recording: what is joined, taken over or moved, and what has to stay."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from db import epochs, recording_parts, recordings, stored_folders, trash, users
from db.connection import Database
from db.recording_parts import Closed, Takeover
from db.recordings import Ended, JoinedParts
from db.tables import Recording, now

ENDED = Ended(1.0, ["original"], 100, {})


@pytest.fixture
async def database(place: Path | str) -> AsyncIterator[Database]:
    async with Database(place) as opened:
        await opened.run(users.create, "alice", "x")
        yield opened


async def taken_over(database: Database, name: str) -> tuple[int, Recording]:
    """A recording of server a with which b goes on; the id of the first part, which is closed, and the recording."""
    epoch = await database.run(epochs.take, 1, name)
    await database.run(recordings.begin, "alice", name, None, now(), epoch, "a")
    _, found = await database.run(recording_parts.take_over, Takeover(1, name, name, "b", 1.0))
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
