"""A full disk, another program's lock, a file that goes: what still works, what is refused with which word, what the log says.

Of a SQLite file; `test_postgres` has the like.
"""

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import peewee
import pytest

from db import connection, logins, tokens, users
from db.connection import TABLES, WAIT_S, Database
from db.errors import Unavailable
from db.tables import Recording, User
from tests.support.disks import fill, small_disk

MB = 1 << 20


@contextmanager
def locked(path: Path, how: str = "IMMEDIATE") -> Iterator[sqlite3.Connection]:
    """Another program that writes, for as long as it likes."""
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute(f"BEGIN {how}")
    try:
        yield other
    finally:
        other.close()


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.startswith("db")]


def write_much() -> None:
    for number in range(200):
        User.create(username=f"user{number:05}", password_hash="x" * 1000)


async def test_a_full_disk_refuses_writes_and_no_reads(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What reads goes on, what writes is storage_full, one line says so and nothing of a rollback; with room again all is as before."""
    with small_disk(tmp_path / "disk", 2 * MB) as disk:
        async with Database(disk / "x.db") as database:
            await database.run(users.create, "alice", "x")
            filling = fill(disk)
            for _ in range(5):
                with pytest.raises(Unavailable) as refused:
                    await database.run(write_much)
                assert refused.value.code == "storage_full"
                assert [user.username for user in await database.read(users.everybody)] == ["alice"]
            with pytest.raises(Unavailable, match="storage_full"):
                await database.check()
            [line] = lines(caplog)
            assert "cannot be written: storage_full" in line and "is full" in line
            filling.unlink()
            await database.check()
            assert "can be written again; 6 questions" in lines(caplog)[-1]
            await database.run(users.create, "bob", "x")
    assert not [record for record in caplog.records if record.exc_info]


async def test_what_may_be_left_out_is_left_out(tmp_path: Path) -> None:
    """A note on a full disk is no error, and after the first failure it is not even tried."""
    with small_disk(tmp_path / "disk", 2 * MB) as disk:
        async with Database(disk / "x.db") as database:
            user = await database.run(users.create, "alice", "x")
            token = await database.run(tokens.add, user.id, "obs", ["publish"], "digest")
            added = await database.run(logins.add, user.id, "digest", "", "", "x")
            fill(disk)
            assert await database.note(write_much) is None
            assert await database.note(logins.touch, added.login.digest) is None
            assert await database.note(tokens.touch, token.id) is None
            assert database.writing.refused == {"storage_full": 1}
            assert await database.read(logins.find, "digest") is not None


async def test_a_lock_of_another_program_holds_up_no_read(tmp_path: Path) -> None:
    """While somebody else writes for long, reads are answered, and see all that was written before."""
    async with Database(tmp_path / "x.db") as database:
        for how in ("IMMEDIATE", "EXCLUSIVE"):
            await database.run(users.create, how, "x")
            with locked(tmp_path / "x.db", how):
                assert await database.read(users.find, how) is not None
                assert await database.note(users.create, "note", "x") is None
                with pytest.raises(Unavailable, match="database_busy"):
                    await database.check()
            await database.check()


async def test_writers_wait_together_and_not_one_after_another(tmp_path: Path, stretch: float) -> None:
    """Twenty writes against a lock are all refused after the time of one, and go through when it is gone."""
    async with Database(tmp_path / "x.db") as database:
        with locked(tmp_path / "x.db"):
            began = time.monotonic()
            refused = await asyncio.gather(*(database.run(users.create, f"user{n}", "x") for n in range(20)), return_exceptions=True)
            assert {each.code for each in refused if isinstance(each, Unavailable)} == {"database_busy"} and len(refused) == 20
            assert time.monotonic() - began < 2 * WAIT_S * stretch < 20 * WAIT_S
        await asyncio.gather(*(database.run(users.create, f"user{n}", "x") for n in range(20)))
        assert len(await database.read(users.everybody)) == 20


async def test_a_short_lock_is_waited_for(tmp_path: Path) -> None:
    """What lets go in time costs nobody an answer."""
    async with Database(tmp_path / "x.db") as database:
        with locked(tmp_path / "x.db") as other:
            writing = asyncio.create_task(database.run(users.create, "alice", "x"))
            await asyncio.sleep(0.2)
            assert not writing.done()
            other.execute("ROLLBACK")
            await writing


async def test_a_lock_on_everything_is_refused_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In locking_mode = EXCLUSIVE another program keeps readers out too: the opening then says that it is busy."""
    monkeypatch.setattr("db.opening.LOOK_S", 0.2)
    async with Database(tmp_path / "x.db"):
        pass
    other = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(Unavailable, match="database_busy"):
            async with Database(tmp_path / "x.db"):
                pass
    finally:
        other.close()


async def test_who_waits_in_the_row_is_refused_at_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question behind one that takes long is not kept until that ends, and is not asked afterwards."""
    monkeypatch.setattr(connection, "WAIT_S", 0.2)
    asked: list[str] = []
    async with Database(tmp_path / "x.db") as database:
        slow = asyncio.create_task(database.read(time.sleep, 2.0))
        await asyncio.sleep(0.05)
        with pytest.raises(Unavailable, match="database_busy"):
            await database.read(asked.append, "late")
        assert not slow.done()
        await slow
        await database.read(asked.append, "in time")
    assert asked == ["in time"]


async def test_a_reader_cannot_write(tmp_path: Path) -> None:
    """A function that writes fails in the reading thread as a fault of the program, and nothing is written."""
    async with Database(tmp_path / "x.db") as database:
        with pytest.raises(peewee.OperationalError, match="readonly"):
            await database.read(users.create, "alice", "x")
        assert await database.read(users.everybody) == []


async def test_a_read_sees_the_write_before_it(tmp_path: Path) -> None:
    """However many ask at once, who has been answered finds what was written."""

    async def write_and_read(database: Database, name: str) -> bool:
        await database.run(users.create, name, "x")
        return await database.read(users.find, name) is not None

    async with Database(tmp_path / "x.db") as database:
        assert all(await asyncio.gather(*(write_and_read(database, f"user{n}") for n in range(100))))


@pytest.mark.parametrize("what", ["gone", "replaced"])
async def test_a_file_that_is_moved_away_is_missed(tmp_path: Path, what: str) -> None:
    """Deleted or replaced while in use: nothing is written into a file that nobody will ever see again."""
    async with Database(tmp_path / "x.db") as database:
        (tmp_path / "x.db").rename(tmp_path / "moved.db")
        if what == "replaced":
            (tmp_path / "x.db").write_bytes((tmp_path / "moved.db").read_bytes())
        for ask in (database.run, database.read):
            with pytest.raises(Unavailable, match="database_away"):
                await ask(users.everybody)
        (tmp_path / "moved.db").replace(tmp_path / "x.db")
        assert await database.run(users.everybody) == []


async def test_damage_while_running_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Pages that turn to nonsense, and values that nobody wrote, are database_away, in one line."""
    async with Database(tmp_path / "x.db") as database:
        await database.run(write_much)
        await database.run(TABLES.execute_sql, "UPDATE user SET created_at = 'yesterday' WHERE id = 1")
        for _ in range(3):
            with pytest.raises(Unavailable, match="database_away"):
                await database.read(users.everybody)
        [line] = lines(caplog)
        assert "'yesterday' in user.created_at" in line
    with (tmp_path / "x.db").open("r+b") as file:
        size = file.seek(0, 2)
    async with Database(tmp_path / "x.db") as database:
        with (tmp_path / "x.db").open("r+b") as file:
            file.seek(4096)
            file.write(b"\xa5" * (size - 4096))
        with pytest.raises(Unavailable, match="database_away"):
            await database.read(lambda: list(Recording.select()) + list(User.select()))


async def test_a_cancelled_question_leaves_nothing_behind(tmp_path: Path) -> None:
    """Who hangs up while waiting for its turn is forgotten; the next ones are answered."""
    done: list[int] = []
    async with Database(tmp_path / "x.db") as database:
        slow = asyncio.create_task(database.run(time.sleep, 0.2))
        await asyncio.sleep(0.05)
        waiting = [asyncio.create_task(database.run(done.append, n)) for n in range(10)]
        await asyncio.sleep(0.05)
        for task in waiting[:5]:
            task.cancel()
        await asyncio.gather(slow, *waiting, return_exceptions=True)
    assert done == [5, 6, 7, 8, 9]
