"""Backup and restore on both kinds of database, and from either into either: every row, file and login is there."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from db import migrations, row_copy, search, stored_folders, users
from db.connection import TABLES, Database
from tests.support.postgres import Postgres
from tests.web.cli.conftest import Empty, Filled
from tests.web.cli.installations import backed_up, installed
from tests.web.conftest import PASSWORD, Guest, OpenHouse
from tests.web.on_both import database_of
from tests.web.recordings.test_recordings import sound, tape, until
from web.keys import DB

__all__ = ["database_of"]  # for open_house

WAYS = [("sqlite", "sqlite"), ("sqlite", "postgres"), ("postgres", "sqlite"), ("postgres", "postgres")]


@pytest.mark.parametrize(("before", "after"), WAYS)
async def test_from_each_into_each(
    before: str, after: str, postgres_server: Postgres, filled: Filled, empty: Empty, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each row and file, private; ids go on where they were, after those that were taken away too; the search finds names."""
    old, new, file = filled(before), empty(after), tmp_path / "a.tar.gz"
    had = await old.rows()
    assert await asyncio.to_thread(old.backup, file) == 0 and "found good" in capsys.readouterr().out
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.tar.gz", "new", "old"]
    assert await asyncio.to_thread(new.restore, file) == 0
    assert await new.rows() == had == await old.rows() and all(had.values())
    wanted = backed_up(old.files())
    assert new.files() == wanted | {"config-of-backup.toml": old.settings.read_bytes()} and len(wanted) == 5
    assert all(each.stat().st_mode & 0o077 == 0 for each in new.storage.rglob("*"))
    async with Database(old.place) as one, Database(new.place) as other:
        ids = [(await database.run(users.create, "next", "x")).id for database in (one, other)]
        assert ids[0] == ids[1] == max(id for id, *_ in had["User"]) + 2
        assert [name for name, _ in await other.read(search.search, 1, "ERSON698")] == ["Person698"]


async def test_while_it_is_written(
    open_house: OpenHouse, database_of: Callable[[Path], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a server that goes on: rows of one moment. Wiped and restored, who was signed in is, and hears the recording as before."""
    house = await open_house("house")
    alice, bob = await house.friends("alice", "bob")
    recording = await tape(house, "alice", seconds=1)
    listed = await until(alice, recording)
    _, heard, _ = await sound(bob, recording)
    database, pairs, file = house.app[DB], [0], tmp_path / "a.tar.gz"
    writing = asyncio.create_task(_write(database, pairs))
    while pairs[0] < 3:
        await asyncio.sleep(0.01)
    before, storage = pairs[0], tmp_path / "house"
    assert await asyncio.to_thread(installed(tmp_path / "one", database_of(storage), storage=storage).backup, file) == 0
    during = pairs[0]
    while pairs[0] == during:
        await asyncio.sleep(0.01)
    writing.cancel()
    await house.server.close()
    shutil.rmtree(storage)
    storage = tmp_path / "again"
    restored = installed(tmp_path / "two", database_of(storage), storage=storage)
    assert await asyncio.to_thread(restored.restore, file) == 0, capsys.readouterr()
    there = [name for (name,) in restored.do('SELECT username FROM "user" ORDER BY id') if name[-1].isdigit()]
    assert there == [f"{side}{pair}" for pair in range(1, len(there) // 2 + 1) for side in ("one", "two")]
    assert before <= len(there) // 2 <= during + 1
    again = await open_house("again")
    for guest, friend in ((Guest(again.server, alice.session), "bob"), (Guest(again.server, bob.session), "alice")):
        status, friends = await guest.ask("GET", "/api/friends")
        assert status == 200 and [each["username"] for each in friends] == [friend]
        assert (await sound(guest, recording))[:2] == (200, heard)
    assert await until(Guest(again.server, alice.session), recording) == listed
    assert (await again.guest().ask("POST", "/api/login", {"username": "alice", "password": PASSWORD}))[0] == 200


async def _write(database: Database, pairs: list[int]) -> None:
    """One transaction after the other, each of two accounts; counts them."""
    while True:
        await database.run(_pair, pairs[0] + 1)
        pairs[0] += 1


def _pair(number: int) -> None:
    for side in ("one", "two"):
        users.create(f"{side}{number}", "x")


@pytest.mark.parametrize("change", ["deleted", "moved to S3", "joined anew"])
async def test_what_changes_meanwhile(
    engine: str,
    change: str,
    filled: Filled,
    empty: Empty,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Between the rows' copy and the turn of its files: the recording is in the backup as it is then, or not at all."""
    old, new, file = filled(engine), empty(engine), tmp_path / "a.tar.gz"
    old.do("DELETE FROM stored_folder", "DELETE FROM recording_part", "UPDATE recording SET state = 'finalising' WHERE id = 1")
    part = "INSERT INTO recording_part (recording_id, node, epoch, from_s, to_s, sha256, folder)"
    old.do(f"{part} VALUES (1, '', 1, 0, 3, 'x', 'recordings/1.1')")
    old.do("INSERT INTO stored_folder VALUES ('recordings/1.1', 1, 'recordings/1.1/mark', '[]', '2026-01-01T00:00:00.000000Z')")
    old.do("INSERT INTO discarded_folder (folder) VALUES ('recordings/1.whole')")  # as what is being joined is
    real = row_copy.recordings_of

    def meanwhile(copy: Path) -> list[row_copy.Kept]:
        found = real(copy)
        if change == "deleted":
            old.do("DELETE FROM recording WHERE id = 1")
        elif change == "moved to S3":
            moved = "INSERT INTO stored_folder VALUES ('recordings/1', 1, 'recordings/1/mark', '[]', '2026-01-01T00:00:00.000000Z')"
            old.do("UPDATE recording SET state = 'ready' WHERE id = 1", moved)
        else:
            no_more = "DELETE FROM discarded_folder WHERE folder = 'recordings/1.whole'"
            old.do("UPDATE recording SET state = 'ready', folder = 'recordings/1.whole' WHERE id = 1", no_more)
            shutil.copytree(old.storage / "recordings" / "1", old.storage / "recordings" / "1.whole")
        shutil.rmtree(old.storage / "recordings" / "1")
        return found

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(row_copy, "recordings_of", meanwhile)
        assert await asyncio.to_thread(old.backup, file) == 0
    said = capsys.readouterr().out
    assert "have no files" not in said
    assert ("1 recordings were deleted meanwhile" in said) is (change == "deleted")
    assert ("The files of 1 recordings are in S3" in said) is (change == "moved to S3")
    assert await asyncio.to_thread(new.restore, file) == 0
    assert await new.rows() == await old.rows()
    assert {name for name in new.files() if "recordings" in name} == {name for name in backed_up(old.files()) if "recordings" in name}


async def test_what_is_in_s3(engine: str, filled: Filled, empty: Empty, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A recording whose files have moved is in the rows, and it is said that its files are not; it is not called lost."""
    old, new, file = filled(engine), empty(engine), tmp_path / "a.tar.gz"
    shutil.rmtree(old.storage / "recordings" / "1")
    assert await asyncio.to_thread(old.backup, file) == 0
    said = capsys.readouterr().out
    assert "The files of 1 recordings are in S3 and not in it" in said and "have no files" not in said
    assert await asyncio.to_thread(new.restore, file) == 0
    async with Database(new.place) as database:
        assert await database.read(stored_folders.find, "recordings/1") is not None


async def test_of_an_older_version(engine: str, postgres_server: Postgres, tmp_path: Path, empty: Empty) -> None:
    """Rows of an older schema are packed as they are, and restored with the migrations that they lack."""
    with postgres_server.database() as name, pytest.MonkeyPatch.context() as then:
        old = installed(tmp_path / "old", postgres_server.url(name) if engine == "postgres" else "")
        known = [each for each in migrations.names() if each < "m0012"]
        then.setattr(migrations, "names", lambda: known)
        async with Database(old.place) as database:
            add = "INSERT INTO \"user\" (username, password_hash, created_at) VALUES ('Alice', 'x', '2026-01-01T00:00:00.000000Z')"
            await database.run(TABLES.execute_sql, add)
        then.undo()
        old.storage.mkdir(exist_ok=True)
        assert await asyncio.to_thread(old.backup, tmp_path / "a.tar.gz") == 0
        assert [name for (name,) in old.do("SELECT name FROM migration ORDER BY name")] == known
    new = empty(engine)
    assert await asyncio.to_thread(new.restore, tmp_path / "a.tar.gz") == 0
    assert [name for (name,) in new.do("SELECT name FROM migration ORDER BY name")] == migrations.names()
    async with Database(new.place) as database:
        [alice] = await database.read(users.everybody)
        assert (alice.username, alice.epoch) == ("Alice", 0)
