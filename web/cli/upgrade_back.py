"""`run.py upgrade --back`: the version before runs again, with the rows that it can read; what was written since stays in a file."""

import asyncio
import shutil
import tempfile
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path

from db import before_migrating, going_back, row_copy
from db.connection import Database
from db.errors import Unusable
from db.on_disk import on_disk
from sfu.config.load import load
from web.app import DATABASE
from web.cli import version_folder
from web.cli.backup_file import BackupRefused
from web.cli.storing import version
from web.cli.upgrade_check import TRIAL, version_of
from web.private_folder import private
from web.serve import claimed


def go_back(settings: Path, set_aside: bool) -> int:
    """Rows first, then the version: stopped in between, both versions can read what is there. Raises what `in_one_line` catches."""
    config = load(settings)
    storage = config.storage.path
    with version_folder.held():
        before = version_folder.earlier()
        if before is None:
            raise BackupRefused("there is no earlier version to go back to")
        known = {each.stem for each in (before / "db" / "migrations").glob("m*.py")}
        if config.database.url:
            print("The rows are in PostgreSQL and stay as they are; where the earlier version refuses them, restore a backup of it.")
        elif (storage / DATABASE).exists():
            applied = row_copy.applied_in(storage / DATABASE)
            if set(applied) - known:
                with private(storage), claimed(storage):
                    _rows_back(storage, applied, known, set_aside)
        version_folder.switch(before)
    print(f"Version {version_of(before)} is in the place of {version()} again; a running server has to be restarted.")
    return 0


def _rows_back(storage: Path, applied: Collection[str], known: Collection[str], set_aside: bool) -> None:
    """Put rows as the earlier version has them into their place; those of now stay in a folder beside them.

    They are the copy from before the newer migrations and, unless `set_aside`, what was written since.
    """
    place = storage / DATABASE
    older = before_migrating.place_of(place, sorted(set(applied) & set(known)))
    if not older.exists():
        raise Unusable(f"{older} is missing, the rows as the earlier version can read them: restore a backup with that version instead")
    aside = storage / f"before-back-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
    with tempfile.TemporaryDirectory(prefix=TRIAL, dir=storage) as trial:
        now, then, made = (Path(trial) / name for name in ("now.db", "then.db", "made.db"))
        row_copy.take(place, now)
        for copy in (then, made):
            row_copy.take(older, copy)
        asyncio.run(_migrated(then))
        written = going_back.written_since(then, now)
        if written and not set_aside:
            _carry(older, then, now, made, written)
        if written:
            aside.mkdir()
            shutil.copyfile(now, aside / DATABASE)
            for each in (aside / DATABASE, aside, storage):
                on_disk(each)
        going_back.put_in_place(made, place)
    on_disk(storage)
    if written:
        what = "those from before the upgrade are" if set_aside else "the earlier version's, with all that was written since, are"
        print(f"The rows as they were until now are in {aside / DATABASE}; {what} in their place.")


def _carry(older: Path, then: Path, now: Path, made: Path, written: Mapping[str, int]) -> None:
    refused = going_back.not_held(older, then, now, written)
    if refused:
        tables = ", ".join(f"{name} {written[name]}" for name in refused)
        raise Unusable(
            f"rows were written since that the earlier version cannot hold ({tables}): `run.py upgrade --back --set-aside` goes back to"
            " the rows from before the upgrade and keeps these in a file"
        )
    going_back.carry(now, made, written)


async def _migrated(path: Path) -> None:
    async with Database(path):
        pass
