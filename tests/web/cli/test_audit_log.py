"""The log of acts from the command line."""

import asyncio
import io
from pathlib import Path

import pytest

from db import audit, users
from db.connection import Database
from web.app import DATABASE
from web.cli import accounts
from web.cli.audit_log import main


async def test_acts_are_printed_oldest_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The owner's and those of the command line itself; of many only the newest, and a number that is none is refused."""
    config = tmp_path / "config.toml"
    config.write_text("")
    async with Database(tmp_path / "var" / DATABASE) as database:
        await database.run(users.create, "bob", "x")
        await database.run(audit.note, "ada", "suspended", "bob")
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse\n"))
    given = ["--config", str(config)]
    assert await asyncio.to_thread(accounts.main, [*given, "user", "passwd", "bob"]) == 0
    assert await asyncio.to_thread(accounts.main, [*given, "user", "delete", "bob", "--yes"]) == 0
    assert await asyncio.to_thread(main, [*given, "audit"]) == 0
    lines = [line.split("\t")[1:] for line in capsys.readouterr().out.splitlines()]
    assert lines == [["ada", "suspended", "bob"], ["(command line)", "password", "bob"], ["(command line)", "removed", "bob"]]
    assert await asyncio.to_thread(main, [*given, "audit", "--limit", "1"]) == 0
    assert capsys.readouterr().out.endswith("\tremoved\tbob\n")
    with pytest.raises(SystemExit):
        main([*given, "audit", "--limit", "0"])
