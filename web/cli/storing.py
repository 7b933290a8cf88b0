"""What `run.py backup`, `restore` and `db copy` share: each error is one line and an exit status."""

import configparser
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from db.errors import Unavailable, Unusable
from db.opening import refuse_half_restored
from db.row_copy import FileRows, RowSource
from sfu.config.errors import ConfigError
from sfu.config.schema import Config
from web.app import DATABASE
from web.cli.backup_file import BackupRefused
from workers.root import ROOT


def in_one_line(work: Callable[[], int], file: Path, undone: str) -> int:
    """The status of `work`; 1 where it failed, 2 for a bad setting or database, 130 after Ctrl-C. undone: what is so after an error."""
    try:
        return work()
    except (ConfigError, Unusable) as error:
        print(f"hushcast: {error}", file=sys.stderr)
        return 2
    except BackupRefused as error:
        print(f"hushcast: {undone}: {file}: {error}", file=sys.stderr)
        return 1
    except Unavailable as error:
        print(f"hushcast: {undone}: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"hushcast: {undone}: {error.filename or file}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nhushcast: interrupted; {undone}", file=sys.stderr)
        return 130


@contextmanager
def driver_needed() -> Iterator[None]:
    """In the block the driver of PostgreSQL is imported. Raises Unusable."""
    try:
        yield
    except ImportError:
        raise Unusable("PostgreSQL needs the packages of several servers: python3 run.py install nodes") from None


def rows_of(config: Config) -> RowSource:
    """The rows of an installation, of either kind. Raises Unusable after a restore that was cut short, and without the driver."""
    url, storage = config.database.url, config.storage.path
    if not url:
        return FileRows(storage / DATABASE)
    refuse_half_restored(storage)
    with driver_needed():
        from db.postgres_copy import PostgresRows
    return PostgresRows(url)


def version() -> str:
    """Of this program."""
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    return settings["metadata"]["version"]
