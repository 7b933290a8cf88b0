"""Threads, transactions, the schema; on SQLite and, where it is not about a file or its one thread, on PostgreSQL."""

import asyncio
import threading
from pathlib import Path

import peewee
import pytest

from db import migrations, owner_tables, users
from db.connection import TABLES, Database
from db.errors import Clash, Unusable
from db.tables import Ownership, Row, User


async def test_every_question_is_asked_in_one_thread(tmp_path: Path) -> None:
    """All jobs run in the same thread, which is not the loop's, in the order they were asked."""
    done: list[int] = []
    async with Database(tmp_path / "deep" / "er" / "x.db") as database:
        threads = await asyncio.gather(*(database.run(lambda n: done.append(n) or threading.get_ident(), n) for n in range(50)))
    assert len(set(threads)) == 1 and threads[0] != threading.get_ident() and done == list(range(50))


async def test_two_files_in_one_process(tmp_path: Path) -> None:
    """Each open database has its own rows."""
    async with Database(tmp_path / "one.db") as one, Database(tmp_path / "two.db") as two:
        await asyncio.gather(*(one.run(users.create, f"user{n}", "x") for n in range(10)), two.run(users.create, "other", "x"))
        assert len(await one.run(users.everybody)) == 10 and len(await two.run(users.everybody)) == 1


async def test_a_failure_undoes_the_whole_question(place: Path | str) -> None:
    """What a function wrote before it raised is not kept."""

    def create_and_fail() -> None:
        users.create("alice", "x")
        raise KeyError("no")

    async with Database(place) as database:
        with pytest.raises(KeyError):
            await database.run(create_and_fail)
        assert await database.run(users.everybody) == []


async def test_constraints_hold_in_the_schema(place: Path | str) -> None:
    """Foreign keys are enforced, and what breaks a constraint is a clash."""

    def orphan() -> None:
        TABLES.execute_sql("INSERT INTO token (user_id, name, scopes, digest, created_at) VALUES (99, 'x', '[]', 'd', 'now')")

    async with Database(place) as database:
        with pytest.raises(Clash):
            await database.run(orphan)


async def test_readers_do_not_wait_for_writers(tmp_path: Path) -> None:
    """In SQLite that is what WAL is for."""
    async with Database(tmp_path / "x.db") as database:
        assert await database.run(lambda: TABLES.pragma("journal_mode")) == "wal"


async def test_rows_outlive_the_process(place: Path | str) -> None:
    """What was written is there at the next opening; migrations are applied once."""
    for expected in (0, 1):
        async with Database(place) as database:
            assert len(await database.run(users.everybody)) == expected
            if not expected:
                await database.run(users.create, "alice", "x")
            assert await database.run(migrations.apply_missing, TABLES) == []


async def test_the_models_are_the_schema(place: Path | str) -> None:
    """After all migrations each table has the columns of its model, with the same nullability."""

    def columns(model: type[peewee.Model]) -> tuple[dict[str, bool], dict[str, bool]]:
        there = {column.name: column.null for column in TABLES.get_columns(model._meta.table_name)}
        return there, {field.column_name: field.null for field in model._meta.sorted_fields}

    async with Database(place) as database:
        for model in {*Row.__subclasses__(), *owner_tables.TABLES}:
            there, wanted = await database.run(columns, model)
            if "id" in wanted and isinstance(place, Path):
                there["id"] = wanted["id"]  # SQLite's integer primary key is never null, whatever it says
            assert there == wanted, model.__name__
            rows = await database.run(lambda: list(model.select()))  # noqa: B023 awaited at once
            assert len(rows) == (model is Ownership), model.__name__


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """Opening garbage raises, and leaves neither a thread nor the file open."""
    (tmp_path / "x.db").write_bytes(b"this is not a database, it is a sentence." * 100)
    with pytest.raises(Unusable, match="no SQLite database"):
        async with Database(tmp_path / "x.db"):
            pass


async def test_names_are_compared_without_case(place: Path | str) -> None:
    """Found in any case, taken in any case, shown as made."""
    async with Database(place) as database:
        await database.run(users.create, "Alice", "x")
        found = await database.run(users.find, "aLICE")
        assert isinstance(found, User) and found.username == "Alice"
        with pytest.raises(Clash, match="username_taken"):
            await database.run(users.create, "alice", "x")
