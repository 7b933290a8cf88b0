"""Tells when an address of this machine comes or goes: rtnetlink (RFC 3549) on Linux, a slow poll elsewhere."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable

logger = logging.getLogger(__name__)

SETTLE_S = 0.3  # one change of network is many messages: the last of them is waited for, but no longer than this from the first
POLL_S = 10.0  # without rtnetlink
SAFETY_S = 60.0  # with it: a look all the same, should a message have been lost
READS = 64  # messages read in one go, then the others have their turn
_MESSAGE_BYTES = 65536
_GROUPS = 0x1 | 0x10 | 0x100  # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR of linux/rtnetlink.h


class InterfaceWatch:
    """Owns the netlink socket and one timer. `on_change` is called on the loop, must not raise, and may find nothing changed."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._netlink = _subscribed()
        self._loop = asyncio.get_running_loop()
        if self._netlink is not None:
            self._loop.add_reader(self._netlink.fileno(), self._heard)
        self._settling: asyncio.TimerHandle | None = None
        self._timer = self._loop.call_later(self._period_s, self._poll)

    @property
    def _period_s(self) -> float:
        return POLL_S if self._netlink is None else SAFETY_S

    def close(self) -> None:
        """Nothing is told any more. Idempotent."""
        self._timer.cancel()
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
        if self._netlink is not None:
            self._loop.remove_reader(self._netlink.fileno())
            self._netlink.close()
            self._netlink = None

    def _heard(self) -> None:
        """What a message says is of no interest: the kernel is asked for the addresses as they are then."""
        assert self._netlink is not None
        with contextlib.suppress(BlockingIOError, InterruptedError):
            for _ in range(READS):
                try:
                    self._netlink.recv(_MESSAGE_BYTES)
                except (BlockingIOError, InterruptedError):
                    raise
                except OSError:  # ENOBUFS: messages were lost, which is a change too
                    break
        if self._settling is None:
            self._settling = self._loop.call_later(SETTLE_S, self._settled)

    def _settled(self) -> None:
        self._settling = None
        self._on_change()

    def _poll(self) -> None:
        self._timer = self._loop.call_later(self._period_s, self._poll)
        self._on_change()


def _subscribed() -> socket.socket | None:
    """A netlink socket that hears of links and addresses; None where there is none to be had."""
    family = getattr(socket, "AF_NETLINK", None)
    if family is None:
        return None
    netlink = None
    try:
        netlink = socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)  # NETLINK_ROUTE
        netlink.bind((0, _GROUPS))
    except OSError as error:  # a sandbox without it
        logger.info("no rtnetlink (%s): addresses are looked at every %g s", error.strerror, POLL_S)
        if netlink is not None:
            netlink.close()
        return None
    return netlink
