"""Token buckets: guesses of passwords (by username and address, by address alone) and codes, registrations (by address), friend requests.

Several servers share theirs; each also counts by itself, which is what holds while the shared ones are away.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_network
from typing import Protocol

from aiohttp import web

from web.errors import TooMany
from web.http.addresses import parsed_address

logger = logging.getLogger(__name__)

NAME_BURST, NAME_REFILL_S = 10, 30.0
ADDRESS_BURST, ADDRESS_REFILL_S = 100, 3.0
JOIN_BURST, JOIN_REFILL_S = 300, 1.0
ASK_BURST, ASK_REFILL_S = 300, 10.0  # more than may be pending at once
MOST_KEYS = 10_000


class Bucket:
    """A token bucket for each key: `burst` attempts, one more every `refill_s`. Keeps the 10,000 keys used last."""

    def __init__(self, burst: int, refill_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.burst, self.refill_s, self._clock = burst, refill_s, clock
        self._full_at: OrderedDict[str, float] = OrderedDict()  # when the key's bucket will be full again

    def take(self, key: str) -> float:
        """Take one attempt. Returns 0, or the seconds until there is one (then none is taken)."""
        now = self._clock()
        full_at = max(now, self._full_at.get(key, now))
        wait = full_at + self.refill_s - now - self.burst * self.refill_s
        if wait > 0:
            return wait
        self._full_at[key] = full_at + self.refill_s
        self._full_at.move_to_end(key)
        if len(self._full_at) > MOST_KEYS:
            self._full_at.popitem(last=False)
        return 0.0

    def give_back(self, key: str) -> None:
        """Undo a take."""
        if key in self._full_at:
            self._full_at[key] -= self.refill_s


class SharedBuckets(Protocol):
    """The buckets of all servers together, by a name for the kind of attempt."""

    async def take(self, name: str, key: str, bucket: Bucket) -> float | None:
        """As `Bucket.take`, with the measures of `bucket`; None: they are away."""

    async def give_back(self, name: str, key: str, bucket: Bucket) -> None:
        """Undo a take."""


class RateLimit:
    """Counts wrong passwords and codes, registrations, friend requests. Attempts count before hashing, so parallel ones are limited too."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, shared: SharedBuckets | None = None) -> None:
        """shared: those of several servers."""
        self.failures = 0  # wrong passwords since the start
        self._shared = shared
        self._names = Bucket(NAME_BURST, NAME_REFILL_S, clock)
        self._addresses = Bucket(ADDRESS_BURST, ADDRESS_REFILL_S, clock)
        self._joins = Bucket(JOIN_BURST, JOIN_REFILL_S, clock)
        self._codes = Bucket(ADDRESS_BURST, ADDRESS_REFILL_S, clock)
        self._asks = Bucket(ASK_BURST, ASK_REFILL_S, clock)

    async def begin(self, username: str, address: str) -> None:
        """Count an attempt to sign in. Raises TooMany."""
        place = place_of(address)
        wait = await self._take("address", self._addresses, place)
        if not wait and (wait := await self._take("name", self._names, _key(username, place))):
            await self._give_back("address", self._addresses, place)
        if wait:
            raise TooMany(retry_after_s=wait)

    async def join(self, address: str) -> None:
        """Count a registration. Raises TooMany."""
        if wait := await self._take("join", self._joins, place_of(address)):
            raise TooMany("Too many have joined from here; wait a little.", retry_after_s=wait)

    async def guess(self, address: str) -> None:
        """Count a guess of a companion session's code. Raises TooMany."""
        if wait := await self._take("code", self._codes, place_of(address)):
            raise TooMany(retry_after_s=wait)

    async def guessed(self, address: str) -> None:
        """The code was right: undo `guess`."""
        await self._give_back("code", self._codes, place_of(address))

    async def ask(self, username: str) -> None:
        """Count a friend request: its receiver is told of each, and it can be withdrawn and made again. Raises TooMany."""
        if wait := await self._take("ask", self._asks, username):
            raise TooMany("You have asked too often; wait a little.", retry_after_s=wait)

    def failed(self, address: str) -> None:
        """The password was wrong. Logs the address, for fail2ban, but not the name. `begin` limits the lines.

        The line, this logger's name and its level are what deploy/fail2ban looks for.
        """
        self.failures += 1
        logger.warning("login failed from %s", address)

    async def succeeded(self, username: str, address: str) -> None:
        """The password was right: undo `begin`."""
        place = place_of(address)
        await self._give_back("address", self._addresses, place)
        await self._give_back("name", self._names, _key(username, place))

    async def _take(self, name: str, bucket: Bucket, key: str) -> float:
        wait = bucket.take(key)
        if wait or self._shared is None:
            return wait
        wait = await self._shared.take(name, key, bucket) or 0.0
        if wait:
            bucket.give_back(key)
        return wait

    async def _give_back(self, name: str, bucket: Bucket, key: str) -> None:
        bucket.give_back(key)
        if self._shared is not None:
            await self._shared.give_back(name, key, bucket)


RATE_LIMIT = web.AppKey("RATE_LIMIT", RateLimit)


def place_of(address: str) -> str:
    """The place that an address counts for, in one spelling: an IPv4 address, or the /64 network of an IPv6 one."""
    parsed = parsed_address(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, 64), strict=False))
    return address if parsed is None else str(parsed)


def _key(username: str, place: str) -> str:
    return f"{place} {username.lower()[:64]}"
