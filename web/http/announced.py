"""Further addresses of this server: of the names in the settings, and of those by which its owner has reached it.

Names are asked for at the start, again while the server runs, and at each change of network: behind them are leases, dynamic
DNS and routers that are given other addresses.
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

from sfu.errors import ConfigError
from sfu.tasks import ended, lasting
from web.http.known_names import KnownNames
from web.http.resolver import Resolver

logger = logging.getLogger(__name__)

START_S = 1.0  # that the start waits for a name server
AGAIN_S = 10.0  # between two times that the names without an answer are asked for
FRESH_S = 30.0  # and those with one; the resolver in between keeps answers for as long as the name's owner allows
LATER_S = 30.0  # that an answer may take then: more than resolvers do before they give up

_NAME = re.compile(r"(?=.{1,253}$)(?:[A-Za-z0-9_-]{1,63}\.)*(?![0-9]+\.?$)[A-Za-z0-9_-]{1,63}\.?")


class Announced:
    """Owns the task that asks again. A name that has no answer now keeps the addresses that it had."""

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
        self._owners_lookup = Resolver(at_once=1)
        self._wake = asyncio.Event()
        self._asking: asyncio.Task[None] | None = None

    @property
    def addresses(self) -> list[str]:
        """All that are known by now, each once: those of the settings in their order, then the owner's."""
        found = (*self._found.values(), *self._known.addresses.values())
        return list(dict.fromkeys(address for each in found for address in each))

    def of(self, name: str) -> tuple[str, ...]:
        """The addresses of a name that is known; nobody is asked."""
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
            self._asking = lasting(self._ask_on(), name="asking for names")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        if self._asking is not None:
            await ended(self._asking)

    async def ask(self) -> None:
        """Look up all, as the start does: for START_S."""
        await self._ask([*self._found, *self._known.addresses], START_S)

    def ask_again(self) -> None:
        """The network has changed: look up all soon."""
        self._wake.set()

    async def learn(self, name: str) -> None:
        """The signed-in owner has reached us by that name: look it up, one such name at a time, and keep it."""
        if self.of(name) or not _is_name(name):
            return
        found = outside(await self._owners_lookup.addresses(name))
        if found:
            await self._known.keep(name, found)
            if self._asking is None:
                self._asking = lasting(self._ask_on(), name="asking for names")

    def _names(self) -> list[str]:
        """What can have another answer another time."""
        return [name for name in (*self._found, *self._known.addresses) if not _is_address(name)]

    async def _ask(self, names: Sequence[str], patience_s: float) -> None:
        lookup = Resolver(max(len(names), 1), patience_s)  # a place for each: one that keeps its server busy keeps no other waiting
        await asyncio.gather(*(self._ask_for(name, lookup) for name in names))

    async def _ask_for(self, name: str, lookup: Resolver) -> None:
        found = await lookup.addresses(name)
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
    """Without this machine's loopback, which is of use to nobody else."""
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
