"""The file before it is used: created whole or not at all, and checked before anything is written into it.

What is looked at: that it is a SQLite file, as long as it says, ours, no newer than this program, and sound. The last takes as
long as the file is large, so it is given up after CHECK_S; what is found later is answered 503 and said in the log.
"""

import logging
import os
import secrets
import sqlite3
import stat
import struct
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from db import migrations
from db.errors import Unusable
from db.faults import fault_of, is_damage, original_of

logger = logging.getLogger(__name__)

MAGIC = b"SQLite format 3\0"
HEAD = struct.Struct(">16sH6xII60xI4x")  # magic, page size, change counter, pages, version that these are valid for
CHECK_S = 2.0  # for the integrity check of a large file
LOOK_S = 3.0  # for another program to release it
RESTORING = ".restoring"  # a folder beside the file, while a backup is put into its place
HALF_RESTORED = ".half-restored"  # a file beside the recordings, while those of a backup come and its rows in PostgreSQL are not there yet
RESTORE = "stop what uses it, move it, its -wal and its -shm away and put a copy in its place: docs/operating.md, Restoring"


def make(path: Path, fill: Callable[[Path], object]) -> None:
    """Create a draft, `fill` it, and move it to its place, mode 0600; if another program was quicker, its file stays.

    Raises Unusable where recordings, a journal or a restore that was cut short tell that there was one.
    """
    _refuse_to_replace(path)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        fill(draft)
        try:
            os.link(draft, path)
        except FileExistsError:
            return
        except OSError:  # the file system has no hard links
            os.rename(draft, path)
    finally:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{draft}{suffix}").unlink(missing_ok=True)


def look_at(path: Path) -> None:
    """Check the file without changing it. Raises Unusable; Unavailable where it cannot be read now."""
    try:
        _look_at_head(path)
        address = f"file:{quote(str(path.absolute()))}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=LOOK_S, isolation_level=None)) as connection:
            _look_at_schema(path, connection)
            _look_at_pages(path, connection)
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}") from error
    except sqlite3.Error as error:
        raise trouble_of(error, path) from error


def refuse_half_restored(storage: Path) -> None:
    """Raises Unusable where the files in this folder do not belong to the rows in PostgreSQL."""
    if (storage / HALF_RESTORED).exists():
        raise Unusable(f"{storage} was left by a restore that was cut short; restore again: docs/operating.md, Restoring")


def trouble_of(error: Exception, path: Path) -> Exception:
    """The error to raise for one at opening: Unusable for damage, Unavailable for temporary faults, else the error itself."""
    original = original_of(error)
    if original is not None and is_damage(original):
        return Unusable(f"{path} is damaged ({original}); {RESTORE}")
    return fault_of(error, path) or error


def _refuse_to_replace(path: Path) -> None:
    """A new file in place of a lost one would hide the loss, and reuse ids that recordings have."""
    if (path.parent / RESTORING).exists():
        raise Unusable(f"{path.parent} was left by a restore that was cut short; restore again: docs/operating.md, Restoring")
    journal = Path(f"{path}-wal")
    if journal.exists() and journal.stat().st_size:
        raise Unusable(f"{path} is missing, but {journal.name} is there; put both back, or a copy: docs/operating.md, Restoring")
    recordings = path.parent / "recordings"
    if recordings.is_dir() and any(each.name.isdigit() for each in recordings.iterdir()):
        raise Unusable(
            f"{path} is missing, but there are recordings; put a copy of it back (docs/operating.md, Restoring), "
            "or move recordings away to begin anew"
        )


def _look_at_head(path: Path) -> None:
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
        head = file.read(HEAD.size)
    if not stat.S_ISREG(found.st_mode):
        raise Unusable(f"{path} is no file")
    if not head:
        raise Unusable(f"{path} is empty; {RESTORE}")
    if not head.startswith(MAGIC):
        raise Unusable(f"{path} is no SQLite database; {RESTORE}")
    if len(head) < HEAD.size:
        raise Unusable(f"{path} is cut off; {RESTORE}")
    _, page, change, pages, valid_for = HEAD.unpack(head)
    page = 65536 if page == 1 else page
    journal = Path(f"{path}-wal")
    waits = journal.exists() and journal.stat().st_size > 0  # then it may contain the rest
    if not waits and change == valid_for and found.st_size < page * pages:
        raise Unusable(f"{path} is cut off: {found.st_size} of {page * pages} bytes; {RESTORE}")


def _look_at_schema(path: Path, connection: sqlite3.Connection) -> None:
    known = migrations.names()
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    applied = {name for (name,) in connection.execute("SELECT name FROM migration")} if "migration" in tables else set()
    if known[0] not in applied:
        raise Unusable(f"{path} is the database of another program, or none at all; {RESTORE}")
    newer = sorted(applied - set(known))
    if newer:
        raise Unusable(f"{path} was written by a newer version ({', '.join(newer)}); start that one, or {RESTORE}")


def _look_at_pages(path: Path, connection: sqlite3.Connection) -> None:
    given_up = threading.Event()

    def give_up() -> None:
        given_up.set()
        with suppress(sqlite3.ProgrammingError):  # already closed
            connection.interrupt()

    timer = threading.Timer(CHECK_S, give_up)
    timer.start()
    try:
        said = [row[0] for row in connection.execute("PRAGMA quick_check(1)")]
    except sqlite3.OperationalError:
        if not given_up.is_set():
            raise
        said = []
    finally:
        timer.cancel()
        timer.join()
    if given_up.is_set():
        logger.info("%s is large: not all of it was checked", path)
    elif said != ["ok"]:
        raise Unusable(f"{path} is damaged ({' '.join(' '.join(said).split())}); {RESTORE}")
