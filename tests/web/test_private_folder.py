"""The permissions of storage.path."""

import logging
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.running import ROOT
from web.private_folder import private

NOBODY = 65534


def modes(folder: Path) -> set[str]:
    """The permissions of group and others in the folder, links left out."""
    every = [folder, *(each for each in folder.rglob("*") if not each.is_symlink())]
    return {f"{each}: {each.stat().st_mode & 0o777:o}" for each in every if each.stat().st_mode & 0o077}


def test_what_is_too_open_is_closed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Files and folders lose the permissions of others, links are not followed, and a log line tells how many."""
    storage, outside = tmp_path / "var", tmp_path / "outside"
    (storage / "recordings" / "1").mkdir(parents=True)
    outside.mkdir()
    for file in (storage / "hushcast.db", storage / "recordings" / "1" / "original.opus", outside / "kept"):
        file.write_text("x")
        file.chmod(0o664)
    storage.chmod(0o755)
    (storage / "recordings").chmod(0o775)
    (storage / "link").symlink_to(outside / "kept")
    (storage / "cache").symlink_to(outside)
    (storage / "recordings" / "1").chmod(0o755)
    outside.chmod(0o755)
    with private(storage, deep=True):
        (storage / "new").write_text("x")
        (storage / "newer").mkdir()
    assert not modes(storage)
    assert stat.S_IMODE((outside / "kept").stat().st_mode) == 0o664 and stat.S_IMODE(outside.stat().st_mode) == 0o755
    assert [record.getMessage() for record in caplog.records] == [
        f"{storage}: 5 files and folders were open to others; now they are their owner's alone"
    ]
    caplog.clear()
    with private(storage, deep=True):
        pass
    assert not caplog.records


def test_the_umask_is_given_back(tmp_path: Path) -> None:
    """After the block the umask is the user's again."""
    before = os.umask(0o022)
    try:
        with private(tmp_path / "var"):
            pass
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_files_of_others_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Files of another user are left alone and logged."""
    (tmp_path / "theirs").write_text("x")
    (tmp_path / "theirs").chmod(0o644)
    os.chown(tmp_path / "theirs", NOBODY, NOBODY)
    with caplog.at_level(logging.WARNING), private(tmp_path, deep=True):
        pass
    assert "1 files and folders belong to another user" in caplog.records[-1].getMessage()
    assert stat.S_IMODE((tmp_path / "theirs").stat().st_mode) == 0o644


@pytest.mark.parametrize("command", [["demo"], ["user", "add", "ada"], ["user", "list"]])
def test_whoever_makes_the_database_first(tmp_path: Path, command: list[str]) -> None:
    """A command with the widest umask makes a folder and a database that nobody else can read."""
    (tmp_path / "config.toml").write_text("")
    words = [sys.executable, "-m", "web.cli.accounts", "--config", str(tmp_path / "config.toml"), *command]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(words, check=True, env=environment, umask=0, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    assert (tmp_path / "var" / "hushcast.db").exists()
    assert not modes(tmp_path / "var")


async def test_a_server_closes_what_it_finds(server: StartServer, tmp_path: Path) -> None:
    """At the start files of older versions lose the permissions of others; new files never have them."""
    before = os.umask(0)
    try:
        storage = tmp_path / "old"
        (storage / "recordings" / ".made").mkdir(parents=True)
        (storage / "keys").mkdir()
        running = await server({"storage.path": str(storage), "http.tls": "self-signed"})
    finally:
        os.umask(before)
    assert (storage / "keys" / "self-signed.pem").exists() and (storage / "hushcast.db-wal").exists()
    assert not modes(storage)
    assert "were open to others" in running.log
