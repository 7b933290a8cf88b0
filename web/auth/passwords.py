"""Password hashing (Argon2id) in threads: at most one hash a core at once, with a bounded wait."""

import asyncio
import os
import secrets
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from web.auth.weak_passwords import WeakPasswords
from web.errors import TooMany

HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
WAIT_S = 10.0


def hash_password(password: str) -> str:
    """The encoded argon2id hash of a password; takes some 30 ms of a core."""
    return HASHER.hash(password)


def nobodys_hash() -> str:
    """A random hash that no password has. Passwords of unknown users are compared with it, which takes as long as for known users.

    It is made without hashing, which would delay the start.
    """
    salt, tag = (b64encode(secrets.token_bytes(size)).rstrip(b"=").decode() for size in (HASHER.salt_len, HASHER.hash_len))
    return f"$argon2id$v=19$m={HASHER.memory_cost},t={HASHER.time_cost},p={HASHER.parallelism}${salt}${tag}"


class Passwords:
    """Owns the hashing threads and the list of weak passwords. Hashing raises TooMany when no thread is free within 10 s."""

    def __init__(self) -> None:
        cores = os.cpu_count() or 1
        self._threads = ThreadPoolExecutor(cores, thread_name_prefix="argon2")
        self._free = asyncio.Semaphore(cores)
        self._nobody = nobodys_hash()
        self.weak = WeakPasswords()

    async def hash(self, password: str) -> str:
        """The hash to store."""
        async with _Turn(self._free):
            return await asyncio.get_running_loop().run_in_executor(self._threads, hash_password, password)

    async def verify(self, kept: str | None, password: str) -> bool:
        """Whether the password has this stored hash. For None it takes as long, and is False."""
        async with _Turn(self._free):
            same = await asyncio.get_running_loop().run_in_executor(self._threads, _verify, kept or self._nobody, password)
        return same and kept is not None

    async def close(self) -> None:
        """End the threads after their current hashes."""
        await asyncio.to_thread(self._threads.shutdown)


PASSWORDS = web.AppKey("PASSWORDS", Passwords)


class _Turn:
    """Waits up to WAIT_S for a hashing thread to be free. Raises TooMany."""

    def __init__(self, free: asyncio.Semaphore) -> None:
        self._free = free

    async def __aenter__(self) -> None:
        try:
            async with asyncio.timeout(WAIT_S):
                await self._free.acquire()
        except TimeoutError:
            raise TooMany(retry_after_s=WAIT_S) from None

    async def __aexit__(self, *_: object) -> None:
        self._free.release()


def _verify(kept: str, password: str) -> bool:
    try:
        return HASHER.verify(kept, password)
    except (VerificationError, InvalidHashError):
        return False
