"""The folders of recordings on the disk: what is in the way is set aside, what is deleted is out of sight at once. Not for the loop."""

import contextlib
import logging
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path

from web.recordings.joining import HERE
from web.recordings.transcoding import MADE

FETCHED = "recordings/.fetched"  # from storage.path: what was read from S3, a folder a recording

logger = logging.getLogger(__name__)


def swept(storage: Path) -> None:
    """At the start: make the folder of recordings, and delete what the last run left half done."""
    folder = storage / "recordings"
    folder.mkdir(parents=True, exist_ok=True)
    for rest in (*folder.glob(".gone-*"), *folder.glob(f"{HERE}*")):
        shutil.rmtree(rest, ignore_errors=True)
    for made in (storage / MADE).glob("*"):  # half a file, or of a recording that was deleted as the last run was killed
        if made.suffix == ".part" or not (folder / made.name.partition("-")[0]).is_dir():
            made.unlink(missing_ok=True)


def set_aside(folder: Path) -> None:
    """A folder that is there before its recording is of one that the database has lost, by a copy put back: it is kept. Where it cannot
    be moved, the recorder will find it in its way and say so.
    """
    if folder.exists():
        lost = folder.with_name(f"lost-{folder.name}-{secrets.token_hex(4)}")
        with contextlib.suppress(OSError):
            folder.rename(lost)
            logger.warning("%s was there without a row; now it is %s", folder, lost.name)


def delete_files(storage: Path, folders: Iterable[str]) -> list[str]:
    """Delete the files of recordings, and what was made of them; folders as the rows name them. Returns those of which all is gone.

    Not for the loop.
    """
    return [name for name in folders if _is_gone(storage, storage / name)]


def _is_gone(storage: Path, folder: Path) -> bool:
    gone = folder.with_name(f".gone-{folder.name}")  # out of sight at once
    try:
        with contextlib.suppress(FileNotFoundError):
            folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
        shutil.rmtree(storage / FETCHED / folder.name, ignore_errors=True)
        for made in (storage / MADE).glob(f"{folder.name}-*"):
            made.unlink(missing_ok=True)
        return not gone.exists()
    except OSError as error:
        logger.warning("%s could not be deleted yet: %s", folder, error)
        return False
