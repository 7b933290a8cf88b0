"""`run.py log audit`: what was done to accounts, by the server's owner or from the command line; works beside a running server too."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from db import audit
from db.connection import Database
from db.owner_tables import AuditEntry
from sfu.rfc3339 import rfc3339
from web.cli.database import run_on_database
from web.serve import CONFIG_FILE

COMMAND_LINE = "(command line)"  # which no username can be


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0, 1 where it failed, 2 for a bad setting, database or command."""
    asked = _parser().parse_args(arguments)
    return run_on_database(asked.config, lambda database, _: _print(database, asked.limit))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="run.py log", allow_abbrev=False)
    parser.add_argument("--config", type=Path, default=CONFIG_FILE, help="settings (default: config.toml beside run.py)")
    found = parser.add_subparsers(dest="log", required=True).add_parser("audit", help="acts, oldest first: time, who, act, account")
    found.add_argument("--limit", type=_count, default=audit.KEPT, metavar="N", help="only the newest N")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= audit.KEPT:
        raise argparse.ArgumentTypeError(f"a number from 1 to {audit.KEPT}")
    return int(text)


async def _print(database: Database, limit: int) -> int:
    for entry in reversed(await database.read(audit.entries, None, limit)):
        print(_line(entry))
    return 0


def _line(entry: AuditEntry) -> str:
    return "\t".join([f"{rfc3339(entry.at)}", entry.actor or COMMAND_LINE, entry.act, entry.about])


if __name__ == "__main__":
    sys.exit(main())
