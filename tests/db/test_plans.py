"""How the databases go about the questions that are asked while people talk: by an index, however large the tables."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peewee
import pytest

from db import (
    chapters,
    companions,
    friendships,
    invites,
    links,
    logins,
    migrations,
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
from db.tables import Chapter, now

QUESTIONS: tuple[tuple[Callable[..., Any], *tuple[Any, ...]], ...] = (
    (users.find, "alice"),
    (users.unknown, ["alice", "bob"]),
    (users.create, "zoe", "x"),
    (users.join, "yan", "x"),
    (ownership.owner_id,),
    (preferences.of_user, 1),
    (preferences.replace, 1, "{}", ["*"]),
    (ownership.open_nonce,),
    (ownership.is_empty,),
    (ownership.claim_if_only, 1),
    (search.search, 1, "a"),
    (search.search, 1, "zz"),
    (friendships.are_friends, 1, 2),
    (friendships.friends_of, 1),
    (friendships.among, 1, ["alice", "bob"]),
    (friendships.friends_of, 1, "bob"),
    (friendships.pending, 1),
    (friendships.pending, 1, 7),
    (friendships.ask, 1, 2),
    (friendships.answer, 1, 2, True),
    (friendships.unfriend, 1, 2),
    (friendships.ask, 1, 2),
    (friendships.withdraw, 2, 1),
    (friendships.blocked_by, 1),
    (friendships.blocked_by, 1, "bob"),
    (friendships.block, 1, 2),
    (friendships.unblock, 1, 2),
    (logins.add, 1, "digest", "", "", "x"),
    (logins.find, "digest"),
    (logins.touch, "digest"),
    (logins.of_user, 1),
    (logins.ids_of, 1),
    (logins.gone, [1, 2]),
    (logins.remove_others, 1, 1),
    (logins.remove_digest, "digest"),
    (tokens.add, 1, "obs", ["listen"], "digest"),
    (tokens.find, "digest"),
    (tokens.touch, 1),
    (tokens.of_user, 1),
    (tokens.gone, [1, 2]),
    (tokens.remove, 1, 1),
    (links.add, 1, "digest", None),
    (links.find, "digest"),
    (links.of_user, 1, 9),
    (links.remove, 1, 1),
    (invites.add, 1, "digest", None, None),
    (invites.find, "digest"),
    (invites.of_user, 1),
    (invites.take, "digest"),
    (invites.accept, 2, "digest"),
    (recordings.begin, "alice", "b1", None, now()),
    (recordings.of_user, 1, 50),
    (recordings.of_user, 1, 50, 7, now()),
    (recordings.find, 1),
    (recordings.used_bytes, 1),
    (recordings.next_to_finalise,),
    (recordings.rename, 1, 1, "Monday"),
    (recording_parts.of_recordings, [1, 2]),
    (recording_parts.to_close, "a", [7]),
    (recording_parts.inherit, 1, "b", "a"),
    (recordings.gone, [1, 2]),
    (trash.find, 1),
    (trash.remove_of, 2),
    (trash.forget, ["recordings/7"]),
    (stored_folders.waiting, "", 0, 10),
    (stored_folders.parts_waiting, "a"),
    (stored_folders.find, "recordings/1"),
    (stored_folders.among, ["recordings/1", "recordings/2"]),
    (trash.forget_stored, "recordings/7", ""),
    (companions.open_session, "s1", 1, "remote", "digest", 8),
    (companions.find, "s1"),
    (companions.admit, "s1", "pass", 64),
    (companions.is_pass, "s1", ["pass"]),
    (companions.gone, ["s1"]),
    (companions.remove_of, 1),
    (chapters.add, 1, 2.5, "chord", "Am"),
)
WITHOUT_TABLE = ("SCAN CONSTANT ROW", "SCAN rows")  # of one row; of what has been found already


def sqlite_scans(plan: list[tuple[Any, ...]]) -> list[str]:
    """The steps that read a whole table or index."""
    return [step for *_, step in plan if step.startswith("SCAN") and step not in WITHOUT_TABLE]


def postgres_scans(plan: list[tuple[Any, ...]]) -> list[str]:
    """The same: a sequential scan although these are forbidden, or one of an index without a condition or a limit."""
    lines = [str(line) for (line,) in plan]
    found = [line.strip() for line in lines if "Seq Scan on" in line]
    for number, line in enumerate(lines):
        if re.search(r"Index (Only )?Scan", line):
            below = lines[number + 1 :]
            own = below[: next((at for at, each in enumerate(below) if "->" in each), len(below))]
            if not any("Index Cond" in each for each in own) and not any("Limit" in each for each in lines[:number]):
                found.append(line.strip())
    return found


def test_a_scan_is_seen() -> None:
    """Whatever else stands in the plan."""
    scan = [("Sort  (cost=1..2)",), ("  ->  Seq Scan on login t1  (cost=1..2)",), ("        Filter: (user_id = 1)",)]
    index = [("Index Scan using a on b  (cost=1..2)",), ("  Filter: (user_id = 1)",)]
    right = [("Index Scan using a on b  (cost=1..2)",), ("  Index Cond: (user_id = 1)",)]
    assert [len(postgres_scans(plan)) for plan in (scan, index, right, [("Limit",), *index])] == [1, 1, 0, 0]
    assert len(sqlite_scans([(1, 0, 0, "SCAN t1"), (2, 0, 0, "SEARCH t1 USING INDEX x (a=?)")])) == 1


async def test_no_question_reads_a_whole_table(engine: str, place: Path | str, monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the statements scans a table or one of its indices from end to end."""
    plans: dict[str, list[str]] = {}
    execute = peewee.Database.execute_sql

    def watched(database: peewee.Database, sql: str, params: object = None, *more: object) -> object:
        if sql.split()[0] in ("SELECT", "UPDATE", "DELETE"):
            if engine == "postgres":
                execute(database, "SET LOCAL enable_seqscan = off")
                plans[sql] = postgres_scans(execute(database, f"EXPLAIN {sql}", params).fetchall())
            else:
                plans[sql] = sqlite_scans(execute(database, f"EXPLAIN QUERY PLAN {sql}", params).fetchall())
        return execute(database, sql, params, *more)

    def ask(function: Callable[..., Any], *args: Any) -> None:
        function(*args)

    async with Database(place) as database:
        for name in ("alice", "bob"):
            await database.run(users.create, name, "x")
        monkeypatch.setattr(peewee.Database, "execute_sql", watched)
        for function, *args in QUESTIONS:
            await database.run(ask, function, *args)
    assert len(plans) > len(QUESTIONS)
    assert {sql: steps for sql, steps in plans.items() if steps} == {}


async def test_chapters_move_into_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What recordings of before have stays, in its order; a list that is no JSON loses nothing but itself."""
    first, all_of_them = "m0001_first", migrations.names
    monkeypatch.setattr(migrations, "names", lambda: [first])
    marks = '[{"at_s": 1.5, "kind": "chord", "text": "Am"}, {"at_s": 2, "kind": "practice", "text": "go"}, {"at_s": 0.5, "text": null}]'

    def fill() -> None:
        TABLES.execute_sql("INSERT INTO user (username, password_hash, created_at) VALUES ('Alice', 'x', '2026-01-01T00:00:00.000000Z')")
        columns = "user_id, broadcast, state, started_at, folder, chapters"
        for number, kept in enumerate((marks, "[]", "damaged")):
            values = f"1, 'b{number}', 'ready', '2026-01-01T00:00:00.000000Z', 'r', ?"
            TABLES.execute_sql(f"INSERT INTO recording ({columns}) VALUES ({values})", (kept,))

    async with Database(tmp_path / "x.db") as database:
        await database.run(fill)
    monkeypatch.setattr(migrations, "names", all_of_them)
    async with Database(tmp_path / "x.db") as database:
        damaged, none, some = await database.run(recordings.of_user, 1, 50)
        assert (damaged.chapters, none.chapters) == ([], [])
        assert [(mark["at_s"], mark["kind"], mark["text"]) for mark in some.chapters] == [
            (1.5, "chord", "Am"),
            (2, "practice", "go"),
            (0.5, "chord", ""),
        ]
        assert await database.run(chapters.add, some.id, 3.0, "chord", "E")
        assert (await database.run(recordings.of_user, 1, 50))[2].chapters[3] == {"at_s": 3.0, "kind": "chord", "text": "E"}
        assert await database.run(search.search, 1, "lice") == [("Alice", "self")]
        await database.run(users.remove, 1)
        assert await database.run(lambda: Chapter.select().count()) == 0


async def test_a_chapter_costs_no_more_than_the_first(place: Path | str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mark is one small row written, whatever the recording has; the others are not read."""
    written: list[str] = []
    execute = peewee.Database.execute_sql

    def watched(database: peewee.Database, sql: str, params: Any = None, *more: object) -> object:
        written.append(f"{sql} {params}")
        return execute(database, sql, params, *more)

    async with Database(place) as database:
        await database.run(users.create, "alice", "x")
        row = await database.run(recordings.begin, "alice", "b1", None, now())
        monkeypatch.setattr(peewee.Database, "execute_sql", watched)
        costs = []
        for at in range(chapters.MOST_CHAPTERS):
            written.clear()
            assert await database.run(chapters.add, row.id, float(at), "chord", "Am")
            costs.append(sum(map(len, written)))
        assert max(costs) - min(costs) < 20
        assert not await database.run(chapters.add, row.id, 1.0, "chord", "one too many")
        assert not await database.run(chapters.add, row.id + 1, 1.0, "chord", "of nobody's")
