"""Restoring into PostgreSQL: all or nothing, what was there is set aside, and one line for whatever is in the way."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from db import migrations, postgres, postgres_copy, postgres_restoring, users
from db.connection import Database
from db.errors import Unusable
from db.opening import HALF_RESTORED, refuse_half_restored
from tests.db.test_copying import PEOPLE
from tests.support.disks import small_disk
from tests.support.postgres import Postgres
from tests.support.running import ROOT, free_port
from tests.web.cli.conftest import Empty, Filled
from tests.web.cli.installations import Installation, command, installed, one_line
from web import serve
from web.cli import restore_switch

pytestmark = pytest.mark.usefixtures("postgres_server")  # is started before a test looks at what is running

SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'before\\_restore\\_%' ORDER BY nspname"
OTHERS_END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@pytest.fixture
def old(filled: Filled) -> Installation:
    return filled("postgres")


@pytest.fixture
def new(empty: Empty) -> Installation:
    return empty("postgres")


@pytest.fixture
def file(old: Installation, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert old.backup(tmp_path / "a.tar.gz") == 0
    capsys.readouterr()
    return tmp_path / "a.tar.gz"


@pytest.fixture
def watcher(old: Installation, postgres_server: Postgres) -> Iterator[Installation]:
    """The old one by another role, which no server has."""
    postgres_server.do("CREATE ROLE watcher LOGIN SUPERUSER")
    yield old._replace(place=with_user(str(old.place), "watcher"))
    postgres_server.do("DROP ROLE watcher")


@contextmanager
def held_up(by: Installation, statement: str) -> Iterator[Callable[[], None]]:
    """In the block whoever needs what this statement locks waits; gives what returns once somebody does."""

    def until_it_waits() -> None:
        while not by.do("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation IS NOT NULL")[0][0]:
            time.sleep(0.02)

    with closing(psycopg.connect(str(by.place))) as other:
        other.execute(statement)  # type: ignore[call-overload]
        yield until_it_waits


def with_user(url: str, user: str, port: int | None = None) -> str:
    """The address with another user, who may have a password, and another port."""
    parts = urlsplit(url)
    return f"postgresql://{user}@127.0.0.1:{port or parts.port}{parts.path}"


def said_otherwise(of: Installation, url: str) -> Installation:
    """The same with another address in its settings."""
    of.settings.write_text(of.settings.read_text().replace(str(of.place), url))
    return of._replace(place=url)


@pytest.fixture(autouse=True)
def ending_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_restoring, "ENDING_S", 0.5)


async def everything_of(one: Installation) -> tuple[object, object]:
    return await one.rows(), one.files()


async def test_a_server_that_runs(old: Installation, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On any machine: its sessions show. Nothing is touched, with --replace neither; nor while this folder has a server."""
    had = await everything_of(old)
    async with Database(old.place) as running:
        assert await running.read(users.find, "Person1") is not None
        assert await asyncio.to_thread(old.restore, file, "--replace") == 2
        assert "in use (" in (said := one_line(capsys)) and "hushcast from 127.0.0.1" in said and "stop all servers" in said
    with serve.claimed(old.storage):
        assert await asyncio.to_thread(old.restore, file, "--replace") == 2 and "server is running" in one_line(capsys)
    assert await everything_of(old) == had and old.do(SCHEMAS) == []


async def test_a_server_that_comes_meanwhile(
    new: Installation, file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was cut off at the first look undoes all; one that starts waits, and finds what was restored."""
    real = postgres_restoring.RowsInto.fill
    opened: list[psycopg.Connection] = []
    starting: list[subprocess.Popen[bytes]] = []

    def reached_again(rows: postgres_restoring.RowsInto, source: Path) -> int:
        opened.append(psycopg.connect(str(new.place), application_name="hushcast"))
        return real(rows, source)

    with monkeypatch.context() as patched:
        patched.setattr(postgres_restoring.RowsInto, "fill", reached_again)
        assert await asyncio.to_thread(new.restore, file) == 2 and "stop all servers" in one_line(capsys)
    opened[0].close()
    assert new.files() == {} and new.do("SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []

    def started(rows: postgres_restoring.RowsInto, source: Path) -> int:
        listing = ["-m", "web.cli.accounts", "--config", str(new.settings), "user", "list"]
        starting.append(subprocess.Popen([sys.executable, *listing], cwd=ROOT, stdout=subprocess.PIPE))
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while not new.do(waiting)[0][0]:
            time.sleep(0.02)
        return real(rows, source)

    monkeypatch.setattr(postgres_restoring.RowsInto, "fill", started)
    assert await asyncio.to_thread(new.restore, file) == 0
    listed, _ = starting[0].communicate(timeout=60)
    assert starting[0].returncode == 0 and listed.count(b"Person") == PEOPLE - 1


async def test_where_there_is_something(
    old: Installation, new: Installation, file: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Refused; with --replace it is set aside, whole: the tables by renaming come back as they were, and work on."""
    assert await asyncio.to_thread(new.restore, file) == 0
    async with Database(new.place) as database:
        await database.run(users.create, "later", "x")
    (new.storage / "keys" / "links").write_bytes(b"later")
    had = await everything_of(new)
    capsys.readouterr()
    assert await asyncio.to_thread(new.restore, file) == 2 and "storage.path" in one_line(capsys)
    elsewhere = installed(tmp_path / "third", str(new.place))
    assert await asyncio.to_thread(elsewhere.restore, file) == 2 and "this database has rows" in (said := one_line(capsys))
    assert "--replace" in said and not elsewhere.storage.exists() and await everything_of(new) == had
    assert await asyncio.to_thread(new.restore, file, "--replace") == 0
    assert await new.rows() == await old.rows()
    [aside], [(schema,)] = new.storage.glob("before-restore-*"), new.do(SCHEMAS)
    assert str(aside) in (said := capsys.readouterr().out) and f"DROP SCHEMA {schema} CASCADE" in said
    assert (aside / "keys" / "links").read_bytes() == b"later"
    new.do("ALTER SCHEMA public RENAME TO restored", f"ALTER SCHEMA {schema} RENAME TO public")
    assert await new.rows() == had[0]
    async with Database(new.place) as database:
        assert (await database.run(users.create, "latest", "x")).id == PEOPLE + 2
    assert new.do("SELECT count(*) FROM name_part WHERE part = 'atest'") == [(1,)]


async def test_by_the_owner_of_the_database(new: Installation, file: Path, postgres_server: Postgres) -> None:
    """An ordinary role that owns the database may do all of it: back up, restore, set aside, and go back to that."""
    database = urlsplit(str(new.place)).path[1:]
    postgres_server.do("CREATE ROLE owner LOGIN")
    try:
        postgres_server.do(f"ALTER DATABASE {database} OWNER TO owner")
        owner = said_otherwise(new, with_user(str(new.place), "owner"))
        for options in ((), ("--replace",)):
            assert await asyncio.to_thread(owner.restore, file, *options) == 0
        rows = await owner.rows()
        assert await asyncio.to_thread(owner.backup, file.with_name("b")) == 0
        [(schema,)] = owner.do(SCHEMAS)
        owner.do("ALTER SCHEMA public RENAME TO restored", f"ALTER SCHEMA {schema} RENAME TO public")
        assert await owner.rows() == rows
    finally:
        postgres_server.do("REASSIGN OWNED BY owner TO hushcast", database)
        postgres_server.do(f"ALTER DATABASE {database} OWNER TO hushcast")
        postgres_server.do("DROP ROLE owner")


async def test_over_a_newer_version(old: Installation, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused as at a start; with --replace that is the way back from an upgrade, and what the newer one wrote stays aside."""
    old.do("CREATE TABLE paint (name text)", "INSERT INTO paint VALUES ('red')", "INSERT INTO migration (name) VALUES ('m9999_paint')")
    empty_folder = installed(old.settings.parent.parent / "third", str(old.place))
    assert await asyncio.to_thread(empty_folder.backup, file.with_name("b")) == 2 and "is missing" in one_line(capsys)
    assert await asyncio.to_thread(old.backup, file.with_name("b")) == 2 and "newer version (m9999_paint)" in one_line(capsys)
    assert await asyncio.to_thread(empty_folder.restore, file) == 2 and "newer version (m9999_paint)" in one_line(capsys)
    assert await asyncio.to_thread(old.restore, file, "--replace") == 0
    assert [name for (name,) in old.do("SELECT name FROM migration ORDER BY name")] == migrations.names()
    [(schema,)] = old.do(SCHEMAS)
    assert old.do(f"SELECT name FROM {schema}.paint") == [("red",)] and len((await old.rows())["User"]) == PEOPLE - 1


async def test_of_another_program(new: Installation, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its tables are left alone."""
    new.do("CREATE TABLE accounts (name text)")
    assert await asyncio.to_thread(new.restore, file, "--replace") == 2 and "tables of another program" in one_line(capsys)
    assert new.backup(file) == 1 and "there already" in one_line(capsys)
    new.storage.mkdir()
    assert new.backup(file.with_name("b")) == 2 and "tables of another program" in one_line(capsys)


async def test_who_may_not(
    old: Installation, new: Installation, file: Path, postgres_server: Postgres, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """No rights, a wrong password, nobody there: one line without the password, the same status as of other commands."""
    had, to = await everything_of(old), tmp_path / "b"
    postgres_server.do("CREATE ROLE guest LOGIN")
    try:
        guest, reading = (said_otherwise(each, with_user(str(each.place), "guest")) for each in (old, new))
        assert guest.backup(to) == 2 and "too few rights" in one_line(capsys)
        assert await asyncio.to_thread(guest.restore, file, "--replace") == 2 and "too few rights" in one_line(capsys)
        assert await asyncio.to_thread(reading.restore, file) == 2 and "too few rights" in one_line(capsys)
    finally:
        postgres_server.do("DROP ROLE guest")
    for place in (with_user(str(old.place), "nobody:open-sesame"), with_user(str(old.place), "nobody:open-sesame", free_port())):
        guest = said_otherwise(guest, place)
        for done in (guest.backup(to), guest.restore(file, "--replace")):
            assert done == 1
        assert "database_away" in (said := capsys.readouterr().err) and said.count("\n") == 2 and "open-sesame" not in said
    assert await everything_of(old) == had and not new.storage.exists() and not to.exists()


async def test_without_the_packages(
    old: Installation, file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both say how to get them."""
    for module in ("db.postgres_copy", "db.postgres_restoring"):
        monkeypatch.setitem(sys.modules, module, None)
        monkeypatch.delattr("db." + module.partition(".")[2])
    assert old.backup(file.with_name("b")) == 2 and "run.py install nodes" in one_line(capsys)
    assert old.restore(file, "--replace") == 2 and "run.py install nodes" in one_line(capsys)


@pytest.mark.parametrize("moment", ["rows", "files", "end"])
async def test_a_failure(
    moment: str, old: Installation, file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While rows come, while files are moved, or at the end: all is as it was."""
    had = await everything_of(old)
    full = "BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '53100'; END"
    old.do(f"CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ {full} $$")
    real_fill, real_move = postgres_restoring.RowsInto.fill, restore_switch.Switch._move

    def fill(rows: postgres_restoring.RowsInto, source: Path) -> int:
        done = real_fill(rows, source)
        if moment == "rows":
            old.do(OTHERS_END)
        if moment == "end":
            at_the_end = "AFTER INSERT ON migration DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION full_disk()"
            rows._target.execute_sql(f"CREATE CONSTRAINT TRIGGER full_disk {at_the_end}")
            rows._target.execute_sql("INSERT INTO migration (name) VALUES ('x')")
        return done

    def move(switch: restore_switch.Switch, before: Path, after: Path) -> None:
        if moment == "files" and len(switch._moved) == 3:
            raise OSError(28, "No space left on device")
        real_move(switch, before, after)

    with monkeypatch.context() as patched:
        patched.setattr(postgres_restoring.RowsInto, "fill", fill)
        patched.setattr(restore_switch.Switch, "_move", move)
        assert await asyncio.to_thread(old.restore, file, "--replace") == 1
    assert {"rows": "database_away", "files": "No space", "end": "storage_full: no room"}[moment] in one_line(capsys)
    assert await everything_of(old) == had and old.do(SCHEMAS) == []
    assert not (old.storage / ".restoring").exists() and not list(old.storage.glob("before-*"))
    refuse_half_restored(old.storage)
    assert await asyncio.to_thread(old.restore, file, "--replace") == 0


@pytest.mark.parametrize("answered", [False, True])
async def test_an_end_without_an_answer(
    answered: bool, old: Installation, file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it was done is not known, or something fails just after it; no server starts, and no backup is made, until it was restored
    again.
    """
    wanted, real, real_close = await old.rows(), restore_switch.Switch.do, postgres.PostgresSession.close

    def do(switch: restore_switch.Switch) -> None:
        real(switch)
        if not answered:
            old.do(OTHERS_END)

    def close(session: postgres.PostgresSession) -> None:
        moved = bool(list(old.storage.glob("before-*")))
        real_close(session)
        if answered and moved:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(restore_switch.Switch, "do", do)
        patched.setattr(postgres.PostgresSession, "close", close)
        assert await asyncio.to_thread(old.restore, file, "--replace") == 2
    assert "is not known" in (said := one_line(capsys)) and "restore again" in said
    bad = file.with_name("bad")
    bad.write_bytes(file.read_bytes()[:-20])
    assert await asyncio.to_thread(old.restore, bad, "--replace") == 1 and "cut short" in one_line(capsys)
    start = subprocess.run([sys.executable, "-m", "web.serve", "--config", old.settings], cwd=ROOT, capture_output=True, text=True)
    assert start.returncode == 2 and "restore again" in start.stderr
    assert old.backup(file.with_name("b")) == 2 and "restore again" in one_line(capsys)
    assert await asyncio.to_thread(old.restore, file, "--replace") == 0
    refuse_half_restored(old.storage)
    assert await old.rows() == wanted


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_ended_while_rows_come(number: int, old: Installation, file: Path, watcher: Installation) -> None:
    """At once all is as it was, and a server may start; SIGTERM says so."""
    (old.storage / "keys" / "links").write_bytes(b"later")
    had = await everything_of(old)
    with held_up(watcher, "LOCK TABLE preferences IN ACCESS SHARE MODE") as until_it_waits:
        restoring = subprocess.Popen(command("restore", old, "--replace", file), cwd=ROOT, stderr=subprocess.PIPE, text=True)
        until_it_waits()
        restoring.send_signal(number)
        _, said = restoring.communicate(timeout=60)
    if number == signal.SIGTERM:
        assert (restoring.returncode, said) == (130, "\nhushcast: interrupted; nothing was restored\n")
        assert not (old.storage / ".restoring").exists()
    refuse_half_restored(old.storage)
    rows, left = await everything_of(old)
    assert (rows, {name: data for name, data in left.items() if not name.startswith(".restoring")}) == had
    assert await asyncio.to_thread(old.restore, file, "--replace") == 0 and not (old.storage / ".restoring").exists()
    assert (old.storage / "keys" / "links").read_bytes() != b"later"


async def test_killed_at_the_switch(old: Installation, file: Path) -> None:
    """kill -9 as soon as files are moved, and a little later: all is old or all is new, or no server starts until it was restored again."""
    links = old.storage / "keys" / "links"
    restored = links.read_bytes(), 1
    for pause_s in (0.0, 0.002):
        links.write_bytes(b"later")
        old.do("DELETE FROM audit_entry")
        with subprocess.Popen(command("restore", old, "--replace", file), cwd=ROOT, stdout=subprocess.DEVNULL) as restoring:
            while restoring.poll() is None and not (old.storage / HALF_RESTORED).exists():
                time.sleep(0.0002)
            time.sleep(pause_s)
            restoring.kill()
        try:
            refuse_half_restored(old.storage)
        except Unusable:
            assert await asyncio.to_thread(old.restore, file, "--replace") == 0
        assert (links.read_bytes(), old.do("SELECT count(*) FROM audit_entry")[0][0]) in ((b"later", 0), restored)
        refuse_half_restored(old.storage)


async def test_stopped_while_it_is_packed(old: Installation, watcher: Installation, tmp_path: Path) -> None:
    """SIGTERM while rows are read: status 130, one line, no draft beside the file to be."""
    before = sorted(tmp_path.iterdir())
    with held_up(watcher, "LOCK TABLE preferences IN ACCESS EXCLUSIVE MODE") as until_it_waits:
        packing = subprocess.Popen(command("backup", old, tmp_path / "b"), cwd=ROOT, stderr=subprocess.PIPE, text=True)
        until_it_waits()
        packing.terminate()
        _, said = packing.communicate(timeout=60)
    assert (packing.returncode, said) == (130, "\nhushcast: interrupted; no backup was made\n")
    assert sorted(tmp_path.iterdir()) == before


async def test_lost_while_rows_are_read(old: Installation, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A connection that ends between two rows ends the backup, in one line; nothing is left of it."""
    before = sorted(tmp_path.iterdir())

    def some_then_lost(rows: Iterable[tuple[object, ...]]) -> Iterator[list[tuple[object, ...]]]:
        for number, row in enumerate(rows):
            if number == 3:
                old.do(OTHERS_END)
            yield [row]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(postgres_copy, "_some_at_a_time", some_then_lost)
        patched.setattr("db.postgres.FETCHED", 2)
        assert old.backup(tmp_path / "b") == 1
    assert "no backup was made: database_away" in one_line(capsys) and sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("room", [200_000, 2_000_000])
async def test_on_a_full_disk(
    room: int, old: Installation, new: Installation, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither half a backup nor half an installation is left, and one line says why."""
    with small_disk(tmp_path / "disk", room) as disk:
        assert old.backup(disk / "b") == 1
        assert "storage_full" in (said := one_line(capsys)) or "No space left" in said
        assert list(disk.iterdir()) == []
        small = installed(tmp_path / "small", str(new.place), storage=disk / "var")
        assert await asyncio.to_thread(small.restore, file) == 1
        assert "No space left" in (said := one_line(capsys)) or "no room" in said
        assert list(disk.iterdir()) == [] and new.do("SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []
