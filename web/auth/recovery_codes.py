"""Recovery codes: ten at a time, each of 80 random bits. The database has their digests, made with a key in a file beside it: a copy
of the database alone lets nobody guess one.
"""

import asyncio
import hashlib
import hmac
import secrets
from pathlib import Path

from aiohttp import web

from db.recovery import CODES
from web.auth.secret import kept_key

KEY = "keys/recovery"  # from storage.path
LETTERS = "abcdefghjkmnpqrstvwxyz0123456789"  # 32, without those that are read as others
LENGTH, GROUP = 16, 4


class RecoveryCodes:
    """Makes codes and digests."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    async def opened(cls, storage: Path, shared: str = "") -> "RecoveryCodes":
        """With the key from the storage folder, which is made where it is missing; shared: the secret of several servers."""
        return cls(await asyncio.to_thread(kept_key, storage / KEY, shared))

    def fresh(self) -> list[str]:
        """Ten new codes, as people read them: `abcd-efgh-jkmn-pqrs`."""
        return [_grouped("".join(secrets.choice(LETTERS) for _ in range(LENGTH))) for _ in range(CODES)]

    def digest(self, user_id: int, code: str) -> str:
        """What the database keeps of an account's code, however it is typed: case, spaces and hyphens do not count."""
        plain = "".join(letter for letter in code.lower() if letter.isalnum())
        return hmac.new(self._key, f"{user_id} {plain}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()


RECOVERY_CODES = web.AppKey("RECOVERY_CODES", RecoveryCodes)


def _grouped(letters: str) -> str:
    return "-".join(letters[place : place + GROUP] for place in range(0, LENGTH, GROUP))
