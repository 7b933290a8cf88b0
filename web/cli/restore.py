"""`run.py restore FILE`: what `run.py backup` packed becomes the content of `storage.path`, whole or not at all."""

import argparse
import asyncio
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from db import row_copy
from db.connection import Database
from db.errors import Unusable
from db.on_disk import on_disk
from db.opening import RESTORING
from sfu.config.errors import ConfigError
from sfu.config.load import load
from sfu.config.schema import Config
from web.app import DATABASE
from web.cli.backup_file import BackupReader, BackupRefused
from web.cli.progress_bar import ProgressBar
from web.cli.storing import in_one_line
from web.private_folder import private
from web.serve import CONFIG_FILE, claimed
from workers.disk_room import MB, DiskRoom

SETTINGS, SETTINGS_AS = "config.toml", "config-of-backup.toml"
ROWS = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}-journal")
REST = ("recordings", "keys", "names.json", SETTINGS_AS)
Moved = list[tuple[Path, Path]]  # from where, to where


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0, 1 where it was not done, 2 for a bad setting, a database that cannot be used or a server that is running."""
    parser = argparse.ArgumentParser(
        prog="run.py restore", description="Put a backup into an empty storage.path. The server has to be stopped.", allow_abbrev=False
    )
    parser.add_argument("--config", type=Path, default=CONFIG_FILE, help="settings (default: config.toml beside run.py)")
    parser.add_argument("--replace", action="store_true", help="move what is in storage.path aside, into a folder in it")
    parser.add_argument("file", type=Path, metavar="FILE")
    given = parser.parse_args(arguments)
    return in_one_line(lambda: _restore(given.config, given.file, given.replace), given.file, "nothing was restored")


def _restore(settings: Path, file: Path, replace: bool) -> int:
    config = load(settings)
    if config.database.url:
        raise Unusable("the rows are in PostgreSQL: restore them with pg_restore; a backup by run.py is for SQLite (database.url empty)")
    storage = config.storage.path
    with ExitStack() as opened:
        source = opened.enter_context(file.open("rb"))
        opened.enter_context(_nothing_left(storage))
        opened.enter_context(private(storage))
        opened.enter_context(claimed(storage))
        if _occupied(storage) and not replace:
            raise ConfigError(f"storage.path: {storage} is not empty; `run.py restore --replace FILE` moves what is there aside")
        work = storage / RESTORING
        moved: Moved = []
        with _marked(work, moved):
            reader = BackupReader(source)
            _unpack(reader, source, work, config)
            asyncio.run(_migrated(work / DATABASE))
            on_disk(work / DATABASE)
            aside = _switch(storage, work, moved)
    print(f"The backup of version {reader.version} is in {storage}.")
    if aside is not None:
        print(f"What was there before is in {aside}; delete it when you no longer need it.")
    if (storage / SETTINGS_AS).exists():
        print(f"The settings of then are in {storage / SETTINGS_AS}; {settings} is unchanged.")
    return 0


def _occupied(storage: Path) -> bool:
    """Whether there is anything that a restore would replace."""
    found = [storage / name for name in (*ROWS, *REST) if os.path.lexists(storage / name)]
    return any(not each.is_dir() or any(each.iterdir()) for each in found)


def _unpack(reader: BackupReader, source: BinaryIO, work: Path, config: Config) -> None:
    """Write every file below `work`, and see that each is as it was backed up. Raises BackupRefused, OSError."""
    newer = row_copy.newer_than_this(reader.applied)
    if newer:
        raise BackupRefused(f"it was made by a newer version ({reader.version}: {', '.join(newer)}); restore it with that one")
    room = DiskRoom(work, config.storage.floor_mb * MB)
    with ProgressBar("unpacking", os.fstat(source.fileno()).st_size) as bar:
        for member in reader.members():
            if not room.has(member.size):
                raise BackupRefused(f"there is no room for {member.name} ({member.size / MB:.0f} MB); storage.floor_mb stay free")
            path = work / (SETTINGS_AS if member.name == SETTINGS else member.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as out:
                for piece in member.pieces:
                    out.write(piece)
                    bar.reach(source.tell())
                out.flush()
                os.fsync(out.fileno())
    if not (work / DATABASE).is_file():
        raise BackupRefused(f"there is no {DATABASE} in it")
    for folder, _, _ in os.walk(work):
        on_disk(Path(folder))


async def _migrated(path: Path) -> None:
    """Look at the rows, and bring them to this version."""
    async with Database(path):
        pass


def _switch(storage: Path, work: Path, moved: Moved) -> Path | None:
    """Move what is there aside and the new into its place; where it was moved to, None where nothing was. An error undoes all.

    moved: what was moved and not moved back. The rows go first and come last: until they are there, `db.opening` refuses to make
    new ones beside the folder RESTORING.
    """
    aside = storage / f"before-restore-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
    try:
        for name in (*ROWS, *REST):
            if os.path.lexists(storage / name):
                aside.mkdir(exist_ok=True)
                _move(storage / name, aside / name, moved)
        on_disk(storage)
        for name in (*REST, DATABASE):
            if (work / name).exists():
                _move(work / name, storage / name, moved)
        on_disk(storage)
    except BaseException:
        while moved:
            before, after = moved[-1]
            after.rename(before)
            moved.pop()
        if aside.exists():
            aside.rmdir()
        raise
    return aside if aside.exists() else None


def _move(before: Path, after: Path, moved: Moved) -> None:
    before.rename(after)
    moved.append((before, after))


@contextmanager
def _marked(work: Path, moved: Moved) -> Iterator[None]:
    """The folder `work`, empty: the mark of a restore that goes on.

    It stays, emptied, where this restore fails and an earlier one was cut short, or something of `moved` could not be moved back.
    """
    was_cut_short = os.path.lexists(work)
    try:
        work.mkdir(exist_ok=True)
        _empty(work)
        yield
    except BaseException:
        with suppress(OSError):
            _empty(work)
            if not was_cut_short and not moved:
                work.rmdir()
        raise
    shutil.rmtree(work, ignore_errors=True)


def _empty(folder: Path) -> None:
    for each in folder.iterdir():
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each, ignore_errors=True)
        else:
            each.unlink()


@contextmanager
def _nothing_left(storage: Path) -> Iterator[None]:
    """Where there was no such folder and it fails, there is none afterwards."""
    was_there = storage.exists()
    try:
        yield
    except BaseException:
        if not was_there and storage.is_dir() and {each.name for each in storage.iterdir()} <= {"lock"}:
            (storage / "lock").unlink(missing_ok=True)
            storage.rmdir()
        raise


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a supervisor that stops it leaves no drafts either
    raise SystemExit(main())
