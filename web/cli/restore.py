"""`run.py restore FILE`: what `run.py backup` packed becomes the content of `storage.path` and of the database, whole or not at all."""

import argparse
import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from db import row_copy
from db.connection import Database
from db.errors import Undecided, Unusable
from db.on_disk import on_disk
from db.opening import RESTORING
from sfu.config.errors import ConfigError
from sfu.config.load import load
from sfu.config.schema import Config
from web.app import DATABASE
from web.cli.backup_file import BackupReader, BackupRefused
from web.cli.progress_bar import ProgressBar
from web.cli.restore_switch import SETTINGS, SETTINGS_AS, Switch, lacks_rows, marked, nothing_left, occupied
from web.cli.storing import driver_needed, in_one_line
from web.private_folder import private
from web.serve import CONFIG_FILE, claimed
from workers.disk_room import MB, DiskRoom


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0, 1 where it was not done, 2 for a bad setting, a database that cannot be used or a server that is running."""
    parser = argparse.ArgumentParser(
        prog="run.py restore",
        description="Put a backup into an empty storage.path, and into an empty database where database.url names one."
        " The server has to be stopped, and all of several.",
        allow_abbrev=False,
    )
    parser.add_argument("--config", type=Path, default=CONFIG_FILE, help="settings (default: config.toml beside run.py)")
    parser.add_argument(
        "--replace",
        action="store_true",
        help="move what is in storage.path aside, into a folder in it, and tables in PostgreSQL into a schema of their own",
    )
    parser.add_argument("--files", action="store_true", help="of several servers, at all but one: only this server's files, no rows")
    parser.add_argument("file", type=Path, metavar="FILE")
    given = parser.parse_args(arguments)
    return in_one_line(lambda: _restore(given), given.file, "nothing was restored")


def _restore(given: argparse.Namespace) -> int:
    config = load(given.config)
    url, storage = config.database.url, config.storage.path
    if given.files and not url:
        raise ConfigError("--files is for several servers, whose rows are in PostgreSQL; database.url is empty")
    with ExitStack() as opened:
        source = opened.enter_context(given.file.open("rb"))
        opened.enter_context(nothing_left(storage))
        opened.enter_context(private(storage))
        opened.enter_context(claimed(storage))
        if given.files and lacks_rows(storage):
            raise ConfigError(f"--files: {storage} was left by a restore of rows that was cut short; restore again without --files")
        if occupied(storage, with_rows=not url) and not given.replace:
            raise ConfigError(f"storage.path: {storage} is not empty; `run.py restore --replace FILE` moves what is there aside")
        rows = _RowsInPostgres(url, given.replace) if url and not given.files else None
        work = storage / RESTORING
        switch = Switch(storage, work, with_rows=not url, files_alone=given.files)
        with marked(work, switch):
            reader = BackupReader(source)
            _unpack(reader, source, work, config)
            asyncio.run(_migrated(work / DATABASE))
            on_disk(work / DATABASE)
            if rows is None:
                switch.do()
            else:
                rows.put(work / DATABASE, switch)
            switch.finish()
    _say(reader.version, given, storage, switch.aside, rows)
    return 0


class _RowsInPostgres:
    """The rows' side of a restore into PostgreSQL. aside: the schema of the tables that were there."""

    def __init__(self, url: str, replace: bool) -> None:
        """Before anything is unpacked: raises Unusable, Unavailable where it cannot be done."""
        with driver_needed():
            from db.postgres_restoring import look, put
        look(url, replace=replace)
        self._url, self._replace, self._put = url, replace, put
        self.aside: str | None = None

    def put(self, rows: Path, switch: Switch) -> None:
        """All rows, then the files, then the end of the transaction; an error before that undoes all. Raises Unusable, Unavailable,
        OSError."""
        done: dict[str, int] = {}
        answered = False
        try:
            with ProgressBar("rows", row_copy.count_rows(rows)) as bar:

                def told(table: str, copied: int, _: int) -> None:
                    done[table] = copied
                    bar.reach(sum(done.values()))

                self.aside = self._put(rows, self._url, told, replace=self._replace, last=switch.do)
                answered = True
        except BaseException as error:
            if answered or isinstance(error, Undecided):  # the former files would not fit to the rows
                said = str(error) or type(error).__name__
                raise Unusable(f"whether the rows are in PostgreSQL is not known ({said}); restore again with --replace") from error
            switch.undo()
            raise


def _say(version: str, given: argparse.Namespace, storage: Path, aside: Path | None, rows: _RowsInPostgres | None) -> None:
    if given.files:
        print(f"The files of the backup of version {version} are in {storage}; rows were left alone.")
    elif rows is not None:
        print(f"The backup of version {version} is in {storage} and in PostgreSQL.")
    else:
        print(f"The backup of version {version} is in {storage}.")
    if aside is not None:
        print(f"What was there before is in {aside}; delete it when you no longer need it.")
    if rows is not None and rows.aside is not None:
        print(f"What was in PostgreSQL before is in its schema {rows.aside}; `DROP SCHEMA {rows.aside} CASCADE` deletes it.")
    if (storage / SETTINGS_AS).exists():
        print(f"The settings of then are in {storage / SETTINGS_AS}; {given.config} is unchanged.")


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


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a supervisor that stops it leaves no drafts either
    raise SystemExit(main())
