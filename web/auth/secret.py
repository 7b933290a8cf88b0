"""Random secrets, their digests, and the server's key files. A secret is shown once; the database has only its digest."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

KEY_BYTES = 32


def fresh() -> str:
    """A new unguessable secret, 43 characters fit for URLs and cookies."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """The digest that the database has of a secret. Secrets are long and random, so one round of SHA-256 suffices."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def kept_key(file: Path, shared: str = "") -> bytes:
    """The key in a file of mode 0600, which is made if it is missing or incomplete. Blocks: not for the loop.

    shared: the secret of several servers, which all derive the same key of that name from it; "": one server alone.
    """
    if shared:
        return hmac.digest(shared.encode(), f"hushcast {file.name}".encode(), hashlib.sha256)
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
