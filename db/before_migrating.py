"""Before newer migrations change the file, a copy of it stays beside it, named after its last migration: the way back of an upgrade."""

import os
import secrets
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from db import migrations, opening, row_copy
from db.errors import Unusable
from db.on_disk import on_disk


def place_of(path: Path, applied: Sequence[str]) -> Path:
    """Where the copy lies that has these migrations."""
    return path.with_name(f"{path.stem}-{max(applied)}{path.suffix}")


def keep(path: Path) -> None:
    """Copy the file where migrations are missing in it. Raises Unusable, Unavailable; then nothing may be changed in it."""
    try:
        before = row_copy.applied_in(path)
    except sqlite3.Error as error:
        raise opening.trouble_of(error, path) from error
    if not set(migrations.names()) - set(before):
        return
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        if row_copy.take(path, draft) == before:  # else another program has migrated it meanwhile, and kept its copy
            on_disk(draft)
            draft.replace(place_of(path, before))
    except OSError as error:
        raise Unusable(f"{path} cannot be copied before it is changed: {error.strerror or error}") from error
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            Path(f"{draft}{suffix}").unlink(missing_ok=True)
