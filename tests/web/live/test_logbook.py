"""What the last run has left on air, as the next start finds it."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from db import broadcasts, connection, recordings, users
from db.connection import Database
from db.tables import LiveBroadcast
from sfu.broadcast.snapshots import BroadcastSnapshot
from sfu.config.schema import RecordingConfig
from sfu.elapsed import Moment
from web.live.logbook import Logbook

LEFT = BroadcastSnapshot(
    "one", "ada", "", False, Moment(datetime(2026, 3, 1, tzinfo=UTC), "", 0.0), True, True, True, None, None, "r", "login:1"
)


async def test_a_start_forgets_what_was_over_but_for_its_row(tmp_path: Path) -> None:
    """A kill between the end of a recording and that of the broadcast's row: the next start takes nothing up, and starts."""
    async with Database(tmp_path / "x.db") as database:
        await database.run(users.create, "ada", "x")
        tape = await database.run(recordings.begin, "ada", "one", None, LEFT.began.at)
        async with Logbook(database, tmp_path, RecordingConfig()) as logbook:
            assert not logbook.found
            await logbook.keep(LEFT, None)
        async with Logbook(database, tmp_path, RecordingConfig()) as logbook:
            assert [(each.snapshot, each.tape) for each in logbook.found] == [(LEFT, (tape.id, tmp_path / tape.folder))]
        await database.run(recordings.close, tape.id, recordings.Ended(1.0, ["original"], 1, {}))
        async with Logbook(database, tmp_path, RecordingConfig()) as logbook:
            assert not logbook.found and not logbook.going_on
        assert await database.read(broadcasts.left) == broadcasts.Remains([], [])


async def test_what_was_stopped_while_the_database_was_held_is_forgotten_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup holds the rows at Stop, and the server is stopped before it is tried again: the next start takes nothing up."""
    monkeypatch.setattr(connection, "WAIT_S", 0.2)
    async with Database(tmp_path / "x.db") as database:
        await database.run(users.create, "ada", "x")
        async with Logbook(database, tmp_path, RecordingConfig()) as logbook:
            await logbook.keep(LEFT, None)
            with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as backup:
                backup.execute("BEGIN IMMEDIATE")
                await logbook.forget("one")
                assert len(await database.read(lambda: list(LiveBroadcast.select()))) == 1
        async with Logbook(database, tmp_path, RecordingConfig()) as logbook:
            assert not logbook.found
