"""Secrets are given out once; only their digests are kept. And the server's own keys, which are files."""

import hashlib
import os
import secrets
from pathlib import Path

KEY_BYTES = 32


def fresh() -> str:
    """A new unguessable secret, 43 characters fit for URLs and cookies."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What the database keeps of a secret. The secret is random and long, so one round of SHA-256 is enough."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def kept_key(file: Path) -> bytes:
    """The key in a file that nobody else may read; made where there is none, or less than a whole one. Not for the loop."""
    try:
        kept = file.read_bytes()
    except FileNotFoundError:
        kept = b""
    if len(kept) == KEY_BYTES:
        return kept
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made, draft = secrets.token_bytes(KEY_BYTES), file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(made)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    return made
