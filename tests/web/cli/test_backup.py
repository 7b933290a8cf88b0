"""Backup and restore of SQLite: everything or nothing, and one line for whatever is wrong."""

import asyncio
import fcntl
import gzip
import hashlib
import io
import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import time
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from db import migrations, recordings, users
from db.connection import Database
from db.errors import Unusable
from db.migrations import m0001_first
from db.tables import now
from tests.db.test_copying import everything
from tests.support.disks import small_disk
from tests.support.running import ROOT
from tests.web.cli.installations import backed_up, files, one_line
from web.app import DATABASE
from web.cli import backup, restore
from workers.recordings import ogg


class House(NamedTuple):
    """An installation without a server, and the settings of an empty one beside it."""

    folder: Path
    storage: Path
    settings: Path
    other: Path  # its storage
    others: Path  # its settings

    def backup(self, name: str = "a.tar.gz") -> tuple[int, Path]:
        return backup.main(["--config", str(self.settings), str(self.folder / name)]), self.folder / name

    def restore(self, file: Path, *options: str) -> int:
        return restore.main(["--config", str(self.others), *options, str(file)])


@pytest.fixture
def house(filled_storage: Path, tmp_path: Path) -> House:
    (tmp_path / "config.toml").write_text('[storage]\npath = "var"\nfloor_mb = 0\n')
    (tmp_path / "other.toml").write_text('[storage]\npath = "new/var"\nfloor_mb = 0\n')
    shutil.copytree(filled_storage, tmp_path / "var")
    return House(tmp_path, tmp_path / "var", tmp_path / "config.toml", tmp_path / "new" / "var", tmp_path / "other.toml")


async def rows(storage: Path) -> dict[str, list[object]]:
    async with Database(storage / DATABASE) as database:
        return await database.read(everything)


async def test_everything_comes_back(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """Each row and file, private; drafts and what is made again are left out; the settings of then lie beside; ids go on."""
    before = await rows(house.storage)
    status, file = await asyncio.to_thread(house.backup)
    assert status == 0 and file.stat().st_mode & 0o777 == 0o600 and "found good" in capsys.readouterr().out
    assert sorted(each.name for each in house.folder.iterdir()) == ["a.tar.gz", "config.toml", "other.toml", "var"]
    assert await asyncio.to_thread(house.restore, file) == 0
    assert await rows(house.other) == before == await rows(house.storage)
    wanted = backed_up(files(house.storage))
    assert files(house.other) == wanted | {"config-of-backup.toml": house.settings.read_bytes()}
    assert all(each.stat().st_mode & 0o077 == 0 for each in house.other.rglob("*"))
    async with Database(house.other / DATABASE) as database, Database(house.storage / DATABASE) as old:
        assert (await database.run(users.create, "next", "x")).id == (await old.run(users.create, "next", "x")).id
    assert tarfile.open(file).getnames()[0] == "hushcast-backup.json"


async def test_verify(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """A good one is told with its number of files; another is refused in one line; a file that is there is never written over."""
    _, file = await asyncio.to_thread(house.backup)
    capsys.readouterr()
    assert backup.main(["--verify", str(file)]) == 0 and " 7 files " in capsys.readouterr().out
    whole = file.read_bytes()
    assert house.backup()[0] == 1 and "there already" in one_line(capsys) and file.read_bytes() == whole
    assert backup.main(["--verify", str(house.settings)]) == 1 and "no backup" in one_line(capsys)
    assert backup.main(["--verify", str(file) + "x"]) == 1 and "No such file" in one_line(capsys)


async def test_cut_short_or_altered(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """Wherever it is cut or a byte is changed: refused, and nothing is left."""
    _, file = await asyncio.to_thread(house.backup)
    whole, unpacked = file.read_bytes(), gzip.decompress(file.read_bytes())
    capsys.readouterr()
    cut = [whole[: len(whole) * part // 5] for part in range(5)] + [whole[:-1], whole[:-9], whole + b"x"]
    changed = [bytearray(unpacked) for _ in range(12)]
    for number, data in enumerate(changed):
        data[random.Random(number).randrange(1024, len(data) - 2048)] ^= 0x10
    for data in (*cut, *(gzip.compress(each, 1) for each in changed), gzip.compress(unpacked[:-512]), gzip.compress(unpacked + b"x")):
        file.write_bytes(data)
        assert house.restore(file) == 1
        one_line(capsys)
        assert not house.other.exists()


def packed(members: list[tuple[tarfile.TarInfo, bytes]], head: dict[str, object] | None = None) -> bytes:
    """A backup with these members and a manifest that is right for them."""
    out = io.BytesIO()
    names: dict[str, object] = {}
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.GNU_FORMAT) as tar:

        def add(name: str, data: bytes) -> None:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))

        add("hushcast-backup.json", json.dumps(head or {"format": 1, "version": "0.1", "migrations": migrations.names()}).encode())
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
            names[info.name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        add("manifest.json", json.dumps(names).encode())
    return out.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", data: bytes = b"") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(data)
    return info, data


ATTACKS = {
    "above": [member("recordings/../../../evil", data=b"x")],
    "absolute": [member("/tmp/evil", data=b"x")],
    "elsewhere": [member("cache/graph", data=b"x")],
    "dot": [member("keys/./links", data=b"x")],
    "link": [member("keys/links", tarfile.SYMTYPE, "/etc")],
    "hard link": [member("keys/links", tarfile.LNKTYPE, "../../config.toml")],
    "device": [member("keys/null", tarfile.CHRTYPE)],
    "pipe": [member("keys/pipe", tarfile.FIFOTYPE)],
    "folder": [member("keys", tarfile.DIRTYPE)],
    "twice": [member("keys/links", data=b"x"), member("keys/links", data=b"y")],
    "a file as folder": [member("keys/links", data=b"x"), member("keys/links/more", data=b"y")],
    "a folder as file": [member("keys/links/more", data=b"x"), member("keys/links", data=b"y")],
    "long": [member("keys/" + "x" * 300, data=b"x")],
    "control characters": [member("keys/\x1b[2J\n", data=b"x")],
    "no rows": [member("keys/links", data=b"x")],
    "rows of another program": [member(DATABASE, data=b"SQLite format 3\0" + bytes(5000))],
    "no database": [member(DATABASE, data=b"text")],
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_what_no_backup_has(attack: str, house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, nothing outside of the folder is written, and nothing is left in it."""
    file = house.folder / "evil.tar.gz"
    file.write_bytes(packed(ATTACKS[attack]))
    before = sorted(house.folder.rglob("*"))
    assert await asyncio.to_thread(house.restore, file) in (1, 2)
    one_line(capsys)
    assert [each for each in sorted(house.folder.rglob("*")) if each != house.other.parent] == before


@pytest.mark.parametrize(
    "head",
    [
        {"format": 2, "version": "9.0", "migrations": []},
        {"format": 1, "version": "9.0", "migrations": [*migrations.names(), "m9999_later"]},
    ],
)
async def test_of_a_newer_version(head: dict[str, object], house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused with the version to use."""
    file = house.folder / "newer.tar.gz"
    file.write_bytes(packed([], head))
    assert house.restore(file) == 1 and "newer version (9.0" in one_line(capsys) and not house.other.exists()


async def test_of_an_older_version(house: House) -> None:
    """Rows of the first version are packed as they are, and restored with the migrations that they lack."""
    shutil.rmtree(house.storage)
    house.storage.mkdir()
    with closing(sqlite3.connect(house.storage / DATABASE)) as file, file:
        for statement in (migrations.APPLIED, *m0001_first.STATEMENTS, "INSERT INTO migration (name) VALUES ('m0001_first')"):
            file.execute(statement)
        file.execute("INSERT INTO user VALUES (1, 'alice', 'x', '2026-01-01T00:00:00.000000Z')")
    before = (house.storage / DATABASE).read_bytes()
    status, packed_file = await asyncio.to_thread(house.backup)
    assert status == 0 and (house.storage / DATABASE).read_bytes() == before
    assert await asyncio.to_thread(house.restore, packed_file) == 0
    with closing(sqlite3.connect(house.other / DATABASE)) as file:
        assert [name for (name,) in file.execute("SELECT name FROM migration ORDER BY name")] == migrations.names()
        assert file.execute("SELECT username FROM user").fetchall() == [("alice",)]


async def test_where_there_is_something(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused; with --replace what was there is moved aside, whole. Refused too while a server has the folder."""
    _, file = await asyncio.to_thread(house.backup)
    assert await asyncio.to_thread(house.restore, file) == 0
    (house.other / "keys" / "links").write_bytes(b"later")
    before = files(house.other)
    capsys.readouterr()
    assert house.restore(file) == 2 and "--replace" in one_line(capsys) and files(house.other) == before
    with (house.other / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert house.restore(file, "--replace") == 2 and "server is running" in one_line(capsys) and files(house.other) == before
    assert await asyncio.to_thread(house.restore, file, "--replace") == 0
    [aside] = house.other.glob("before-restore-*")
    assert files(aside) == before and await rows(aside) == await rows(house.other) == await rows(house.storage)
    assert (house.other / "keys" / "links").read_bytes() == (house.storage / "keys" / "links").read_bytes()


async def test_a_bad_one_over_a_good_installation(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """With --replace too nothing is touched before all of it was read."""
    _, file = await asyncio.to_thread(house.backup)
    file.write_bytes(file.read_bytes()[:-20])
    before, had = await rows(house.storage), files(house.storage)
    house.others.write_text(house.settings.read_text())
    capsys.readouterr()
    assert house.restore(file, "--replace") == 1 and "cut short" in one_line(capsys)
    assert files(house.storage) == had and await rows(house.storage) == before


async def test_on_air_up_to_a_whole_page(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """Of what is being written only whole pages are taken, and it is said."""
    async with Database(house.storage / DATABASE) as database:
        tape = await database.run(recordings.begin, "Person5", "air", None, now())
    folder = house.storage / tape.folder
    folder.mkdir()
    pages = [ogg.build([random.randbytes(200)], number, 7, number) for number in range(9)]
    (folder / "original.opus").write_bytes(b"".join(pages) + pages[0][:100])
    (folder / "outline.peaks").write_bytes(b"of another time")
    status, file = await asyncio.to_thread(house.backup)
    assert status == 0 and "on air" in capsys.readouterr().out
    with tarfile.open(file) as tar:
        inside = tar.extractfile(f"{tape.folder}/original.opus")
        assert inside is not None and inside.read() == b"".join(pages)
        assert f"{tape.folder}/outline.peaks" not in tar.getnames()


@pytest.mark.parametrize("room", [200_000, 2_000_000])
async def test_on_a_full_disk(room: int, house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither half a backup nor half an installation is left, and one line says why."""
    _, file = await asyncio.to_thread(house.backup)
    capsys.readouterr()
    with small_disk(tmp_path / "disk", room) as disk:
        assert backup.main(["--config", str(house.settings), str(disk / "b")]) == 1
        assert "storage_full" in (said := one_line(capsys)) or "No space left" in said
        assert list(disk.iterdir()) == []
        house.others.write_text(f'[storage]\npath = "{disk}/var"\nfloor_mb = 0\n')
        assert house.restore(file) == 1
        assert "No space left" in (said := one_line(capsys)) or "no room" in said
        assert list(disk.iterdir()) == []


async def test_killed_at_any_time(house: House) -> None:
    """kill -9 during a restore over an installation: the old is there or the new, or none starts; another restore makes it good.

    Before the switch at a random moment, then as soon as the switch is seen, and a little later.
    """
    _, file = await asyncio.to_thread(house.backup)
    assert await asyncio.to_thread(house.restore, file) == 0
    wanted = await rows(house.storage)
    command = [sys.executable, "-m", "web.cli.restore", "--config", house.others, "--replace", file]
    for waits_for, pause_s in ((".restoring/keys", random.random() / 10), ("before-restore-*", 0.0), ("before-restore-*", 0.0005)):
        before = set(house.other.glob(waits_for))
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and not set(house.other.glob(waits_for)) - before:
                pass
            time.sleep(pause_s)
            process.send_signal(signal.SIGKILL)
        try:
            assert await rows(house.other) == wanted
        except Unusable as refused:
            assert "restore again" in str(refused)
    assert await asyncio.to_thread(house.restore, file, "--replace") == 0
    assert await rows(house.other) == wanted and not (house.other / ".restoring").exists()


async def test_a_failure_after_one_that_was_cut_short(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The next start is refused as before, and so it is where a failed one could not be undone; a success ends that."""
    _, file = await asyncio.to_thread(house.backup)
    bad, mark = house.folder / "bad.tar.gz", house.other / ".restoring"
    bad.write_bytes(file.read_bytes()[:-20])
    (mark / "keys").mkdir(parents=True)
    assert await asyncio.to_thread(house.restore, bad) == 1 and list(mark.iterdir()) == []
    with pytest.raises(Unusable, match="restore again"):
        await rows(house.other)
    assert await asyncio.to_thread(house.restore, file) == 0 and not mark.exists()
    assert await asyncio.to_thread(house.restore, bad, "--replace") == 1 and not mark.exists()
    rename, moves = Path.rename, 0

    def fail(path: Path, target: Path) -> Path:
        nonlocal moves
        moves += 1
        if moves > 3:
            raise OSError(5, "Input/output error")
        return rename(path, target)

    with monkeypatch.context() as failing:
        failing.setattr(Path, "rename", fail)
        assert await asyncio.to_thread(house.restore, file, "--replace") == 1
    with pytest.raises(Unusable, match="restore again"):
        await rows(house.other)
    assert await asyncio.to_thread(house.restore, file, "--replace") == 0 and not mark.exists()
    assert await rows(house.other) == await rows(house.storage)


async def test_stopped(house: House) -> None:
    """SIGTERM in the middle: status 130, one line, no draft beside the file to be."""
    command = [sys.executable, "-m", "web.cli.backup", "--config", house.settings, house.folder / "b"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not any(house.folder.glob(".b.*")):
            pass
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "\nhushcast: interrupted; no backup was made\n")
    assert sorted(each.name for each in house.folder.iterdir()) == ["config.toml", "other.toml", "var"]


async def test_no_new_rows_beside_half_a_restore(tmp_path: Path) -> None:
    """A folder in which a restore was cut short is no place for an empty database."""
    (tmp_path / ".restoring").mkdir()
    with pytest.raises(Unusable, match="restore again"):
        async with Database(tmp_path / DATABASE):
            pass
    assert not (tmp_path / DATABASE).exists()


def test_nothing_to_back_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No database, no folder for the file: one line, and nothing is made."""
    (tmp_path / "config.toml").write_text("")
    for file, why in (("x", "nothing to back up"), ("no/x", "no such folder")):
        assert backup.main(["--config", str(tmp_path / "config.toml"), str(tmp_path / file)]) in (1, 2) and why in one_line(capsys)
    assert [each.name for each in tmp_path.iterdir()] == ["config.toml"]
