"""Installations without a server, on either kind of database, for tests of backup and restore."""

import random
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

from db.connection import Database
from tests.db.test_copying import everything
from web.app import DATABASE
from web.cli import backup, restore

MADE_AGAIN = b"made again"


class Installation(NamedTuple):
    """What a server has: its settings, its folder, and its rows: a file in there, or the URL of a database."""

    settings: Path
    storage: Path
    place: Path | str

    def backup(self, file: Path) -> int:
        return backup.main(["--config", str(self.settings), str(file)])

    def restore(self, file: Path, *options: str) -> int:
        return restore.main(["--config", str(self.settings), *options, str(file)])

    def do(self, *statements: str) -> list[Any]:
        """SQL, in one transaction; the rows that the last statement finds."""
        if isinstance(self.place, Path):
            with closing(sqlite3.connect(self.place)) as file, file:
                file.execute("PRAGMA foreign_keys = 1")
                return [file.execute(each).fetchall() for each in statements][-1]
        with closing(psycopg.connect(self.place)) as database, database:
            answers = [database.execute(each) for each in statements]  # type: ignore[call-overload]
            return answers[-1].fetchall() if answers[-1].description else []

    async def rows(self) -> dict[str, list[object]]:
        async with Database(self.place) as database:
            return await database.read(everything)

    def files(self) -> dict[str, bytes]:
        """Without the rows, and without what a server makes itself."""
        return files(self.storage)


def installed(folder: Path, url: str = "", more: str = "", storage: Path | None = None) -> Installation:
    """With nothing in it. more: of the settings. storage: `var` in the folder by default."""
    folder.mkdir(parents=True, exist_ok=True)
    var = storage or folder / "var"
    database = f'[database]\nurl = "{url}"\n' if url else ""
    (folder / "config.toml").write_text(f'[storage]\npath = "{var}"\nfloor_mb = 0\n{database}{more}')
    return Installation(folder / "config.toml", var, url or var / DATABASE)


def files(storage: Path) -> dict[str, bytes]:
    found = (each for each in storage.rglob("*") if each.is_file())
    names = {str(each.relative_to(storage)): each for each in found}
    return {name: each.read_bytes() for name, each in names.items() if not name.startswith((DATABASE, "lock", "before-"))}


def add_files(storage: Path) -> None:
    """Recordings 1 and 2, keys and names; and what no backup has."""
    for name in ("keys/links", "keys/acme/account.json", "names.json", "recordings/1/original.opus", "recordings/2/heard.wav"):
        (storage / name).parent.mkdir(parents=True, exist_ok=True)
        (storage / name).write_bytes(random.randbytes(3_000_000 if "heard" in name else 700))
    for name in ("cache/graph", "recordings/.made/1-x.mp3", "recordings/2/x.part"):
        (storage / name).parent.mkdir(parents=True, exist_ok=True)
        (storage / name).write_bytes(MADE_AGAIN)


def backed_up(found: dict[str, bytes]) -> dict[str, bytes]:
    """Of these files those that a backup has."""
    return {name: data for name, data in found.items() if data != MADE_AGAIN}


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("hushcast: ") and said.err.count("\n") == 1, said
    return said.err


def command(name: str, of: Installation, *more: object) -> Sequence[str]:
    """`run.py backup` or `restore` as a process."""
    return [sys.executable, "-m", f"web.cli.{name}", "--config", str(of.settings), *map(str, more)]
