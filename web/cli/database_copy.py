"""`run.py db copy [--to URL]`: copies the rows of the SQLite file in storage.path into an empty PostgreSQL database.

The file stays; recordings' sound stays in storage.path, where a server on the new database finds it.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from sfu.config.errors import ConfigError
from sfu.config.load import load
from sfu.config.schema import Config
from web.app import DATABASE
from web.cli.storing import driver_needed, in_one_line
from web.private_folder import private
from web.serve import CONFIG_FILE, claimed

WIDTH = 30  # of the bar, in characters


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0, 1 where it was not done, 130 after Ctrl-C, 2 for a bad setting, a database that cannot be used, or missing packages."""
    parser = argparse.ArgumentParser(
        prog="run.py db",
        description="copy: move an installation from SQLite to PostgreSQL. The server has to be stopped; nothing is deleted.",
    )
    parser.add_argument("--config", type=Path, default=CONFIG_FILE, help="settings (default: config.toml beside run.py)")
    parser.add_argument("action", choices=["copy"])
    parser.add_argument(
        "--to", metavar="URL", default="", help="postgresql://… of an empty database (default: database.url of the settings)"
    )
    given = parser.parse_args(arguments)
    return in_one_line(lambda: _copy_of(given.config, given.to), given.config, "nothing was copied")


def _copy_of(settings: Path, to: str) -> int:
    config = load(settings)
    with ExitStack() as opened:
        opened.enter_context(private(config.storage.path))
        opened.enter_context(claimed(config.storage.path))
        return _copy(config, to or config.database.url)


def _copy(config: Config, url: str) -> int:
    if not url:
        raise ConfigError("say where to: --to postgresql://… or database.url in the settings")
    with driver_needed():
        from db.copying import copy
    source = config.storage.path / DATABASE
    rows = copy(source, url, _bar if sys.stderr.isatty() else _line)
    print(f"{rows} rows are in PostgreSQL now, each the same as in {source}, which stays as it is.")
    if not config.database.url:
        print("Set database.url to that address before the next start.")
    return 0


def _bar(table: str, done: int, total: int) -> None:
    """On a terminal: one line for each table, which grows."""
    share = done / total if total else 1.0
    full = round(WIDTH * share)
    print(
        f"\r{table:20} [{'#' * full}{'.' * (WIDTH - full)}] {done} of {total}",
        end="\n" if done == total else "",
        file=sys.stderr,
        flush=True,
    )


def _line(table: str, done: int, total: int) -> None:
    """Elsewhere: one line when a table is done."""
    if done == total:
        print(f"{table}: {total} rows", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
