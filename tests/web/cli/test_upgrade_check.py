"""run.py upgrade-check: another version tries a copy of the rows, and the installation stays as it is."""

import asyncio
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from db import migrations, users
from db.connection import Database
from tests.support.postgres import Postgres
from tests.support.running import ROOT
from web.app import DATABASE
from web.cli.upgrade_check import main


@pytest.fixture
async def settings(tmp_path: Path) -> Path:
    """Of an installation with one account."""
    (tmp_path / "config.toml").write_text("[storage]\nfloor_mb = 0\n")
    async with Database(tmp_path / "var" / DATABASE) as database:
        await database.run(users.create, "ada", "x")
    return tmp_path / "config.toml"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Another checkout, which a test changes."""
    folder = tmp_path / "other"
    for name in ("db", "sfu", "web", "workers"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("client", "__pycache__"))
    for name in ("run.py", "setup.cfg"):
        shutil.copy(ROOT / name, folder)
    return folder


def whole(storage: Path) -> dict[str, str]:
    names = (each for each in storage.rglob("*") if each.is_file() and not each.name.endswith(("-wal", "-shm")))
    return {str(each): hashlib.sha256(each.read_bytes()).hexdigest() for each in names}


async def told(settings: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The status and what was printed; nothing is changed."""
    before = whole(settings.parent / "var")
    status = await asyncio.to_thread(main, ["--config", str(settings), str(folder)])
    assert whole(settings.parent / "var") == before
    said = capsys.readouterr()
    assert said.err == "" and all(line.split()[0] in ("ok", "warning", "broken") for line in said.out.splitlines())
    return status, said.out


async def test_a_newer_schema(settings: Path, other: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its migration is applied to the copy; one that fails is told with what it says."""
    new = f"m{len(migrations.names()) + 1:04}_colour"
    (other / "db" / "migrations" / f"{new}.py").write_text('STATEMENTS = ("ALTER TABLE user ADD COLUMN colour TEXT",)\n')
    status, said = await told(settings, other, capsys)
    assert status == 0 and new in said and "broken" not in said
    (other / "db" / "migrations" / f"{new}.py").write_text('STATEMENTS = ("ALTER TABLE absent ADD COLUMN colour TEXT",)\n')
    status, said = await told(settings, other, capsys)
    assert status == 1 and "no such table" in said.splitlines()[-1]


async def test_rows_in_postgres(
    settings: Path, other: Path, postgres_url: str, postgres_server: Postgres, capsys: pytest.CaptureFixture[str]
) -> None:
    """The new version gets a copy as SQLite has it, of several servers' too; where there are no tables yet, there is nothing to try."""
    new = f"m{len(migrations.names()) + 1:04}_colour"
    migration = other / "db" / "migrations" / f"{new}.py"
    migration.write_text('STATEMENTS = ("CREATE UNIQUE INDEX one_letter ON user (substr(username, 1, 1))",)\n')
    several = '[redis]\nurl = "redis://127.0.0.1:1/0"\n[node]\nname = "one"\nurl = "http://127.0.0.1:1"\nsecret = "{}"\n'.format("s" * 32)
    settings.write_text(f'{settings.read_text()}[database]\nurl = "{postgres_url}"\n{several}')
    async with Database(postgres_url) as database:
        await database.run(users.create, "ada", "x")
        status, said = await told(settings, other, capsys)
        assert status == 0 and new in said and "as SQLite has them" in said
        await database.run(users.create, "abe", "x")
        status, said = await told(settings, other, capsys)
        assert status == 1 and "UNIQUE" in said
    with postgres_server.database() as empty:
        settings.write_text(settings.read_text().replace(postgres_url, postgres_server.url(empty)))
        status, said = await told(settings, other, capsys)
        assert status == 0 and "Rows: there are none in database.url." in said


async def test_stopped(settings: Path, other: Path) -> None:
    """SIGTERM while the new version tries: status 130, one line, no copy; what a kill has left is removed by the next one."""
    storage = settings.parent / "var"
    left = storage / ".upgrade-check-left"
    left.mkdir()
    os.utime(left, (0, 0))
    (other / "web" / "cli" / "accounts.py").write_text("import time\n\ntime.sleep(60)\n")
    command = [sys.executable, "-m", "web.cli.upgrade_check", "--config", settings, other]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not any((each / DATABASE).exists() for each in storage.glob(".upgrade-check-*")):
            pass
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "\nhushcast: interrupted; nothing was changed\n")
    assert list(storage.glob(".upgrade-check-*")) == []


async def test_what_does_not_fit(settings: Path, other: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An older version, other packages, no room, a setting that is gone, no checkout at all."""
    lock = next((other / "web" / "install" / "locks").glob("py311.txt"))
    lock.write_text(lock.read_text() + "\nmore==1.0 --hash=sha256:00\n")
    (other / "db" / "migrations" / f"{migrations.names()[-1]}.py").unlink()
    status, said = await told(settings, other, capsys)
    assert status == 1 and "newer version" in said and "Packages: 1 are other" in said
    status, said = await told(settings, settings.parent, capsys)
    assert status == 1 and "no checkout" in said
    settings.write_text("[storage]\nfloor_mb = 900000000\n")
    status, said = await told(settings, ROOT, capsys)
    assert status == 1 and "Room: " in said


async def test_recordings_in_s3(settings: Path, other: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says that they stay where they are; S3 is not asked."""
    settings.write_text('[storage]\nfloor_mb = 0\ns3_url = "s3://bucket?endpoint=http://127.0.0.1:9"\n')
    _, said = await told(settings, other, capsys)
    assert "S3: recordings' files there stay as they are" in said
