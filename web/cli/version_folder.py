"""The folder .versions of the checkout: whole versions beside each other, and `current`, a link to that which runs.

Each version that was taken over has a file `.before`, which names the one before it; so one rename switches, and one goes back.
"""

import fcntl
import os
import shutil
import subprocess
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from db.on_disk import on_disk
from web.cli.backup_file import BackupRefused
from web.install.stamps import ROOT
from web.install.versions import BASE, CURRENT, VERSIONS
from workers.disk_room import MB

BEFORE = ".before"
CHECKOUT = ".."  # the checkout itself, as `current` and `.before` name it
LARGEST = 1024 * MB  # of an archive, unpacked
NOT_CODE = {".git", ".venv", ".venv-torch", ".venv-torch.before", ".versions", "models", "var"}
MADE = {".mypy_cache", ".pytest_cache", ".ruff_cache", "node_modules"}


@contextmanager
def held() -> Iterator[None]:
    """One upgrade at a time; the folder is there. Raises BackupRefused."""
    VERSIONS.mkdir(exist_ok=True)
    handle = os.open(VERSIONS / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise BackupRefused("another upgrade is running; wait for its end") from None
    finally:
        os.close(handle)


def clean() -> None:
    """Remove the versions that neither run nor are the way back: those of upgrades that did not end, and old ones."""
    before = earlier()
    kept = {"lock", CURRENT.name, os.readlink(CURRENT) if CURRENT.is_symlink() else "", before.name if before else ""}
    for each in VERSIONS.iterdir():
        if each.name in kept or each.resolve() == ROOT:
            continue
        if each.is_dir() and not each.is_symlink():
            _remove(each)
        else:
            each.unlink()


def _remove(folder: Path) -> None:
    """Not before an installation into it has ended, which may outlive the upgrade that began it: it holds a lock on the folder."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        shutil.rmtree(folder)
    finally:
        os.close(handle)


def put(source: str, folder: Path) -> None:
    """Copy or unpack a version into `folder`. Raises BackupRefused, OSError.

    source: a folder, an archive, or what git calls a commit of the checkout.
    """
    if Path(source).is_dir():
        shutil.copytree(source, folder, symlinks=True, ignore=_other_than_code(Path(source)))
        return
    folder.mkdir()
    archive = Path(source)
    if not archive.is_file():
        archive = folder / "archive.tar"
        command = ["git", "-C", str(BASE), "archive", "--format=tar", f"--output={archive}", source]
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        except FileNotFoundError:
            raise BackupRefused("there is no such folder or archive, and no git to ask") from None
        if done.returncode:
            raise BackupRefused(f"there is no such folder or archive, and git says: {(done.stderr.splitlines() or ['nothing'])[-1]}")
    _unpack(archive, folder)
    (folder / "archive.tar").unlink(missing_ok=True)


def _other_than_code(root: Path) -> Callable[[str, list[str]], set[str]]:
    def ignored(folder: str, names: list[str]) -> set[str]:
        return set(names) & (MADE | NOT_CODE if Path(folder) == root else MADE)

    return ignored


def _unpack(archive: Path, folder: Path) -> None:
    try:
        with tarfile.open(archive) as file:
            members = file.getmembers()
            if sum(each.size for each in members) > LARGEST:
                raise BackupRefused(f"it has more than {LARGEST / MB:.0f} MB")
            _extract(file, members, folder)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise BackupRefused("it is no archive of a version, or is cut short") from error
    inside = [each for each in folder.iterdir() if each.name != "archive.tar"]
    if len(inside) == 1 and inside[0].is_dir():  # archives often have one folder around everything
        for each in inside[0].iterdir():
            each.rename(folder / each.name)


def _extract(file: tarfile.TarFile, members: list[tarfile.TarInfo], folder: Path) -> None:
    """What leads out of the folder is refused. Raises BackupRefused, tarfile.TarError, OSError."""
    if hasattr(tarfile, "data_filter"):
        file.extractall(folder, members, filter="data")
        return
    for each in members:  # Python before 3.11.4, as of Debian 12, has no filters
        if not _stays_inside(each):
            raise BackupRefused(f"{each.name} in it leads out of it, or is no file")
    file.extractall(folder, members)


def _stays_inside(member: tarfile.TarInfo) -> bool:
    places = [member.name]
    if member.issym():
        places.append(os.path.join(os.path.dirname(member.name), member.linkname))
    elif member.islnk():
        places.append(member.linkname)
    inside = not any(os.path.isabs(each) or os.path.normpath(each).split(os.sep)[0] == os.pardir for each in places)
    return inside and (member.isreg() or member.isdir() or member.issym() or member.islnk())


def earlier() -> Path | None:
    """The version before the one that runs; None where there is none."""
    with suppress(OSError):
        found = (VERSIONS / (CURRENT.resolve(strict=True) / BEFORE).read_text()).resolve()
        return found if (found / "run.py").is_file() else None
    return None


def mark(folder: Path) -> None:
    """Write into a new version which one is before it."""
    now = os.readlink(CURRENT) if CURRENT.is_symlink() else CHECKOUT
    (folder / BEFORE).write_text(now)
    on_disk(folder / BEFORE)
    on_disk(folder)


def switch(to: Path) -> None:
    """The version that runs from the next start on; one rename."""
    draft = VERSIONS / "current.new"
    draft.unlink(missing_ok=True)
    draft.symlink_to(CHECKOUT if to == BASE else to.name)
    draft.replace(CURRENT)
    on_disk(VERSIONS)
