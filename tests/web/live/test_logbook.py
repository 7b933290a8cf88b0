"""What the last run has left on air, as the next start finds it."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from db import broadcasts, connection, epochs, recordings, users
from db.connection import Database
from db.errors import StaleEpoch
from db.tables import LiveBroadcast
from sfu.broadcast.snapshots import BroadcastSnapshot
from sfu.config.schema import RecordingConfig
from sfu.elapsed import Moment, elapsed_s
from web.live.logbook import Logbook
from web.recordings.fence import NoFence

LEFT = BroadcastSnapshot(
    "one", "ada", "", False, Moment(datetime(2026, 3, 1, tzinfo=UTC), "", 0.0), True, True, True, None, None, "r", "login:1", "one"
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


class Epochs(NoFence):
    """The epochs of a server; `told`: of those that the last run had."""

    def __init__(self, epoch: int | None = None) -> None:
        self.epoch, self.told = epoch, dict[str, int]()

    def kept(self, broadcast: str, epoch: int) -> None:
        self.told[broadcast] = epoch

    async def take(self, username: str, tape: str) -> int | None:
        return self.epoch


async def test_a_broadcast_is_taken_over_with_its_recording(tmp_path: Path) -> None:
    """With the next epoch it goes on at the other server, where the database's clock says that it is, in a folder of its own; hosts' clocks
    may differ by any time. A restarted server knows its epochs. Once the recording is over another one begins.
    """
    async with Database(tmp_path / "x.db") as database:
        ada = await database.run(users.create, "ada", "x")
        epoch = await database.run(epochs.take, ada.id, "one")
        tape = await database.run(recordings.begin, "ada", "one", None, LEFT.began.at, epoch, "a")
        now = Moment.now()
        began = Moment(now.at - timedelta(days=3), now.boot, now.boot_s - 100)  # a wrong wall clock; by the other one 100 s
        async with Logbook(database, tmp_path / "a", RecordingConfig(), "a", Epochs(epoch)) as logbook:
            await logbook.keep(replace(LEFT, began=began), None)
        async with Logbook(database, tmp_path / "a", RecordingConfig(), "a", fence := Epochs()):
            assert fence.told == {"one": epoch}
        row = await database.read(broadcasts.of_user, ada.id)
        assert row is not None
        async with Logbook(database, tmp_path / "b", RecordingConfig(), "b", Epochs()) as other:
            taken = await other.take_over(row)
            left = taken.left
            assert taken.epoch == epoch + 1 and 100 <= left.place / 48_000 < 160
            assert left.tape == (tape.id, tmp_path / "b" / f"recordings/{tape.id}.{taken.epoch}")
            assert (left.snapshot.tape, left.snapshot.origin) == ("one", 0)
            assert abs(elapsed_s(left.snapshot.began, Moment.now()) - left.place / 48_000) < 30
            await database.run(recordings.close, tape.id, recordings.Ended(1.0, ["original"], 1, {}), taken.epoch)
            again = (await other.take_over(row)).left
            assert again.tape is None and again.snapshot.tape == f"one.{again.snapshot.origin}" and again.snapshot.origin == again.place


async def test_a_restarted_server_leaves_what_another_has_taken(tmp_path: Path) -> None:
    """Without an epoch of its own it neither writes nor deletes the row, which is the other server's now."""
    async with Database(tmp_path / "x.db") as database:
        await database.run(users.create, "ada", "x")
        for name, mine in (("one", True), ("two", False)):
            async with Logbook(database, tmp_path, RecordingConfig(), name) as logbook:
                if mine:
                    await logbook.keep(LEFT, None)
                    continue
                with pytest.raises(StaleEpoch):
                    await logbook.keep(LEFT, None)
                await logbook.forget(LEFT.id)
        assert [(each.id, each.node) for each in await database.read(lambda: list(LiveBroadcast.select()))] == [("one", "one")]
