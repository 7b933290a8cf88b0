"""Keeps the media port where the machine is: addresses that come are bound, addresses that have gone are let go of."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from sfu.errors import ConfigError
from sfu.net.bind import bind_more, follows, local_addresses
from sfu.net.interface_watch import InterfaceWatch
from sfu.net.media_port import MediaSockets
from sfu.tasks import ended, lasting

logger = logging.getLogger(__name__)

LINGER_S = 10.0  # a lease that is renewed, a cable that is plugged in again: the address comes back, and its peers notice nothing
RETRY_S = 2.0  # until an address that could not be bound is tried again: an IPv6 one is tentative for a second or two
LONGEST_RETRY_S = 60.0  # twice as long each time: another program may have the port there for good


class AddressFollower:
    """Owns the watch over the interfaces and the task that compares. Async context manager, entered after the sockets.

    `on_change` is called at each change of network, after the sockets have followed; also where `hosts` are fixed addresses.
    """

    def __init__(self, sockets: MediaSockets, hosts: Sequence[str], on_change: Callable[[], None]) -> None:
        """hosts: of `rtc.host`. Addresses written there are kept, wildcards and names are followed."""
        self._sockets, self._hosts, self._on_change = sockets, hosts, on_change
        self._follows = follows(hosts)
        self._wake = asyncio.Event()
        self._gone_s: dict[str, float] = {}  # address -> since when, by the monotonic clock
        self._refused: set[str] = set()  # could not be bound: said once
        self._retry_s = RETRY_S
        self._watch: InterfaceWatch | None = None
        self._following: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._watch = InterfaceWatch(self._wake.set)
        self._following = lasting(self._follow_on(), name="following the machine's addresses")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._watch is not None:
            self._watch.close()
        if self._following is not None:
            await ended(self._following)

    async def _follow_on(self) -> None:
        before = self._sockets.addresses
        while True:
            await self._woken()
            try:
                await self.look()
            except Exception:  # one failed look must not end the following
                logger.exception("the machine's addresses could not be looked at")
                await asyncio.sleep(RETRY_S)
            after = self._sockets.addresses
            if after != before or not self._follows:
                before = after
                self._on_change()

    async def _woken(self) -> None:
        """A change was heard of, or it is time to look again at what is on its way in or out."""
        try:
            async with asyncio.timeout(RETRY_S if self._gone_s else self._retry_s if self._refused else None):
                await self._wake.wait()
        except TimeoutError:
            self._retry_s = min(2 * self._retry_s, LONGEST_RETRY_S)
            return
        self._wake.clear()
        self._retry_s = RETRY_S

    async def look(self) -> None:
        """Compare the sockets with the machine's addresses, and follow."""
        if not self._follows:
            return
        try:
            there = {address.partition("%")[0]: address for address, _ in await local_addresses(self._hosts)}
        except ConfigError as error:  # the name of `rtc.host` has no answer now: what is bound stays
            logger.warning("%s; the addresses stay as they are", error)
            return
        self._let_go(there)
        for plain in there.keys() - {port.address for port in self._sockets.ports}:
            self._bind(there[plain])
        self._refused &= set(there.values())

    def _let_go(self, there: dict[str, str]) -> None:
        now_s = time.monotonic()
        for port in list(self._sockets.ports):
            port.absent = port.address not in there
            if not port.absent:
                self._gone_s.pop(port.address, None)
            elif now_s - self._gone_s.setdefault(port.address, now_s) >= LINGER_S:
                logger.info("the media port is no longer on %s", port.address)
                del self._gone_s[port.address]
                self._sockets.remove(port)

    def _bind(self, address: str) -> None:
        bound = bind_more(address, self._sockets.port, quiet=address in self._refused)
        if bound is None:
            self._refused.add(address)
            return
        self._refused.discard(address)
        self._sockets.add(bound)
        logger.info("the media port is on %s too, port %d", address, self._sockets.port)
