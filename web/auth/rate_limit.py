"""How often a password may be guessed: a bucket a name and address, a larger one an address. And how often one may join."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_network

from aiohttp import web

from sfu.errors import TooMany
from web.http.addresses import parsed_address

logger = logging.getLogger(__name__)

NAME_BURST, NAME_REFILL_S = 10, 30.0
ADDRESS_BURST, ADDRESS_REFILL_S = 100, 3.0
JOIN_BURST, JOIN_REFILL_S = 300, 1.0
MOST = 10_000


class Bucket:
    """Keys with `burst` attempts each, one more every `refill_s`. Keeps the 10,000 keys used last; older ones are forgotten."""

    def __init__(self, burst: int, refill_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst, self._refill_s, self._clock = burst, refill_s, clock
        self._full_at: OrderedDict[str, float] = OrderedDict()  # when the key's bucket will be full again

    def take(self, key: str) -> float:
        """Take one attempt. Returns 0, or the seconds until there is one (then none is taken)."""
        now = self._clock()
        full_at = max(now, self._full_at.get(key, now))
        wait = full_at + self._refill_s - now - self._burst * self._refill_s
        if wait > 0:
            return wait
        self._full_at[key] = full_at + self._refill_s
        self._full_at.move_to_end(key)
        if len(self._full_at) > MOST:
            self._full_at.popitem(last=False)
        return 0.0

    def give_back(self, key: str) -> None:
        """Undo a take."""
        if key in self._full_at:
            self._full_at[key] -= self._refill_s


class RateLimit:
    """Counts wrong passwords and registrations. An attempt is taken before the hash is made, so that a burst in parallel counts too."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._names = Bucket(NAME_BURST, NAME_REFILL_S, clock)
        self._addresses = Bucket(ADDRESS_BURST, ADDRESS_REFILL_S, clock)
        self._joins = Bucket(JOIN_BURST, JOIN_REFILL_S, clock)

    def begin(self, username: str, address: str) -> None:
        """Note one attempt. Raises TooMany."""
        place = place_of(address)
        wait = self._addresses.take(place)
        if not wait and (wait := self._names.take(_key(username, place))):
            self._addresses.give_back(place)
        if wait:
            raise TooMany(retry_after_s=wait)

    def join(self, address: str) -> None:
        """Note one registration, each of which costs a hash. Raises TooMany."""
        if wait := self._joins.take(place_of(address)):
            raise TooMany("Too many have joined from here; wait a little.", retry_after_s=wait)

    def failed(self, address: str) -> None:
        """The password was wrong: the log has the address for who blocks such, and never the name. `begin` bounds the lines too."""
        logger.warning("login failed from %s", address)

    def succeeded(self, username: str, address: str) -> None:
        """The password was right: that attempt does not count."""
        place = place_of(address)
        self._addresses.give_back(place)
        self._names.give_back(_key(username, place))


RATE_LIMIT = web.AppKey("RATE_LIMIT", RateLimit)


def place_of(address: str) -> str:
    """Where somebody sits, in one spelling: an IPv4 address, or the /64 that an IPv6 host has all to itself."""
    parsed = parsed_address(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, 64), strict=False))
    return address if parsed is None else str(parsed)


def _key(username: str, place: str) -> str:
    return f"{place} {username.lower()[:64]}"
