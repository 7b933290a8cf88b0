"""PostgreSQL as it is away, slow, full, old, new, or somebody else's: what is said, what is tried again, what the loop notices."""

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import peewee
import psycopg
import pytest

from db import migrations, postgres, postgres_opening, users
from db.connection import TABLES, Database
from db.errors import Clash, Unavailable, Unusable
from db.tables import Ownership, User
from tests.support.postgres import Postgres, running
from tests.support.running import ROOT


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    async with Database(postgres_url) as opened:
        yield opened


@pytest.fixture
def own_server(postgres_server: Postgres, stretch: float) -> Iterator[Postgres]:
    """One that a test may end. The first is asked for only because it is skipped where there is no PostgreSQL."""
    with running(stretch, "synchronous_commit=on") as server:  # a crash loses nothing that was answered
        yield server


async def refused(url: str, kind: type[Exception] = Unavailable) -> str:
    """What the opening says, in one line."""
    with pytest.raises(kind) as said:
        async with Database(url):
            pass
    assert "\n" not in str(said.value) and "open-sesame" not in str(said.value)
    return str(said.value)


async def test_an_empty_database_gets_the_whole_schema(postgres_server: Postgres) -> None:
    """By the same migrations as a file, applied once, of two that start at once by one of them."""
    with postgres_server.database() as name:
        async with Database(postgres_server.url(name)) as one, Database(postgres_server.url(name)) as two:
            pass
        openings = [Database(postgres_server.url(name)) for _ in range(2)]
        assert await asyncio.gather(*(each.__aenter__() for each in openings)) == openings
        names = await openings[0].read(migrations.applied, TABLES)
        await asyncio.gather(*(each.close() for each in (*openings, one, two)))
        assert sorted(names) == migrations.names()
    with postgres_server.database() as name:
        openings = [Database(postgres_server.url(name)) for _ in range(4)]
        await asyncio.gather(*(each.__aenter__() for each in openings))
        await openings[0].run(users.create, "alice", "x")
        assert await openings[3].read(users.find, "ALICE") is not None
        await asyncio.gather(*(each.close() for each in openings))


async def test_an_older_schema_is_migrated(postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has rows keeps them."""
    with postgres_server.database() as name:
        with monkeypatch.context() as then:
            then.setattr(migrations, "names", lambda: [each for each in migrations_now if each < "m0012"])
            async with Database(postgres_server.url(name)) as database:
                add = "INSERT INTO \"user\" (username, password_hash, created_at) VALUES ('Alice', 'x', '2026-01-01T00:00:00.000000Z')"
                await database.run(TABLES.execute_sql, add)
        async with Database(postgres_server.url(name)) as database:
            [alice] = await database.read(users.everybody)
            assert (alice.username, alice.epoch) == ("Alice", 0)


migrations_now = migrations.names()


async def test_what_is_not_ours_is_left_alone(postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer version's, another program's, one without rights, an old server's: one line each, and nothing is changed."""
    with postgres_server.database("hushcast") as name:
        postgres_server.do("INSERT INTO migration (name) VALUES ('m9999_mind_reading')", name)
        assert "newer version (m9999_mind_reading)" in await refused(postgres_server.url(name), Unusable)
    with postgres_server.database() as name:
        postgres_server.do("CREATE TABLE ledger (id INTEGER)", name)
        assert "another program" in await refused(postgres_server.url(name), Unusable)
    with postgres_server.database() as name:
        postgres_server.do("CREATE ROLE guest LOGIN")
        said = await refused(postgres_server.url(name, "guest"), Unusable)
        assert "too few rights" in said and "permission denied" in said
        monkeypatch.setattr(postgres_opening, "OLDEST", 990000)
        assert "is too old" in await refused(postgres_server.url(name), Unusable)
        postgres_server.do("DROP ROLE guest")


async def test_who_is_not_let_in_is_told_in_one_line(postgres_server: Postgres) -> None:
    """Wrong password, no such database, a host that refuses or has no name, TLS where one side has none; never the password."""
    at, port = "127.0.0.1", postgres_server.port
    postgres_server.do("CREATE ROLE locked LOGIN PASSWORD 'right'")
    postgres_server.do("CREATE ROLE secret LOGIN")
    with socket.create_server((at, 0)) as closed:
        refusing = closed.getsockname()[1]
    for url, says in (
        (f"postgresql://locked:open-sesame@{at}:{port}/hushcast", "password authentication failed"),
        (f"postgresql://hushcast:open-sesame@{at}:{port}/nowhere", 'database "nowhere" does not exist'),
        (f"postgresql://hushcast:open-sesame@{at}:{refusing}/hushcast", "refused"),
        (f"postgresql://hushcast:open-sesame@no-such-host.invalid:{port}/hushcast", "no-such-host.invalid"),
        (f"postgresql://hushcast:open-sesame@{at}:{port}/hushcast?sslmode=require", "SSL"),
        (f"postgresql://secret:open-sesame@{at}:{port}/hushcast", "reject"),
    ):
        assert says in await refused(url)
    for url in (f"postgresql://a:open-sesame@{at}:{port}/x?colour=red", f"postgresql://a:open-sesame@{at}:port/x"):
        await refused(url, Unusable)
    for role in ("locked", "secret"):
        postgres_server.do(f"DROP ROLE {role}")


async def test_a_host_that_does_not_answer_is_given_up(stretch: float) -> None:
    """It takes the connection and says nothing: the opening ends in time."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        assert "timeout" in await refused(f"postgresql://a:open-sesame@127.0.0.1:{silent.getsockname()[1]}/x")
        assert time.monotonic() - began < 4 * postgres.CONNECT_S * stretch


async def test_every_connection_has_limits_and_a_name(database: Database) -> None:
    """No statement, lock or pause lasts for ever; there are no more connections than threads; readers cannot write."""

    def setting(name: str) -> str:
        return str(TABLES.execute_sql(f"SHOW {name}").fetchone()[0])

    wanted = {"statement_timeout": "5s", "lock_timeout": "3s", "idle_in_transaction_session_timeout": "10s", "application_name": "hushcast"}
    for ask in (database.run, database.read):
        assert {name: await ask(setting, name) for name in wanted} == wanted
    await asyncio.gather(*(ask(time.sleep, 0.02) for _ in range(50) for ask in (database.run, database.read)))
    mine = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    assert (await database.read(lambda: TABLES.execute_sql(mine).fetchone()))[0] == 2 * postgres.THREADS
    with pytest.raises(peewee.PeeweeException, match="read-only"):
        await database.read(users.create, "alice", "x")
    assert await database.read(users.everybody) == []


async def test_what_takes_too_long_is_busy(database: Database, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement beyond its limit, and one that waits for another program's lock; what comes after them is answered."""
    with pytest.raises(Unavailable, match="database_busy"):
        await database.run(lambda: [TABLES.execute_sql(each) for each in ("SET LOCAL statement_timeout = 50", "SELECT pg_sleep(60)")])
    with psycopg.connect(postgres_url) as other:
        other.execute('LOCK TABLE "user" IN EXCLUSIVE MODE')
        with pytest.raises(Unavailable, match="database_busy"):
            await database.run(lambda: (TABLES.execute_sql("SET LOCAL lock_timeout = 50"), users.create("alice", "x")))
        assert await database.read(users.everybody) == []
        other.rollback()
    await database.run(users.create, "alice", "x")
    assert {code for standing in (database.reading, database.writing) for code in standing.refused} == {"database_busy"}


async def test_what_met_another_transaction_is_tried_again_once(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    """Of two that deadlock both are done; what meets one every time is refused as busy."""
    for name in ("alice", "bob"):
        await database.run(users.create, name, "x")
    met, tries = asyncio.Barrier(2), 0
    loop = asyncio.get_running_loop()

    def cross(first: int, second: int, wait: Callable[[], object]) -> None:
        User.update(password_hash=f"{first}").where(User.id == first).execute()
        wait()
        User.update(password_hash=f"{first}").where(User.id == second).execute()

    def once() -> Callable[[], object]:
        waited = []

        def wait() -> None:
            if not waited:
                waited.append(True)
                asyncio.run_coroutine_threadsafe(met.wait(), loop).result(10)

        return wait

    with caplog.at_level(logging.INFO, logger="db.postgres"):
        await asyncio.gather(database.run(cross, 1, 2, once()), database.run(cross, 2, 1, once()))
    assert "tried again" in caplog.text and len({user.password_hash for user in await database.read(users.everybody)}) == 1

    def never() -> None:
        nonlocal tries
        tries += 1
        TABLES.execute_sql("DO $$ BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = '40001'; END $$")

    with pytest.raises(Unavailable, match="database_busy"):
        await database.run(never)
    assert tries == 2


async def test_a_full_disk_refuses_writes_and_no_reads(database: Database) -> None:
    """As on a file: storage_full, and what reads goes on."""

    def write() -> None:
        TABLES.execute_sql("DO $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$")

    with pytest.raises(Unavailable, match="storage_full"):
        await database.run(write)
    assert await database.read(users.everybody) == [] and database.writing.refused == {"storage_full": 1}


async def test_a_violated_constraint_leaves_the_transaction_usable(database: Database) -> None:
    """A name that is taken is refused, and what the same transaction does next is done; what was not checked for is a clash."""

    def make_two() -> None:
        users.create("alice", "x")
        for name in ("alice", "ALICE"):
            with pytest.raises(Clash, match="username_taken"):
                users.create(name, "x")
        users.create("bob", "x")

    await database.run(make_two)
    assert [user.username for user in await database.read(users.everybody)] == ["alice", "bob"]
    with pytest.raises(Clash, match="conflict"):
        await database.run(lambda: TABLES.execute_sql("INSERT INTO ownership (id, nonce) VALUES (2, 'x')"))
    assert await database.read(lambda: Ownership.select().count()) == 1


async def end_all(database: Database, url: str) -> None:
    """As an administrator, or a proxy that forgets."""
    with psycopg.connect(url) as other:
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        other.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")


async def test_a_lost_connection_is_made_again(database: Database, postgres_url: str) -> None:
    """Nobody notices: what was asked meanwhile, and had not been written yet, is asked again on a new connection."""
    await database.run(users.create, "alice", "x")
    for number in range(3):
        await end_all(database, postgres_url)
        assert await database.read(users.find, "alice") is not None
        await database.run(users.create, f"user{number}", "x")
    tries: list[int] = []

    def write() -> None:
        tries.append(1)
        if len(tries) == 1:
            with psycopg.connect(postgres_url) as other:
                other.execute("SELECT pg_terminate_backend(%s)", (TABLES.raw().info.backend_pid,))
        users.create("once", "x")

    await database.run(write)
    assert len(tries) == 2 and len(await database.read(users.everybody)) == 5 and not database.writing.refused


async def test_a_write_whose_end_is_unknown_is_not_repeated(database: Database, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is lost while it is committed: it may have been written, so it is refused, and not done twice."""
    tries: list[int] = []
    commit = postgres.PostgresTables.commit

    def lose(tables: Any) -> None:
        tables.committing = True
        with psycopg.connect(postgres_url) as other:
            other.execute("SELECT pg_terminate_backend(%s)", (tables.raw().info.backend_pid,))
        commit(tables)

    with monkeypatch.context() as losing:
        losing.setattr(postgres.PostgresTables, "commit", lose)
        with pytest.raises(Unavailable, match="database_away"):
            await database.run(lambda: (tries.append(1), users.create("alice", "x")))
    assert len(tries) == 1
    await database.run(users.create, "bob", "x")


async def test_a_server_that_goes_and_comes_back(own_server: Postgres, caplog: pytest.LogCaptureFixture, stretch: float) -> None:
    """Away: every question is refused at once or soon, with one line in the log. Back: all is as before, without a restart of ours."""
    async with Database(own_server.url("postgres")) as database:
        await database.run(users.create, "alice", "x")
        await asyncio.to_thread(own_server.stop, signal.SIGQUIT)
        began, refusals = time.monotonic(), 0
        while time.monotonic() - began < 3.0:
            answers = await asyncio.gather(
                *(ask(users.everybody) for ask in (database.run, database.read) for _ in range(20)), return_exceptions=True
            )
            assert {(type(each), getattr(each, "code", "")) for each in answers} == {(Unavailable, "database_away")}
            refusals += len(answers)
            await asyncio.sleep(0.1)
        assert refusals >= 10 * 40 / stretch
        with pytest.raises(Unavailable, match="database_away"):
            await database.check()
        assert await database.note(users.everybody) is None
        assert len([each for each in caplog.records if each.levelno == logging.ERROR]) == 2  # read, written
        await asyncio.to_thread(own_server.start)
        deadline = time.monotonic() + 10 * stretch
        while True:
            try:
                await database.check()
                break
            except Unavailable:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.1)
        assert await database.read(users.find, "alice") is not None
        await database.run(users.create, "bob", "x")


async def test_a_server_that_stands_still_is_broken_off(own_server: Postgres, monkeypatch: pytest.MonkeyPatch, stretch: float) -> None:
    """Stopped, with its connections open, it answers nothing and ends nothing: the thread is set free, and the caller is told."""
    monkeypatch.setattr(postgres.PostgresEngine, "silent_s", 1.0)
    async with Database(own_server.url("postgres")) as database:
        [backend] = await database.run(lambda: TABLES.execute_sql("SELECT pg_backend_pid()").fetchone())
        for _ in range(20):  # until the thread with that connection is asked
            os.kill(backend, signal.SIGSTOP)
            try:
                asked = await asyncio.gather(*(database.run(users.everybody) for _ in range(8)), return_exceptions=True)
            finally:
                os.kill(backend, signal.SIGCONT)
            if any(isinstance(each, Unavailable) for each in asked):
                break
        [trouble] = {str(each) for each in asked if isinstance(each, Unavailable)}
        assert trouble == f"database_away: no answer for {postgres.SILENT_S:g} s"
        await asyncio.gather(*(database.run(users.everybody) for _ in range(20)))
        many = "SELECT pg_sleep(0.3)"
        await database.run(lambda: [TABLES.execute_sql(many) for _ in range(8)])  # takes longer, and answers all the while


async def test_one_alone_tries_while_it_stands_still(own_server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is let wait for a connection that was silent, nor for one that another thread is trying to make."""
    monkeypatch.setattr(postgres.PostgresEngine, "silent_s", 1.0)
    monkeypatch.setattr(postgres, "CONNECT_S", 2)
    async with Database(own_server.url("postgres")) as database:
        await asyncio.gather(*(database.read(users.everybody) for _ in range(8)))
        own_server.pause()
        try:
            for _ in range(2):  # what is connected is broken off, and cannot be made again
                asked = await asyncio.gather(*(database.read(users.everybody) for _ in range(8)), return_exceptions=True)
                assert {type(each) for each in asked} == {Unavailable}
            await asyncio.sleep(2 * postgres.RETRY_S)
            connects: list[object] = []
            connect = postgres.PostgresTables._connect
            monkeypatch.setattr(postgres.PostgresTables, "_connect", lambda self: (connects.append(self), connect(self))[1])
            asked = await asyncio.gather(*(database.read(users.everybody) for _ in range(8)), return_exceptions=True)
            assert {type(each) for each in asked} == {Unavailable} and len(connects) == 1
        finally:
            own_server.go_on()
        async with asyncio.timeout(30):
            while isinstance((await asyncio.gather(database.read(users.everybody), return_exceptions=True))[0], Unavailable):
                await asyncio.sleep(0.1)


async def test_what_nobody_awaits_is_broken_off_too(own_server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller is cancelled, the server stands still: the thread is set free all the same, and closing waits for that."""
    monkeypatch.setattr(postgres.PostgresEngine, "silent_s", 1.0)
    started, loop = asyncio.Event(), asyncio.get_running_loop()
    async with Database(own_server.url("postgres")) as database:

        def stand_still() -> None:
            [backend] = TABLES.execute_sql("SELECT pg_backend_pid()").fetchone()
            os.kill(backend, signal.SIGSTOP)
            stopped.append(backend)
            loop.call_soon_threadsafe(started.set)
            TABLES.execute_sql("SELECT 1")

        stopped: list[int] = []
        asking = asyncio.create_task(database.run(stand_still))
        await started.wait()
        asking.cancel()
        try:
            await asyncio.gather(asking, return_exceptions=True)
            assert asking.cancelled()
            await database.close()
        finally:
            os.kill(stopped[0], signal.SIGCONT)


def test_without_the_packages_it_says_how_to_get_them(tmp_path: Path) -> None:
    """One line and status 2, of the server and of a command; the address, which has a password, is not in it."""
    (tmp_path / "config.toml").write_text('[http]\nport = 0\nhost = "127.0.0.1"\n[database]\nurl = "postgresql://a:open-sesame@b/c"\n')
    for module, *words in (("web.serve",), ("web.cli.accounts", "user", "list"), ("web.cli.database_copy", "copy")):
        arguments = [module, "--config", str(tmp_path / "config.toml"), *words]
        run = (
            f"import runpy, sys; sys.modules['psycopg'] = None; sys.argv = {arguments!r}; runpy.run_module({module!r}, run_name='__main__')"
        )
        said = subprocess.run([sys.executable, "-c", run], cwd=ROOT, capture_output=True, text=True)
        assert said.returncode == 2, said.stderr
        last = said.stderr.strip().splitlines()[-1]
        assert "python3 run.py install nodes" in last and "Traceback" not in said.stderr and "open-sesame" not in said.stderr
