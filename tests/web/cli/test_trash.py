"""The trash from the command line."""

import asyncio
import io
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from db import recordings, trash, users
from db.connection import Database
from sfu.config.schema import Config, NodeConfig, StorageConfig
from tests.support.running import ROOT
from web.app import DATABASE
from web.cli.trash import _empty, main

Run = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run("trash", "list")`: the exit status, with settings and storage of this test's own."""
    config = tmp_path / "config.toml"
    config.write_text("")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    return lambda *arguments: main(["--config", str(config), *arguments])


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[list[int]]:
    """The ids of ada's two recordings, both deleted, with a file each."""
    async with Database(tmp_path / "var" / DATABASE) as database:
        ada = await database.run(users.create, "ada", "x")
        made = [await database.run(recordings.begin, "ada", name, f"{name}\x1b[2J", datetime.now(UTC)) for name in ("one", "two")]
        for each in made:
            folder = tmp_path / "var" / each.folder
            folder.mkdir(parents=True)
            (folder / "original.opus").write_bytes(b"sound")
            await database.run(recordings.close, each.id, recordings.Ended(1.0, ["original"], 5, {}))
            await database.run(trash.put, ada.id, each.id, None)
    yield [each.id for each in made]


async def test_list_and_restore(run: Run, two: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each, without control characters; a restored recording is not listed, and cannot be restored twice."""
    assert await asyncio.to_thread(run, "trash") == 0
    listed = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [(line[0], line[1], line[5]) for line in listed] == [(str(two[0]), "ada", "one[2J"), (str(two[1]), "ada", "two[2J")]
    assert all(datetime.fromisoformat(line[3]) > datetime.fromisoformat(line[2]) for line in listed)
    assert await asyncio.to_thread(run, "trash", "restore", str(two[0])) == 0
    assert await asyncio.to_thread(run, "trash", "restore", str(two[0])) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert await asyncio.to_thread(run, "trash", "list") == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert (tmp_path / "var" / "recordings" / str(two[0]) / "original.opus").exists()


async def test_empty(run: Run, two: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is deleted without consent; with it rows and files are gone. An empty trash needs no consent."""
    assert await asyncio.to_thread(run, "trash", "empty") == 1
    assert len(list((tmp_path / "var" / "recordings").iterdir())) == 2
    assert await asyncio.to_thread(run, "trash", "empty", "--yes") == 0
    assert list((tmp_path / "var" / "recordings").iterdir()) == []
    assert await asyncio.to_thread(run, "trash", "empty") == 0
    async with Database(tmp_path / "var" / DATABASE) as database:
        assert await database.run(trash.everything) == await database.run(trash.discarded) == []


def test_the_command_is_known(tmp_path: Path) -> None:
    """`run.py recordings trash` reaches this module; a bad setting is exit 2 and one line."""
    (tmp_path / "config.toml").write_text("[recording]\ntrash_days = -1\n")
    command = [sys.executable, "run.py", "--config", str(tmp_path / "config.toml"), "recordings", "trash"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (said.returncode, said.stdout) == (2, "") and said.stderr.splitlines()[-1].startswith("hushcast: ")
    assert "  recordings " in subprocess.run([sys.executable, "run.py", "--help"], cwd=ROOT, capture_output=True, text=True).stdout


async def test_empty_with_s3(run: Run, two: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What may be in S3 stays noted for the server; the files here are gone."""
    (tmp_path / "config.toml").write_text('[storage]\ns3_url = "s3://bucket?endpoint=http://127.0.0.1:9"\n')
    assert await asyncio.to_thread(run, "trash", "empty", "--yes") == 0
    assert "deleted by the server" in capsys.readouterr().out
    assert not any((tmp_path / "var" / "recordings" / str(each)).exists() for each in two)
    async with Database(tmp_path / "var" / DATABASE) as database:
        assert await database.read(trash.discarded) == [f"recordings/{each}" for each in two]


async def test_empty_at_one_of_several_servers(two: list[int], tmp_path: Path) -> None:
    """The files of another server stay noted for it."""
    config = Config(storage=StorageConfig(path=tmp_path / "var"), node=NodeConfig(name="a", url="http://127.0.0.1:9"))
    async with Database(tmp_path / "var" / DATABASE) as database:
        await database.run(recordings.claim, two[:1], "a")
        await database.run(recordings.claim, two[1:], "b")
        assert await _empty(database, config, 2, yes=True) == 0
        assert await database.read(trash.discarded, "a") == []
        assert await database.read(trash.discarded, "b") == [f"recordings/{two[1]}"]
    assert [each.name for each in (tmp_path / "var" / "recordings").iterdir()] == [str(two[1])]
