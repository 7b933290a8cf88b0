"""`run.py recordings trash`: what lies in the trash, for whoever may read the database file; beside a running server too."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from db import known_time, trash
from db.connection import Database
from db.tables import Recording, now
from sfu.config.schema import Config
from web.cli.database import answer, carried_out
from web.http.responses import stamp
from web.recordings.archive import delete_files
from web.serve import CONFIG_FILE
from workers.disk_room import MB


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0, 1 where it could not be done, 2 for a bad setting, database or command."""
    asked = _parser().parse_args(arguments)
    return carried_out(asked.config, lambda database, config: _do(asked, database, config))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="run.py recordings", allow_abbrev=False)
    parser.add_argument("--config", type=Path, default=CONFIG_FILE, help="settings (default: config.toml beside run.py)")
    bin_parser = parser.add_subparsers(dest="place", required=True).add_parser("trash", help="deleted recordings")
    actions = bin_parser.add_subparsers(dest="action")
    actions.add_parser("list", help="all that can be taken back: id, user, deleted, gone for good, size, title; the default")
    actions.add_parser("restore", help="take one back").add_argument("id", type=int)
    actions.add_parser("empty", help="delete them all for good").add_argument("--yes", action="store_true", help="do not ask")
    return parser


async def _do(asked: argparse.Namespace, database: Database, config: Config) -> int:
    if asked.action == "restore":
        return await _restore(database, asked.id)
    found = await database.read(trash.everything)
    if asked.action == "empty":
        return await _empty(database, config.storage.path, len(found), asked.yes)
    for recording in found:
        print(_line(recording, timedelta(days=config.recording.trash_days)))
    return 0


def _line(recording: Recording, keeps: timedelta) -> str:
    gone_at = (recording.counts_from or recording.deleted_at) + keeps
    size, title = f"{recording.size_bytes / MB:.1f} MB", "".join(filter(str.isprintable, recording.title or ""))
    return "\t".join([str(recording.id), recording.user.username, f"{stamp(recording.deleted_at)}", f"{stamp(gone_at)}", size, title])


async def _restore(database: Database, recording_id: int) -> int:
    """Days are counted from the newest moment known, where the clock is behind it."""
    found = await database.read(trash.find, recording_id)
    if found is None:
        print(f"hushcast: there is no recording {recording_id} in the trash; `run.py recordings trash` lists them", file=sys.stderr)
        return 1
    known = await database.read(known_time.newest) or now()
    await database.run(trash.restore, found.user_id, recording_id, max(now(), known))
    return 0


async def _empty(database: Database, storage: Path, count: int, sure: bool) -> int:
    if count and not sure and not _agreed(count):
        print("hushcast: nothing was deleted; `--yes` deletes without asking", file=sys.stderr)
        return 1
    folders = await database.run(trash.empty)
    gone = await asyncio.to_thread(delete_files, storage, folders)
    await database.run(trash.forget, gone)
    return 0


def _agreed(count: int) -> bool:
    """Whether somebody at a terminal says so; who is not at one has to have said `--yes`."""
    return sys.stdin.isatty() and answer(input, f"Delete {count} recordings for good? [y/N] ").strip().lower() in ("y", "yes")


if __name__ == "__main__":
    sys.exit(main())
