"""The folder of a restore: what it would replace, where it unpacks, and the switch from the old files to the new, which can be undone."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from db.on_disk import on_disk
from db.opening import HALF_RESTORED
from web.app import DATABASE

SETTINGS, SETTINGS_AS = "config.toml", "config-of-backup.toml"
ROWS = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}-journal")
FILES_ALONE = "files"
REST = ("recordings", "keys", "names.json", SETTINGS_AS)


class Switch:
    """Moves what is in a folder aside, and what was unpacked into its place. An error undoes all, and so does `undo`.

    With the rows in this folder they go first and come last: until they are there, `db.opening` refuses to make new ones beside the
    folder RESTORING. With rows in PostgreSQL the file HALF_RESTORED stays from the first move until `finish`, or until all is undone. It
    says whether files alone come: those can come again, while rows that may be missing need a whole restore.
    """

    def __init__(self, storage: Path, work: Path, *, with_rows: bool, files_alone: bool = False) -> None:
        """work: where it was unpacked."""
        self.aside: Path | None = None  # where to it was moved; None where nothing was there
        self._storage, self._work = storage, work
        self._rows = ROWS if with_rows else ()
        self._mark = None if with_rows else storage / HALF_RESTORED
        self._says = FILES_ALONE if files_alone else ""
        self._said = self._mark.read_text() if self._mark is not None and self._mark.exists() else None  # by one that was cut short
        self._moved: list[tuple[Path, Path]] = []  # from where, to where; what was not moved back

    @property
    def left(self) -> bool:
        """Whether something was moved and not moved back."""
        return bool(self._moved)

    def do(self) -> None:
        """Raises OSError; then all is undone, if that can be."""
        aside = self._storage / f"before-restore-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
        try:
            if self._mark is not None:
                self._write(self._mark, self._says)
            for name in _there(self._storage, (*self._rows, *REST)):
                aside.mkdir(exist_ok=True)
                self.aside = aside
                self._move(self._storage / name, aside / name)
            on_disk(self._storage)
            for name in _there(self._work, (*REST, *self._rows)):
                self._move(self._work / name, self._storage / name)
            on_disk(self._storage)
        except BaseException:
            self.undo()
            raise

    def undo(self) -> None:
        """Move all back. Raises OSError where that cannot be done; the rest stays as it is then."""
        while self._moved:
            before, after = self._moved[-1]
            after.rename(before)
            self._moved.pop()
        if self.aside is not None:
            self.aside.rmdir()
            self.aside = None
        if self._mark is not None and self._said is not None:
            self._write(self._mark, self._said)
        else:
            self.finish()

    def finish(self) -> None:
        """The rows are there too."""
        if self._mark is not None:
            self._mark.unlink(missing_ok=True)
            on_disk(self._storage)

    def _write(self, mark: Path, says: str) -> None:
        mark.write_text(says)
        on_disk(mark)
        on_disk(self._storage)

    def _move(self, before: Path, after: Path) -> None:
        before.rename(after)
        self._moved.append((before, after))


def occupied(storage: Path, *, with_rows: bool) -> bool:
    """Whether there is anything that a restore would replace."""
    found = [storage / name for name in _there(storage, (*(ROWS if with_rows else ()), *REST))]
    return any(not each.is_dir() or any(each.iterdir()) for each in found)


def lacks_rows(storage: Path) -> bool:
    """Whether a restore with rows in PostgreSQL was cut short here."""
    mark = storage / HALF_RESTORED
    return mark.exists() and mark.read_text() != FILES_ALONE


@contextmanager
def marked(work: Path, switch: Switch) -> Iterator[None]:
    """The folder `work`, empty: the mark of a restore that goes on.

    It stays, emptied, where this restore fails and an earlier one was cut short, or something could not be moved back.
    """
    was_cut_short = os.path.lexists(work)
    try:
        work.mkdir(exist_ok=True)
        _empty(work)
        yield
    except BaseException:
        with suppress(OSError):
            _empty(work)
            if not was_cut_short and not switch.left:
                work.rmdir()
        raise
    shutil.rmtree(work, ignore_errors=True)


@contextmanager
def nothing_left(storage: Path) -> Iterator[None]:
    """Where there was no such folder and it fails, there is none afterwards."""
    was_there = storage.exists()
    try:
        yield
    except BaseException:
        if not was_there and storage.is_dir() and {each.name for each in storage.iterdir()} <= {"lock"}:
            (storage / "lock").unlink(missing_ok=True)
            storage.rmdir()
        raise


def _there(folder: Path, names: Sequence[str]) -> list[str]:
    return [name for name in names if os.path.lexists(folder / name)]


def _empty(folder: Path) -> None:
    for each in folder.iterdir():
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each, ignore_errors=True)
        else:
            each.unlink()
