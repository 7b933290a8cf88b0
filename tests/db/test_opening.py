"""What is found at the start: a file that is whole, or one line and nothing changed. Of SQLite alone: `test_postgres` has the other."""

import asyncio
import hashlib
import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from db import migrations, opening, recordings, users
from db.connection import TABLES, Database
from db.errors import Unusable
from db.tables import User

WHEN = "2026-01-01T00:00:00.000000Z"


def many() -> None:
    for number in range(500):
        User.create(username=f"user{number:05}", password_hash="x" * 100)


def many_of_old() -> None:
    for number in range(500):
        TABLES.execute_sql("INSERT INTO user (username, password_hash, created_at) VALUES (?, 'x', ?)", (f"user{number:05}", WHEN))


@pytest.fixture
async def real(tmp_path: Path) -> Path:
    """A database with rows in it, closed."""
    async with Database(tmp_path / "x.db") as database:
        await database.run(many)
    return tmp_path / "x.db"


async def refused(path: Path) -> str:
    """What the opening says; the files are as they were, and no other lies beside them that the next start would take for a journal."""
    before = {file.name: hashlib.sha256(file.read_bytes()).digest() for file in path.parent.iterdir()}
    with pytest.raises(Unusable) as said:
        async with Database(path):
            pass
    after = {file.name: hashlib.sha256(file.read_bytes()).digest() for file in path.parent.iterdir() if not file.name.endswith("-shm")}
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) <= {f"{path.name}-wal"}
    assert "\n" not in str(said.value)
    return str(said.value)


@pytest.mark.parametrize("part", [0, 1, 15, 16, 60, 99, 100, 1000, 4095, 4096, 5000, 0.3, 0.5, 0.9, -4096, -1])
async def test_a_file_that_is_cut_off(real: Path, part: float) -> None:
    """Cut anywhere, it is refused in a line that says what to do, and stays as it is."""
    size = real.stat().st_size
    os.truncate(real, part if part >= 1 or part == 0 else int(size * part) if part > 0 else size + int(part))
    said = await refused(real)
    assert "Restoring" in said and str(real) in said


async def test_pages_that_are_damaged(real: Path) -> None:
    """Nonsense over any page is found."""
    whole = real.read_bytes()
    for page in range(0, len(whole) // 4096, 3):
        real.write_bytes(whole[: page * 4096 + 100 * (not page)] + b"\xa5" * 512 + whole[page * 4096 + 100 * (not page) + 512 :])
        assert "damaged" in await refused(real)
        for rest in real.parent.glob("x.db-*"):
            rest.unlink()


def another_programs(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE songs (title TEXT)")
    other.close()


def of_another_framework(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE migration (name TEXT)")
        other.execute("INSERT INTO migration VALUES ('0001_initial')")
    other.close()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.write_text("dear diary\n" * 1000), "no SQLite database"),
        (lambda path: path.mkdir(), "Is a directory"),
        (another_programs, "another program"),
        (of_another_framework, "another program"),
    ],
)
async def test_a_file_of_somebody_else(tmp_path: Path, make: Callable[[Path], object], says: str) -> None:
    """What is not ours is not touched."""
    make(tmp_path / "x.db")
    if (tmp_path / "x.db").is_dir():
        with pytest.raises(Unusable, match=says):
            async with Database(tmp_path / "x.db"):
                pass
    else:
        assert says in await refused(tmp_path / "x.db")


async def test_a_database_of_a_newer_version(real: Path) -> None:
    """A migration that this version does not know is named."""
    with sqlite3.connect(real) as other:
        other.execute("INSERT INTO migration (name) VALUES ('m9999_mind_reading')")
    other.close()
    assert "newer version (m9999_mind_reading)" in await refused(real)


async def test_an_older_database_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that knows only the first migration gets the rest."""
    with monkeypatch.context() as then:
        then.setattr(migrations, "names", lambda: ["m0001_first"])
        async with Database(tmp_path / "x.db") as database:
            await database.run(many_of_old)
    async with Database(tmp_path / "x.db") as database:
        assert len(await database.read(users.everybody)) == 500
    with sqlite3.connect(tmp_path / "x.db") as other:
        assert [name for (name,) in other.execute("SELECT name FROM migration ORDER BY name")] == migrations.names()
    other.close()


async def test_older_words_of_failure_are_told_as_today(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of a version that said disk_full and disk_error say storage_full and failed, and keep the rest."""
    with monkeypatch.context() as then:
        then.setattr(migrations, "names", lambda: ["m0001_first"])
        async with Database(tmp_path / "x.db"):
            pass
    with sqlite3.connect(tmp_path / "x.db") as other:
        other.execute("INSERT INTO user (id, username, password_hash, created_at) VALUES (1, 'ada', 'x', '2026-01-01T00:00:00.000000Z')")
        for word in ("disk_full", "disk_error", "finalise_failed", "empty"):
            row = (word, json.dumps({"packets": 7, "failed": word}))
            other.execute(
                "INSERT INTO recording (user_id, broadcast, state, started_at, folder, stats) "
                "VALUES (1, ?, 'ready', '2026-01-01T00:00:00.000000Z', '', ?)",
                row,
            )
    other.close()
    async with Database(tmp_path / "x.db") as database:
        stats = [row.stats for row in reversed(await database.read(recordings.of_user, 1, 10))]
    assert [each["failed"] for each in stats] == ["storage_full", "failed", "failed", "empty"]
    assert {each["packets"] for each in stats} == {7}


@pytest.mark.parametrize("left", ["recordings/7/original.opus", "x.db-wal"])
async def test_a_database_that_is_missing(tmp_path: Path, left: str) -> None:
    """Where recordings or a journal tell that there was one, no new one is made in its place."""
    (tmp_path / left).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / left).write_bytes(b"something")
    with pytest.raises(Unusable, match="is missing"):
        async with Database(tmp_path / "x.db"):
            pass
    assert not (tmp_path / "x.db").exists()


async def test_it_is_made_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails on the way leaves nothing behind, and what succeeds is its owner's alone."""

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr("db.sqlite.apply_missing", fail)
        opening.make(tmp_path / "x.db", fail)
    assert list(tmp_path.iterdir()) == []
    before = os.umask(0)
    try:
        async with Database(tmp_path / "x.db") as database:
            await database.run(users.create, "alice", "x")
            assert {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == dict.fromkeys(
                ["x.db", "x.db-wal", "x.db-shm"], 0o600
            )
    finally:
        os.umask(before)


async def test_a_kill_leaves_a_database_that_opens(real: Path, tmp_path: Path) -> None:
    """A journal that was not taken in, as kill -9 leaves it, is taken in."""
    copy = tmp_path / "copy"
    copy.mkdir()
    async with Database(real) as database:
        await database.run(users.create, "alice", "x")
        for name in ("x.db", "x.db-wal"):
            (copy / name).write_bytes((tmp_path / name).read_bytes())
    async with Database(copy / "x.db") as database:
        assert await database.read(users.find, "alice") is not None


async def test_a_large_file_is_not_checked_for_ever(real: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check for soundness is given up after its time, and the file is used."""
    monkeypatch.setattr(opening, "CHECK_S", 0.0)
    async with Database(real) as database:
        assert len(await database.read(users.everybody)) == 500


async def test_two_programs_bring_an_older_one_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stretch: float) -> None:
    """A command beside a server that starts: both have seen what is missing before either may write, and both open."""
    path = tmp_path / "x.db"
    with monkeypatch.context() as then:
        then.setattr(migrations, "names", lambda: ["m0001_first"])
        async with Database(path):
            pass
    openings = [Database(path) for _ in range(2)]
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        waiting = asyncio.gather(*(each.__aenter__() for each in openings), return_exceptions=True)
        await asyncio.sleep(stretch)
        holder.execute("ROLLBACK")
        assert await waiting == openings
    for each in openings:
        assert await each.read(lambda: User.select().count()) == 0
        await each.close()
