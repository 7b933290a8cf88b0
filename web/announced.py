"""The addresses of `rtc.announce`, whose names are looked up at the start and, those without an answer, now and then."""

import asyncio
import contextlib
import ipaddress
import logging
import re
from collections.abc import Sequence
from types import TracebackType

from sfu.errors import ConfigError
from sfu.tasks import ended, lasting
from web.lookup import Lookup

logger = logging.getLogger(__name__)

START_S = 1.0  # that the start waits for a name server
AGAIN_S = 10.0  # between two times that the names without an answer are asked for
LATER_S = 30.0  # that an answer may take then: more than resolvers do before they give up

_NAME = re.compile(r"(?=.{1,253}$)(?:[A-Za-z0-9_-]{1,63}\.)*(?![0-9]+\.?$)[A-Za-z0-9_-]{1,63}\.?")


class Announced:
    """Owns the task that asks again. A server that is up before its name server finds its addresses later, without a new start."""

    def __init__(self, names: Sequence[str]) -> None:
        """names: of `rtc.announce`. Raises ConfigError for what can be neither an address nor a name."""
        self._known: dict[str, tuple[str, ...]] = dict.fromkeys(names, ())
        for name in names:
            if not _is_address(name) and not _is_name(name):
                raise ConfigError(f"rtc.announce: {name!r} is not an address and not a name that leads to one")
        self._asking: asyncio.Task[None] | None = None

    @property
    def addresses(self) -> list[str]:
        """Those that are known by now, each once, in the order of the setting."""
        return list(dict.fromkeys(address for known in self._known.values() for address in known))

    @property
    def unknown(self) -> list[str]:
        """Names without an address so far."""
        return [name for name, known in self._known.items() if not known]

    async def __aenter__(self) -> "Announced":
        await self.ask()
        if self.unknown:
            logger.warning("rtc.announce: no address of %s yet; asking again every %g s", ", ".join(self.unknown), AGAIN_S)
            self._asking = lasting(self._ask_on(), name="asking for rtc.announce")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        if self._asking is not None:
            await ended(self._asking)

    async def ask(self) -> None:
        """Look up what is unknown, as the start does: for START_S."""
        await self._ask(self._lookup(START_S))

    def _lookup(self, patience_s: float) -> Lookup:
        """With a place for each name: one that keeps its server busy keeps no other waiting."""
        return Lookup(max(len(self.unknown), 1), patience_s)

    async def _ask(self, lookup: Lookup) -> None:
        await asyncio.gather(*(self._learn(name, lookup) for name in self.unknown))

    async def _learn(self, name: str, lookup: Lookup) -> None:
        known = self._known[name] = await lookup.addresses(name)
        if known and self._asking is not None:
            logger.info("rtc.announce: %s is %s", name, ", ".join(known))

    async def _ask_on(self) -> None:
        lookup = self._lookup(LATER_S)
        while self.unknown:
            await asyncio.sleep(AGAIN_S)
            await self._ask(lookup)


def _is_address(text: str) -> bool:
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(text))
    return False


def _is_name(text: str) -> bool:
    try:
        return _NAME.fullmatch(text.encode("idna").decode()) is not None
    except UnicodeError:  # a part that is empty or too long
        return False
