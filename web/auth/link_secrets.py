"""Secrets of listen links and invites, whose addresses their owner can see again.

A secret is derived from a nonce in the database with a key in a file beside it: a copy of the database alone opens nothing.
"""

import asyncio
import base64
import hashlib
import hmac
import secrets
from pathlib import Path
from typing import NamedTuple

from aiohttp import web

from web.auth.secret import digest, kept_key

KEY = "keys/links"  # from storage.path


class LinkSecret(NamedTuple):
    """A new secret, 43 characters, and what the database keeps of it."""

    secret: str
    nonce: str
    digest: str


class LinkSecrets:
    """Makes secrets and derives them again."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    async def opened(cls, storage: Path, shared: str = "") -> "LinkSecrets":
        """With the key from the storage folder, which is made where it is missing; shared: the secret of several servers."""
        return cls(await asyncio.to_thread(kept_key, storage / KEY, shared))

    def fresh(self) -> LinkSecret:
        """A new unguessable secret, fit for URLs."""
        nonce = secrets.token_urlsafe(18)
        secret = self._derived(nonce)
        return LinkSecret(secret, nonce, digest(secret))

    def again(self, nonce: str | None, kept: str) -> str | None:
        """The secret with this nonce and digest; None for one made before nonces were kept, or with a key that is gone."""
        secret = None if nonce is None else self._derived(nonce)
        return secret if secret is not None and hmac.compare_digest(digest(secret), kept) else None

    def _derived(self, nonce: str) -> str:
        return base64.urlsafe_b64encode(hmac.digest(self._key, nonce.encode(), hashlib.sha256)).decode().rstrip("=")


LINK_SECRETS = web.AppKey("LINK_SECRETS", LinkSecrets)
