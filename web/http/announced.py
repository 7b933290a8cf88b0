"""Further addresses of this server: those of the names in the settings, and of the names by which its owner has reached it.

Names are looked up at the start, repeatedly while the server runs, and after each change of network: DHCP and dynamic DNS change
their addresses.
"""

import asyncio
import contextlib
import ipaddress
import logging
import re
from collections.abc import Iterable, Sequence
from types import TracebackType
from urllib.parse import urlsplit

from aiohttp import web

from sfu.config.errors import ConfigError
from sfu.tasks import cancel_and_wait, start_task
from web.http.known_names import KnownNames
from web.http.resolver import Resolver

logger = logging.getLogger(__name__)

START_S = 1.0  # the start waits so long for name servers
AGAIN_S = 10.0  # between lookups of names that have no address yet
FRESH_S = 30.0  # between lookups of the other names; resolvers cache answers by their TTL
LATER_S = 30.0  # for an answer after the start; resolvers give up earlier

_NAME = re.compile(r"(?=.{1,253}$)(?:[A-Za-z0-9_-]{1,63}\.)*(?![0-9]+\.?$)[A-Za-z0-9_-]{1,63}\.?")


class Announced:
    """Owns the task that repeats the lookups. A name whose lookup fails keeps its last addresses."""

    def __init__(self, names: Sequence[str], public_url: str = "", known: KnownNames | None = None) -> None:
        """names: of `rtc.announce`; public_url: `http.public_url`; known: the owner's names, which survive a restart.

        Raises ConfigError for what can be neither an address nor a name.
        """
        for name in names:
            if not _is_address(name) and not _is_name(name):
                raise ConfigError(f"rtc.announce: {name!r} is not an address and not a name that leads to one")
        public = urlsplit(public_url).hostname or ""
        self._named = tuple(names)
        self._found: dict[str, tuple[str, ...]] = dict.fromkeys(
            [*names, *([public] if _is_address(public) or _is_name(public) else [])], ()
        )
        self._known = known or KnownNames()
        self._owners_resolver = Resolver(at_once=1)
        self._wake = asyncio.Event()
        self._asking: asyncio.Task[None] | None = None

    @property
    def addresses(self) -> list[str]:
        """All known addresses, each once: of the settings' names in their order, then of the owner's."""
        found = (*self._found.values(), *self._known.addresses.values())
        return list(dict.fromkeys(address for each in found for address in each))

    def of(self, name: str) -> tuple[str, ...]:
        """The known addresses of a name, without a lookup."""
        return self._found.get(name) or self._known.addresses.get(name, ())

    @property
    def unknown(self) -> list[str]:
        """Names of `rtc.announce` without an address so far."""
        return [name for name in self._named if not self._found[name]]

    async def __aenter__(self) -> "Announced":
        await self._known.load()
        await self.ask()
        if self.unknown:
            logger.warning("rtc.announce: no address of %s yet; asking again every %g s", ", ".join(self.unknown), AGAIN_S)
        if self._names():
            self._asking = start_task(self._ask_on(), name="asking for names")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        if self._asking is not None:
            await cancel_and_wait(self._asking)

    async def ask(self) -> None:
        """Look up all names, for START_S at most."""
        await self._ask([*self._found, *self._known.addresses], START_S)

    def ask_again(self) -> None:
        """The network has changed: look up all names soon."""
        self._wake.set()

    async def learn(self, name: str) -> None:
        """The owner, signed in, has reached this server by that name: look it up, one such name at a time, and store it."""
        if self.of(name) or not _is_name(name):
            return
        found = outside(await self._owners_resolver.addresses(name))
        if found:
            await self._known.keep(name, found)
            if self._asking is None:
                self._asking = start_task(self._ask_on(), name="asking for names")

    def _names(self) -> list[str]:
        """The names, without those that are addresses and so need no lookup."""
        return [name for name in (*self._found, *self._known.addresses) if not _is_address(name)]

    async def _ask(self, names: Sequence[str], timeout_s: float) -> None:
        resolver = Resolver(max(len(names), 1), timeout_s)  # a thread for each name, so that a slow one delays no other
        await asyncio.gather(*(self._ask_for(name, resolver) for name in names))

    async def _ask_for(self, name: str, resolver: Resolver) -> None:
        found = await resolver.addresses(name)
        if not found or set(found) == set(self.of(name)):
            return
        if self._asking is not None:
            logger.info("%s is %s", name, ", ".join(found))
        if name in self._found:
            self._found[name] = found
        else:
            self._known.renew(name, outside(found))

    async def _ask_on(self) -> None:
        asked_s = asyncio.get_running_loop().time()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_S):
                    await self._wake.wait()
            now_s = asyncio.get_running_loop().time()
            if self._wake.is_set() or now_s - asked_s >= FRESH_S:
                self._wake.clear()
                asked_s = now_s
                await self._ask(self._names(), LATER_S)
            elif unknown := [name for name in self._names() if not self.of(name)]:
                await self._ask(unknown, LATER_S)


ANNOUNCED = web.AppKey("ANNOUNCED", Announced)


def outside(addresses: Iterable[str]) -> tuple[str, ...]:
    """The addresses without loopback ones, which others cannot reach."""
    return tuple(each for each in addresses if not ipaddress.ip_address(each.partition("%")[0]).is_loopback)


def _is_address(text: str) -> bool:
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(text))
    return False


def _is_name(text: str) -> bool:
    try:
        return _NAME.fullmatch(text.encode("idna").decode()) is not None
    except UnicodeError:  # a part that is empty or too long
        return False
