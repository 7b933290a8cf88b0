"""Keeps the media port on the machine's addresses: binds those that appear, and closes the sockets of those that disappear."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from sfu.config.errors import ConfigError
from sfu.net.bind import bind_more, follows, local_addresses
from sfu.net.interface_watch import InterfaceWatch
from sfu.net.media_port import MediaSockets
from sfu.tasks import cancel_and_wait, start_task

logger = logging.getLogger(__name__)

LINGER_S = 10.0  # that the socket of a lost address stays: after a renewed lease or a replugged cable its peers go on
RETRY_S = 2.0  # until binding is tried again: an IPv6 address is tentative for a second or two
LONGEST_RETRY_S = 60.0  # doubled each time up to this: another program may have the port there for good


class AddressFollower:
    """Owns the interface watch and the task that follows it. Async context manager, entered after the sockets.

    `on_change` is called after each change of network, when the sockets have followed; also where `hosts` are fixed addresses.
    """

    def __init__(self, sockets: MediaSockets, hosts: Sequence[str], on_change: Callable[[], None]) -> None:
        """hosts: of `rtc.host`. Addresses stay as they are; those of wildcards and names are followed."""
        self._sockets, self._hosts, self._on_change = sockets, hosts, on_change
        self._follows = follows(hosts)
        self._wake = asyncio.Event()
        self._gone_s: dict[str, float] = {}  # address -> since when it is gone, by the monotonic clock
        self._refused: set[str] = set()  # addresses that could not be bound, each logged once
        self._retry_s = RETRY_S
        self._watch: InterfaceWatch | None = None
        self._following: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._watch = InterfaceWatch(self._wake.set)
        self._following = start_task(self._follow_on(), name="following the machine's addresses")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._watch is not None:
            self._watch.close()
        if self._following is not None:
            await cancel_and_wait(self._following)

    async def _follow_on(self) -> None:
        before = self._sockets.addresses
        while True:
            await self._wait()
            try:
                await self.look()
            except Exception:  # one failure must not end the task
                logger.exception("the machine's addresses could not be looked at")
                await asyncio.sleep(RETRY_S)
            after = self._sockets.addresses
            if after != before or not self._follows:
                before = after
                self._on_change()

    async def _wait(self) -> None:
        """Wait for a change, or until addresses that are gone or could not be bound have to be looked at again."""
        try:
            async with asyncio.timeout(RETRY_S if self._gone_s else self._retry_s if self._refused else None):
                await self._wake.wait()
        except TimeoutError:
            self._retry_s = min(2 * self._retry_s, LONGEST_RETRY_S)
            return
        self._wake.clear()
        self._retry_s = RETRY_S

    async def look(self) -> None:
        """Compare the sockets with the machine's addresses, bind and close."""
        if not self._follows:
            return
        try:
            there = {address.partition("%")[0]: address for address, _ in await local_addresses(self._hosts)}
        except ConfigError as error:  # a name in `rtc.host` cannot be resolved now: the sockets stay
            logger.warning("%s; the addresses stay as they are", error)
            return
        self._remove_gone(there)
        for plain in there.keys() - {port.address for port in self._sockets.ports}:
            self._bind(there[plain])
        self._refused &= set(there.values())

    def _remove_gone(self, there: dict[str, str]) -> None:
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
