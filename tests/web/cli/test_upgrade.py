"""run.py upgrade: to a newer version and back, in a checkout of its own, with the real script and environments."""

import asyncio
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sysconfig
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from db import migrations
from db.connection import Database
from tests.db.test_copying import everything, fill
from tests.support.people import PASSWORD, Person
from tests.support.running import ROOT
from tests.web.install.checkout import Checkout
from web.app import DATABASE

LAST = migrations.names()[-1]
NEXT = f"m{len(migrations.names()) + 1:04}_colour"
STATEMENTS = ("ALTER TABLE user ADD COLUMN colour TEXT", "CREATE TABLE paint (id INTEGER PRIMARY KEY, name TEXT)")
PACKAGES = {"PYTHONPATH": sysconfig.get_path("purelib"), "HUSHCAST_MODELS_DOWNLOAD": "false"}  # the shelf has none of the real ones
SETTINGS = '[http]\nhost = "127.0.0.1"\nport = 0\ntls = "off"\n[rtc]\nhost = "127.0.0.1"\nport = 0\n[storage]\nfloor_mb = 0\n'
# Kills itself at the event of this number among those that change something or start a program.
KILLED = """
import os, signal, sys
STEPS = ("os.rename", "os.symlink", "fcntl.flock", "shutil.rmtree", "subprocess.Popen", "sqlite3.connect")
left = [int(sys.argv.pop(1))]
def count(event, given):
    into = os.path.basename(os.path.dirname(str(given[0]))) if given else ""
    if event in STEPS or (event == "os.mkdir" and into in (".versions", "var")):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
from web.cli import upgrade
sys.addaudithook(count)
sys.exit(upgrade.main(sys.argv[1:]))
"""


def code(folder: Path, version: str) -> None:
    """All that the program is made of, as this version; the only package of its lock is a tiny one."""
    for name in ("db", "sfu", "web", "workers"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("locks"), dirs_exist_ok=True)
    settings = (ROOT / "setup.cfg").read_text()
    (folder / "setup.cfg").write_text(re.sub(r"^version = .*", f"version = {version}", settings, flags=re.MULTILINE))
    shutil.copy(ROOT / "run.py", folder)


class House:
    """A checkout with version 1.0, and beside it 2.0, which has one migration more."""

    def __init__(self, folder: Path) -> None:
        self.checkout = Checkout(folder)
        self.base, self.new = self.checkout.folder, folder / "new"
        code(self.base, "1.0")
        (self.base / "config.toml").write_text(SETTINGS)
        code(self.new, "2.0")
        shutil.copytree(self.base / "web" / "install" / "locks", self.new / "web" / "install" / "locks")
        (self.new / "db" / "migrations" / f"{NEXT}.py").write_text(f"STATEMENTS = {STATEMENTS!r}\n")
        self.storage = self.base / "var"
        self.rows, self.kept = self.storage / DATABASE, self.storage / f"hushcast-{LAST}.db"

    def run(self, *words: str) -> tuple[int, str, str]:
        return self.checkout.run(*words, **PACKAGES)

    def good(self, *words: str) -> str:
        status, said, error = self.run(*words)
        assert status == 0, said + error
        return said

    def refused(self, *words: str) -> str:
        """It fails; the last line that it says."""
        status, said, error = self.run(*words)
        assert status in (1, 2), said + error
        return error.splitlines()[-1]

    def killed(self, number: int, *words: str) -> bool:
        """Run `upgrade` until its step of this number; whether it came there."""
        root = (self.base / ".versions" / "current").resolve() if self.version == "2.0" else self.base
        environment = {**os.environ, **self.checkout.index, **PACKAGES, "PYTHONPATH": f"{root}:{PACKAGES['PYTHONPATH']}"}
        command = [root / ".venv/bin/python", "-P", "-c", KILLED, str(number), "--config", self.base / "config.toml", *words]
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=100)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.returncode != 0

    @property
    def version(self) -> str:
        return self.good("--version").split()[1]

    def names(self) -> set[str]:
        """What lies in storage.path, but for SQLite's journal, which readers leave."""
        return {each.name for each in self.storage.iterdir() if not each.name.endswith(("-wal", "-shm"))}

    def asked(self, question: str) -> Any:
        with closing(sqlite3.connect(self.rows)) as file, file:
            return file.execute(question).fetchall()

    @property
    def schema(self) -> str:
        return str(self.asked("SELECT MAX(name) FROM migration")[0][0])

    async def all_rows(self) -> dict[str, list[Any]]:
        """Of a file with the schema of 1.0."""
        async with Database(self.rows) as database:
            return await database.run(everything)


@asynccontextmanager
async def serving(house: House) -> AsyncIterator[str]:
    """Its server, by run.py; where it listens."""
    process = house.checkout.start(**PACKAGES)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(90):
            while not (line := await asyncio.to_thread(process.stdout.readline)).startswith("listening "):
                assert line, process.communicate()
        yield line.split()[1].rstrip("/")
    finally:
        process.terminate()
        await asyncio.to_thread(process.communicate)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> House:
    """With rows in every table, and an environment; made once."""
    made = House(tmp_path_factory.mktemp("house"))
    asyncio.run(_fill(made.rows))
    shutil.copy(made.rows, made.base / "filled.db")
    made.good("user", "list")
    return made


async def _fill(rows: Path) -> None:
    async with Database(rows) as database:
        await database.run(fill)


@pytest.fixture
def house(built: House) -> House:
    """As it was built."""
    for folder in (built.base / ".versions", built.storage):
        shutil.rmtree(folder, ignore_errors=True)
    built.storage.mkdir(0o700)
    shutil.copy(built.base / "filled.db", built.rows)
    return built


async def test_there_and_back(house: House) -> None:
    """Every row is there, and what was written since too where the earlier version can hold it; else it is refused, and kept in a file."""
    before = await house.all_rows()
    archive = house.base.parent / "new.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(house.new, "hushcast-2.0")
    said = house.good("upgrade", str(archive))
    assert f"brings a copy of them to its schema ({NEXT})" in said and "Version 2.0 is in the place of 1.0" in said
    assert (house.version, house.schema, house.kept.exists()) == ("2.0", LAST, False)
    assert "Person1" in house.good("user", "list") and house.schema == NEXT and house.kept.exists()
    house.asked("INSERT INTO user (username, password_hash, created_at, colour) VALUES ('late', 'x', '2026-01-01', 'red')")
    assert "cannot hold (user " in house.refused("upgrade", "--back") and house.version == "2.0"
    house.asked("UPDATE user SET colour = NULL")
    said = house.good("upgrade", "--back")
    assert "with all that was written since" in said and (house.version, house.schema) == ("1.0", LAST)
    assert [name for (name,) in house.asked("SELECT username FROM user WHERE username = 'late'")] == ["late"]
    house.asked("DELETE FROM user WHERE username = 'late'")
    house.asked("DELETE FROM name_part WHERE user_id NOT IN (SELECT id FROM user)")
    assert await house.all_rows() == before
    assert "no earlier version" in house.refused("upgrade", "--back")


async def test_refused(house: House) -> None:
    """No version, one that fails with these rows, an older one, an archive cut short: one line, and nothing has changed."""
    names = house.names()
    (house.base.parent / "cut.tar").write_bytes(b"no archive")
    assert "no archive of a version" in house.refused("upgrade", str(house.base.parent / "cut.tar"))
    assert "no such folder or archive" in house.refused("upgrade", "v9.9")
    assert "it has no Hushcast" in house.refused("upgrade", str(house.storage))
    new = house.base.parent / "failing"
    shutil.copytree(house.new, new, dirs_exist_ok=True)
    (new / "db" / "migrations" / f"{NEXT}.py").write_text('STATEMENTS = ("ALTER TABLE absent ADD COLUMN colour TEXT",)\n')
    assert house.refused("upgrade", str(new)) == "hushcast: not upgraded: the version that runs is the same as before"
    (new / "web" / "install" / "versions.py").unlink()
    assert "from before `run.py upgrade`" in house.refused("upgrade", str(new))
    assert house.version == "1.0" and house.names() == names
    assert [each.name for each in (house.base / ".versions").iterdir()] == ["lock"]


async def test_while_a_server_runs(house: House) -> None:
    """It goes on with its version; restarted it is the new one. The way back waits for its end, and may set aside what was written since.

    A login is good all the while.
    """
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        async with serving(house) as url:
            person = Person("ada", url, http)
            await person.call("POST", "/api/register", {"username": "ada", "password": PASSWORD}, status=201)
            house.good("upgrade", str(house.new))
            ada = await person.call("GET", "/api/me", status=200)
            assert house.schema == LAST and house.version == "2.0"
        async with serving(house) as url:
            assert await Person("ada", url, http).call("GET", "/api/me", status=200) == ada
            assert house.schema == NEXT
            house.asked("INSERT INTO paint (name) VALUES ('green')")
            assert "another server is running" in house.refused("upgrade", "--back")
        assert "(paint 1)" in house.refused("upgrade", "--back")
        house.good("upgrade", "--back", "--set-aside")
        (aside,) = house.storage.glob("before-back-*/hushcast.db")
        with closing(sqlite3.connect(aside)) as file:
            assert file.execute("SELECT name FROM paint").fetchall() == [("green",)]
        async with serving(house) as url:
            assert await Person("ada", url, http).call("GET", "/api/me", status=200) == ada
            assert (house.schema, house.version) == (LAST, "1.0")


async def test_killed(house: House) -> None:
    """Killed, the earlier version runs, with every row; the next upgrade, here to what git has fetched, removes what was left."""
    before = await house.all_rows()
    assert house.killed(6, str(house.new))
    assert house.version == "1.0" and await house.all_rows() == before
    git = ("git", "-c", "user.name=x", "-c", "user.email=x@localhost")
    for folder, words in ((house.new, "init"), (house.new, "add ."), (house.new, "commit -m 2.0"), (house.base, "init")):
        subprocess.run([*git, *words.split()], cwd=folder, check=True, capture_output=True)
    subprocess.run([*git, "fetch", str(house.new), "HEAD"], cwd=house.base, check=True, capture_output=True)
    house.good("upgrade", "FETCH_HEAD")
    assert len(list((house.base / ".versions").glob("new-*"))) == 1 and house.version == "2.0"


@pytest.mark.slow
async def test_killed_at_each_step(house: House) -> None:
    """An upgrade, and a way back, each begun again after each kill: one of the two versions runs all the while, with every row."""
    before, steps = await house.all_rows(), [0, 0]
    while house.version == "1.0":
        steps[0] += 1
        house.killed(steps[0], str(house.new))
        assert len(list((house.base / ".versions").glob("new-*"))) <= 1 and house.asked("SELECT COUNT(*) FROM user")
    assert "Person1" in house.good("user", "list") and house.schema == NEXT
    house.asked("UPDATE user SET password_hash = 'y' WHERE id = 1")
    while house.version == "2.0":
        steps[1] += 1
        house.killed(steps[1], "--back")
        assert house.asked("SELECT password_hash FROM user WHERE id = 1") == [("y",)] and "Person1" in house.good("user", "list")
    assert min(steps) > 8, steps
    after = await house.all_rows()
    assert (
        not list(house.storage.glob("*.back")) and {**after, "User": before["User"]} == before and len(after["User"]) == len(before["User"])
    )
