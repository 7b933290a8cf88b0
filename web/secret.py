"""Secrets are given out once; only their digests are kept."""

import hashlib
import secrets


def fresh() -> str:
    """A new unguessable secret, 43 characters fit for URLs and cookies."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What the database keeps of a secret. The secret is random and long, so one round of SHA-256 is enough."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
