"""Tells when an address of this machine comes or goes: rtnetlink (RFC 3549) on Linux, a slow poll elsewhere."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable

logger = logging.getLogger(__name__)

SETTLE_S = 0.3  # from the first message of a network change to `on_change`: the rest of them come meanwhile
POLL_S = 10.0  # without rtnetlink
SAFETY_S = 60.0  # with it, in case a message was lost
MAX_READS = 64  # messages read before the loop goes on
_MESSAGE_BYTES = 65536
_GROUPS = 0x1 | 0x10 | 0x100  # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR of linux/rtnetlink.h


class InterfaceWatch:
    """Owns the netlink socket and one timer. `on_change` is called on the loop, also without a change, and must not raise."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._netlink = _subscribed()
        self._loop = asyncio.get_running_loop()
        if self._netlink is not None:
            self._loop.add_reader(self._netlink.fileno(), self._on_message)
        self._settling: asyncio.TimerHandle | None = None
        self._timer = self._loop.call_later(self._period_s, self._poll)

    @property
    def _period_s(self) -> float:
        return POLL_S if self._netlink is None else SAFETY_S

    def close(self) -> None:
        """`on_change` is not called any more. Idempotent."""
        self._timer.cancel()
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
        if self._netlink is not None:
            self._loop.remove_reader(self._netlink.fileno())
            self._netlink.close()
            self._netlink = None

    def _on_message(self) -> None:
        """Read all messages unparsed: whoever is called asks the kernel for the addresses."""
        assert self._netlink is not None
        with contextlib.suppress(BlockingIOError, InterruptedError):
            for _ in range(MAX_READS):
                try:
                    self._netlink.recv(_MESSAGE_BYTES)
                except (BlockingIOError, InterruptedError):
                    raise
                except OSError:  # ENOBUFS: messages were lost, which is a change too
                    break
        if self._settling is None:
            self._settling = self._loop.call_later(SETTLE_S, self._on_settled)

    def _on_settled(self) -> None:
        self._settling = None
        self._on_change()

    def _poll(self) -> None:
        self._timer = self._loop.call_later(self._period_s, self._poll)
        self._on_change()


def _subscribed() -> socket.socket | None:
    """A netlink socket subscribed to links and addresses; None where that is not possible."""
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
