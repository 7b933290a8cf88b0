"""From SQLite to PostgreSQL: every row as it was, once, or none at all."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from db import (
    broadcasts,
    chapters,
    companions,
    copying,
    epochs,
    friendships,
    invites,
    known_time,
    links,
    logins,
    ownership,
    preferences,
    recording_parts,
    recordings,
    search,
    stored_folders,
    tokens,
    trash,
    users,
)
from db.connection import TABLES, Database
from db.errors import Unusable
from db.owner_tables import AuditEntry, PasswordReset, RecoveryCode
from db.tables import BroadcastEpoch, FriendRequest, Row, User, now
from tests.db.test_broadcasts import row
from tests.support.postgres import Postgres
from tests.support.running import ROOT

PEOPLE = 700


def fill() -> None:
    """A row of every table at least, odd values, and an id that was given and taken away."""
    for number in range(PEOPLE):
        User.create(username=f"Person{number}", password_hash=f"tab\t, new line\n, backslash \\N ë {number}", created_at=now())
    users.remove(PEOPLE)
    ownership.claim(2, ownership.open_nonce() or "")
    preferences.replace(1, '{"a": "\\u0000"}', ["*"])
    logins.add(1, "digest", "::1", "agent", User.get_by_id(1).password_hash)
    friendships.befriend(1, 2)
    friendships.ask(3, 4)
    friendships.block(5, 6)
    tokens.add(1, "obs", ["publish", "listen"], "digest")
    invites.add(1, "digest", 3, now(), "nonce")
    links.add(1, "digest", None)
    tape = recordings.begin("person0", "one", "Título", now())
    recordings.begin("person0", "two", None, now())
    epoch = epochs.take(1, "one")
    chapters.add(tape.id, 0.1 + 0.2, "chord", "A♭")
    stored_folders.add(tape.id, tape.folder, "recordings/1/mark", [{"name": "original.opus", "size": 7, "sha256": "0", "changed_ns": 1}])
    recording_parts.begin(tape, epoch, 1e-9)
    broadcasts.keep("person0", row("one", muted=True, record=False), None, epoch)
    trash.discard([recordings.begin("person1", "three", None, now())])
    known_time.accept(now())
    companions.open_session("s", 1, "remote", "digest", 8)
    companions.admit("s", "pass", 8)
    PasswordReset.create(user=1, digest="digest", expires_at=now())
    RecoveryCode.create(user=1, digest="digest")
    AuditEntry.create(actor="", act="suspend", about="Person7")
    User.update(suspended=True).where(User.id == 8).execute()


def everything() -> dict[str, list[Any]]:
    known = Row.__subclasses__()
    assert set(TABLES.get_tables()) - {"migration", "sqlite_sequence"} == {table._meta.table_name for table in known}
    return {table.__name__: sorted(table.select().tuples(), key=repr) for table in known}


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    async with Database(tmp_path / "x.db") as database:
        await database.run(fill)
    return tmp_path / "x.db"


async def test_everything_is_there(file: Path, postgres_url: str) -> None:
    """Each row with each value; the next ids are those that SQLite would have given; the file is as it was; it works on from there."""
    async with Database(file) as database:
        before = await database.read(everything)
    assert all(before.values())
    told: dict[str, tuple[int, int]] = {}
    copied = await asyncio.to_thread(copying.copy, file, postgres_url, lambda table, done, total: told.update({table: (done, total)}))
    assert copied == sum(map(len, before.values())) and told["user"] == (PEOPLE - 1, PEOPLE - 1)
    async with Database(postgres_url) as database:
        assert await database.read(everything) == before
        assert (await database.run(users.create, "late", "x")).id == PEOPLE + 1
        assert await database.read(users.find, "PERSON42") is not None
        assert [name for name, _ in await database.read(search.search, 1, "RSON698")] == ["Person698"]
        asked = await database.read(lambda: FriendRequest.get())
        assert (await database.run(friendships.answer, asked.id, 4, True)).status == "accepted"
        assert await database.run(epochs.take, 1, "one") == await database.read(lambda: BroadcastEpoch.get().epoch)
    async with Database(file) as database:
        assert await database.read(everything) == before


async def test_what_has_rows_is_not_written_into(file: Path, postgres_url: str) -> None:
    """Nothing is mixed: the second time is refused in one line, and so is a database in which somebody has registered."""
    async with Database(postgres_url) as database:
        await database.run(users.create, "alice", "x")
        before = await database.read(everything)
        with pytest.raises(Unusable, match="not empty: user has rows"):
            await asyncio.to_thread(copying.copy, file, postgres_url, lambda *_: None)
        assert await database.read(everything) == before


@pytest.mark.parametrize("fault", ["nul", "difference"])
async def test_all_or_nothing(file: Path, postgres_url: str, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be copied, or comes out different, leaves the target empty."""
    if fault == "nul":
        with closing(sqlite3.connect(file)) as other, other:
            other.execute("UPDATE recording SET title = 'a' || char(0) || 'b' WHERE id = 2")
    else:
        with closing(sqlite3.connect(file)) as other, other:
            other.execute("UPDATE chapter SET at_s = 'three'")
    with pytest.raises(Unusable, match="not copied") as refused:
        await asyncio.to_thread(copying.copy, file, postgres_url, lambda *_: None)
    assert "\n" not in str(refused.value)
    async with Database(postgres_url) as database:
        assert {name for name, rows in (await database.read(everything)).items() if rows} == {"Ownership"}


def settings(tmp_path: Path, storage: Path, **more: str) -> Path:
    (tmp_path / "config.toml").write_text(
        f'[storage]\npath = "{storage}"\n' + "".join(f'[{name}]\nurl = "{url}"\n' for name, url in more.items())
    )
    return tmp_path / "config.toml"


async def command(*arguments: str) -> tuple[int, str]:
    """Exit status and all that it says."""
    process = await asyncio.create_subprocess_exec(
        "python3", "run.py", *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def test_the_command(file: Path, postgres_url: str, tmp_path: Path, postgres_server: Postgres) -> None:
    """Says what is copied and what to do next; wrong words, a missing target and a wrong address are one line, without the password."""
    (tmp_path / "var").mkdir()
    config = settings(tmp_path, tmp_path / "var")
    assert (await command("--config", str(config), "db"))[1] == "run.py db: say which: copy\n"
    status, said = await command("--config", str(config), "db", "copy")
    assert (status, said.count("\n")) == (2, 1) and "database.url" in said
    status, said = await command("--config", str(config), "db", "copy", "--to", postgres_url)
    assert (status, said.count("\n")) == (2, 1) and "nothing to copy" in said
    file.rename(tmp_path / "var" / "hushcast.db")
    wrong = f"postgresql://locked:open-sesame@127.0.0.1:{postgres_server.port}/hushcast"
    status, said = await command("--config", str(config), "db", "copy", "--to", wrong)
    assert (status, said.count("\n")) == (1, 1) and "open-sesame" not in said and "locked" in said
    status, said = await command("--config", str(settings(tmp_path, tmp_path / "var", database=postgres_url)), "db", "copy")
    assert status == 0 and f"user: {PEOPLE - 1} rows" in said and "rows are in PostgreSQL now" in said
    status, said = await command("--config", str(config), "user", "list")  # of the same settings: there now
    assert status == 0 and said.count("Person") == PEOPLE - 1
    status, said = await command("--config", str(config), "db", "copy", "--to", postgres_url)
    assert (status, said.count("\n")) == (2, 1) and "not empty" in said
