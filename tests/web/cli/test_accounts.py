"""Accounts from the command line."""

import asyncio
import io
import os
import pty
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from db import friendships, ownership, recordings, users
from db.connection import Database
from tests.support.disks import fill, small_disk
from tests.support.running import ROOT
from web.app import DATABASE
from web.auth.passwords import HASHER
from web.cli.accounts import main

Run = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run("user", "add", "ada", typed="...")`: the exit status, with settings and storage of this test's own."""
    config = tmp_path / "config.toml"
    config.write_text("")

    def call(*arguments: str, typed: str = "") -> int:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        return main(["--config", str(config), *arguments])

    return call


def test_add_and_list(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """An account gets the typed password; the list has one line for each."""
    assert run("user", "add", "ada", typed="correct horse\n") == 0
    assert run("user", "add", "ben", typed="battery staple\n") == 0
    assert run("user", "list") == 0
    assert [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()] == ["ada", "ben"]


def test_a_password_is_made_up(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Where no password is typed, a random one is set and printed."""
    assert run("user", "add", "ada") == 0
    assert len(capsys.readouterr().out.strip()) == 16


@pytest.mark.parametrize(("name", "password"), [("a", "long enough"), ("no spaces", "long enough"), ("ada", "short")])
def test_the_same_rules_as_on_the_page(run: Run, capsys: pytest.CaptureFixture[str], name: str, password: str) -> None:
    """A bad name or password is one line and exit 1."""
    assert run("user", "add", name, typed=password) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_taken_name(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Names are unique without regard to case."""
    assert run("user", "add", "ada", typed="correct horse") == 0
    assert run("user", "add", "ADA", typed="correct horse") == 1
    assert "ADA is taken" in capsys.readouterr().err


def test_an_unknown_name(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """`passwd` and `delete` of an unknown name end with one line and exit 1."""
    assert run("user", "passwd", "ada", typed="correct horse") == 1
    assert run("user", "delete", "ada") == 1
    assert capsys.readouterr().err == "hushcast: there is no user ada\n" * 2


def test_nothing_is_printed_for_what_fails(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """A taken or invalid name is refused before a password is asked for or made up."""
    assert run("user", "add", "ada", typed="correct horse") == 0
    capsys.readouterr()
    for name in ("ada", "a"):
        assert run("user", "add", name) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 2


def test_the_owner_is_listed(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """The list has name, time and `owner` for the first account made here; after its deletion it says that nobody owns the server."""
    for name in ("ada", "ben"):
        assert run("user", "add", name, typed="correct horse") == 0
    assert run("user", "list") == 0
    said = capsys.readouterr()
    assert [line.split("\t")[2:] for line in said.out.splitlines()] == [["owner"], []]
    assert said.err == "hushcast: ada owns this server\n"
    assert run("user", "delete", "ada", "--yes") == run("user", "list") == 0
    said = capsys.readouterr()
    assert [line.split("\t")[2:] for line in said.out.splitlines()] == [[]] and "nobody owns this server" in said.err


def test_deletion_is_asked_for(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal `--yes` is needed; the question says what will be deleted, and that the server loses its owner."""
    for name in ("ada", "ben"):
        assert run("user", "add", name, typed="correct horse") == 0
    assert run("user", "delete", "ada", typed="ada\n") == 1
    said = capsys.readouterr().err
    assert "ada goes for good, with 0 recordings" in said and "ada owns this server; nobody will" in said and "--yes" in said
    assert run("user", "list") == 0
    assert capsys.readouterr().out.count("\n") == 2


def test_the_name_is_typed_at_a_terminal(run: Run, tmp_path: Path) -> None:
    """Only the account's name, in any case, deletes it."""
    assert run("user", "add", "ada", typed="correct horse") == 0
    command = [sys.executable, "-m", "web.cli.accounts", "--config", str(tmp_path / "config.toml"), "user", "delete", "ada"]
    for typed, status in ((b"no\n", 1), (b"Ada\n", 0)):
        controller, terminal = os.openpty()
        try:
            child = subprocess.Popen(command, cwd=ROOT, stdin=terminal, stdout=terminal, stderr=terminal)
            os.write(controller, typed)
            assert child.wait(60) == status
        finally:
            os.close(controller)
            os.close(terminal)


@pytest.mark.parametrize("key", [b"\x03", b"\x04"])
@pytest.mark.parametrize("action", ["delete", "passwd"])
def test_a_question_is_left(run: Run, tmp_path: Path, action: str, key: bytes) -> None:
    """Ctrl-C and Ctrl-D at a question end the command at once, with one line, and nothing is done."""
    assert run("user", "add", "ada", typed="correct horse") == 0
    command = [sys.executable, "-m", "web.cli.accounts", "--config", str(tmp_path / "config.toml"), "user", action, "ada"]
    child, terminal = pty.fork()
    if not child:
        os.chdir(ROOT)
        os.execv(sys.executable, command)
    said = b""
    with open(terminal, "r+b", buffering=0) as screen:
        while not said.endswith(b": "):
            said += screen.read(1000)
        time.sleep(0.3)  # getpass turns off the echo, and drops what came before that
        screen.write(key)
        with suppress(OSError):  # the end of a terminal
            while more := screen.read(1000):
                said += more
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    assert b"nothing was done" in said and b"Traceback" not in said
    assert run("user", "list") == 0


async def test_delete(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The account is gone, and the files of its recordings."""
    assert await asyncio.to_thread(run, "user", "add", "ada", typed="correct horse") == 0
    async with Database(tmp_path / "var" / DATABASE) as database:
        row = await database.run(recordings.begin, "ada", "a1", None, datetime.now(UTC))
    folder = tmp_path / "var" / row.folder
    folder.mkdir(parents=True)
    assert await asyncio.to_thread(run, "user", "delete", "Ada", "--yes") == 0
    assert await asyncio.to_thread(run, "user", "list") == 0
    assert capsys.readouterr().out == ""
    assert not folder.exists()


def test_settings_are_checked(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A bad setting is exit 2."""
    (tmp_path / "config.toml").write_text("[http]\nprot = 1")
    assert run("user", "list") == 2
    assert "unknown key http.prot" in capsys.readouterr().err


def test_demo(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """`demo` makes alice and bob once; the second time it says what to do instead."""
    assert run("demo") == 0
    alice, bob = (line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert (alice[0], bob[0]) == ("alice", "bob") and len(alice[1]) == len(bob[1]) == 12 and alice[1] != bob[1]
    assert run("demo") == 1
    assert "run.py user passwd alice" in capsys.readouterr().err


async def test_what_demo_leaves(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The printed passwords are right, the friendship is there, and alice is the owner."""
    assert await asyncio.to_thread(run, "demo") == 0
    passwords = dict(line.split("\t") for line in capsys.readouterr().out.splitlines())
    async with Database(tmp_path / "var" / DATABASE) as database:
        alice, bob = [await database.run(users.find, name) for name in ("alice", "bob")]
        assert alice is not None and bob is not None
        assert HASHER.verify(alice.password_hash, passwords["alice"])
        assert await database.run(friendships.are_friends, alice.id, bob.id)
        assert await database.run(ownership.owner_id) == alice.id


@pytest.mark.parametrize("how", ["locked", "full"])
async def test_a_database_that_takes_nothing(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str) -> None:
    """A locked database or a full disk ends the command with one line and exit 1, and nothing is changed."""
    with small_disk(tmp_path / "var", 2_000_000):
        assert await asyncio.to_thread(run, "user", "add", "ada", typed="correct horse") == 0
        with closing(sqlite3.connect(tmp_path / "var" / DATABASE, isolation_level=None)) as other:
            other.execute("SELECT * FROM user").fetchall()  # its journal stays with it, and has room for little
            capsys.readouterr()
            if how == "locked":
                other.execute("BEGIN IMMEDIATE")
            else:
                fill(tmp_path / "var")
            for number in range(500):
                status = await asyncio.to_thread(run, "user", "add", f"ben{number}", typed="correct horse")
                if status:
                    break
            assert status == 1
        said = capsys.readouterr().err
        assert said.startswith("hushcast: not done: ") and said.count("\n") == 1
        assert ("database_busy" if how == "locked" else "storage_full") in said
