"""The rows of what has moved to S3."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from db import epochs, recording_parts, recordings, stored_folders, trash, users
from db.connection import Database
from db.errors import Missing
from db.recording_parts import Closed, Takeover
from db.recordings import Ended, JoinedParts
from db.stored_folders import ToMove, Waiting
from db.tables import now

ENDED = Ended(1.0, ["original"], 100, {})
FILES = [{"name": "original.opus", "size": 100, "sha256": "0" * 64, "changed_ns": 1}]


@pytest.fixture
async def database(place: Path | str) -> AsyncIterator[Database]:
    async with Database(place) as opened:
        await opened.run(users.create, "alice", "x")
        yield opened


async def recorded(database: Database, name: str, node: str = "") -> int:
    """A recording that is ready."""
    row = await database.run(recordings.begin, "alice", name, None, now(), None, node)
    await database.run(recordings.close, row.id, ENDED)
    await database.run(recordings.finish, row.id, ENDED, True)
    return int(row.id)


async def test_what_waits(database: Database) -> None:
    """Each server sends what has ended there, in pages, and what is in S3 no more; what is on air waits for its end."""
    first, second, others = await recorded(database, "b1", "a"), await recorded(database, "b2", "a"), await recorded(database, "b3", "b")
    await database.run(recordings.begin, "alice", "b4", None, now(), None, "a")
    assert [each.recording for each in await database.read(stored_folders.waiting, "a", 0, 10)] == [first, second]
    assert [each.recording for each in await database.read(stored_folders.waiting, "a", first, 10)] == [second]
    assert [each.recording for each in await database.read(stored_folders.waiting, "", 0, 2)] == [first, second], "one server sends all"
    assert await database.read(stored_folders.count_waiting, "a") == Waiting(2, 200)
    await database.run(stored_folders.add, first, f"recordings/{first}", "recordings/1/x", FILES)
    await database.run(stored_folders.add, first, f"recordings/{first}", "recordings/1/x", FILES)
    assert await database.read(stored_folders.count_waiting, "a") == Waiting(1, 100)
    found = await database.read(stored_folders.find, f"recordings/{first}")
    assert found is not None and (found.place, found.files) == ("recordings/1/x", FILES)
    assert await database.read(stored_folders.find, f"recordings/{others}") is None
    assert await database.read(stored_folders.count_waiting, "c") == Waiting(0, 0)


async def test_what_is_deleted_stays_noted(database: Database) -> None:
    """The row goes with its recording; the folder stays noted for every server until S3 has deleted its part, then for its own server."""
    first = await recorded(database, "b1", "a")
    second = await recorded(database, "b2", "a")
    await database.run(stored_folders.add, first, f"recordings/{first}", "recordings/1/x", FILES)
    folders = await database.run(trash.remove_of, 1)
    with pytest.raises(Missing):
        await database.run(stored_folders.add, first, f"recordings/{first}", "recordings/1/x", FILES)
    assert len(folders) == 2 and await database.read(trash.discarded, "b") == [f"recordings/{first}"]
    await database.run(trash.forget, folders)
    assert await database.read(trash.discarded, "a") == [f"recordings/{first}"], "what has nothing in S3 is forgotten"
    await database.run(trash.forget_stored, f"recordings/{first}", "b")
    assert await database.read(trash.discarded, "b") == [] and await database.read(trash.discarded, "a") == [f"recordings/{first}"]
    await database.run(trash.forget_stored, f"recordings/{first}", "a")
    assert await database.read(trash.discarded, "a") == [] and second


async def test_parts_wait_too(database: Database) -> None:
    """A closed part that lies apart is sent from where it lies, and counted once; noted, its objects go when it is joined, and its files
    where they lie. What has been joined meanwhile is not noted any more.
    """
    epoch = await database.run(epochs.take, 1, "b1")
    tape = await database.run(recordings.begin, "alice", "b1", None, now(), epoch, "a")
    _, taken = await database.run(recording_parts.take_over, Takeover(1, "b1", "b1", "b", 1.0))
    assert taken is not None and await database.read(stored_folders.parts_waiting, "a") == []
    first, second = await database.read(recording_parts.of_recordings, [tape.id])
    for part, begin in ((first, 0.0), (second, 1.0)):
        await database.run(recording_parts.close, part.id, Closed(begin, begin + 1.0, "ab" * 32, 40))
    assert await database.read(stored_folders.parts_waiting, "a") == [ToMove(tape.id, tape.folder, "b1", 40)]
    assert await database.read(stored_folders.count_waiting, "a") == Waiting(1, 40)
    await database.run(recordings.close, tape.id, ENDED, None, "b")
    await database.run(recordings.finish, tape.id, ENDED, True, None, "b")
    assert await database.read(stored_folders.waiting, "b", 0, 9) == [ToMove(tape.id, taken.folder, "b1", 100)]
    assert await database.read(stored_folders.count_waiting, "b") == Waiting(1, 100)
    await database.run(stored_folders.add, tape.id, tape.folder, "recordings/1/x", FILES)
    assert await database.read(stored_folders.parts_waiting, "a") == []
    first, second = await database.read(recording_parts.of_recordings, [tape.id])
    found, none = [await database.read(stored_folders.of_part, part) for part in (first, second)]
    assert found is not None and found.folder == tape.folder and none is None
    joined = JoinedParts(recording_parts.whole_of(taken), taken.folder, [first.id, second.id])
    assert sorted(await database.run(recordings.finish, tape.id, ENDED, True, joined, "b")) == sorted([tape.folder, taken.folder])
    assert await database.read(stored_folders.find, tape.folder) is None
    assert await database.read(trash.discarded, "c") == [tape.folder], "anybody deletes its objects"
    for folder in (tape.folder, taken.folder):
        with pytest.raises(Missing):
            await database.run(stored_folders.add, tape.id, folder, "recordings/1/x", FILES)
