"""`run.py recordings trash`: deleted recordings, for whoever may write the database file; works beside a running server too."""

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
from sfu.rfc3339 import rfc3339
from web.cli.database import answer, run_on_database
from web.recordings.folders import delete_files
from web.serve import CONFIG_FILE, named
from workers.disk_room import MB


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0, 1 where it failed, 2 for a bad setting, database or command."""
    asked = _parser().parse_args(arguments)
    return run_on_database(asked.config, lambda database, config: _do(asked, database, config))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="run.py recordings", allow_abbrev=False)
    parser.add_argument("--config", type=Path, default=CONFIG_FILE, help="settings (default: config.toml beside run.py)")
    bin_parser = parser.add_subparsers(dest="place", required=True).add_parser("trash", help="deleted recordings")
    actions = bin_parser.add_subparsers(dest="action")
    actions.add_parser("list", help="all that can be restored: id, user, deleted, deleted for good, size, title; the default")
    actions.add_parser("restore", help="take one out of the trash").add_argument("id", type=int)
    actions.add_parser("empty", help="delete them all for good").add_argument("--yes", action="store_true", help="do not ask")
    return parser


async def _do(asked: argparse.Namespace, database: Database, config: Config) -> int:
    if asked.action == "restore":
        return await _restore(database, asked.id)
    found = await database.read(trash.everything)
    if asked.action == "empty":
        return await _empty(database, config, len(found), asked.yes)
    for recording in found:
        print(_line(recording, timedelta(days=config.recording.trash_days)))
    return 0


def _line(recording: Recording, keeps: timedelta) -> str:
    gone_at = (recording.counts_from or recording.deleted_at) + keeps
    size, title = f"{recording.size_bytes / MB:.1f} MB", "".join(filter(str.isprintable, recording.title or ""))
    return "\t".join([str(recording.id), recording.user.username, f"{rfc3339(recording.deleted_at)}", f"{rfc3339(gone_at)}", size, title])


async def _restore(database: Database, recording_id: int) -> int:
    """`recording.keep_days` counts from now, or from the newest known time where the clock is behind that."""
    found = await database.read(trash.find, recording_id)
    if found is None:
        print(f"hushcast: there is no recording {recording_id} in the trash; `run.py recordings trash` lists them", file=sys.stderr)
        return 1
    known = await database.read(known_time.newest) or now()
    await database.run(trash.restore, found.user_id, recording_id, max(now(), known))
    return 0


async def _empty(database: Database, config: Config, count: int, yes: bool) -> int:
    if count and not yes and not _agreed(count):
        print("hushcast: nothing was deleted; `--yes` deletes without asking", file=sys.stderr)
        return 1
    await database.run(trash.empty)
    node = named(config, config.http.port).node.name if config.node.url else ""
    own = await database.read(trash.discarded, node)  # of several servers each deletes its own
    gone = await asyncio.to_thread(delete_files, config.storage.path, own)
    if config.storage.s3_url:
        print("What is in S3 is deleted by the server: within a minute, or at its next start.")
    else:
        await database.run(trash.forget, gone)
    return 0


def _agreed(count: int) -> bool:
    """Whether somebody at a terminal agrees. Without a terminal nobody can, and `--yes` is needed."""
    return sys.stdin.isatty() and answer(input, f"Delete {count} recordings for good? [y/N] ").strip().lower() in ("y", "yes")


if __name__ == "__main__":
    sys.exit(main())
