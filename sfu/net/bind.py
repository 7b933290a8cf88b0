"""Binds the sockets of the media port: one for each address, because responses from 0.0.0.0 may have another source address.

Each UDP socket comes with a TCP socket of the same number; where another program has that, there is UDP alone.
"""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Sequence
from errno import EADDRINUSE
from typing import NamedTuple

import ifaddr

from sfu.config.errors import ConfigError

logger = logging.getLogger(__name__)

BUFFER_BYTES = 4 << 20  # the kernel may give less
PORT_TRIES = 20
BACKLOG = 64


class Bound(NamedTuple):
    """Non-blocking sockets: `datagrams` (UDP), one for each address, and `listening` (TCP), where some may be missing."""

    datagrams: list[socket.socket]
    listening: list[socket.socket]


async def bind_all(hosts: Sequence[str], port: int) -> Bound:
    """The sockets of `hosts` (addresses, names, or 0.0.0.0 and :: for the addresses of all interfaces).

    All have the same port number; for port 0, one that is free on every address. The caller closes them. Raises ConfigError.
    """
    addresses = await local_addresses(hosts)
    for attempt in range(1, PORT_TRIES + 1):
        try:
            return _bind_each(addresses, port)
        except ConfigError:
            if port or attempt == PORT_TRIES:
                raise
    raise AssertionError("the last try returns or raises")


def follows(hosts: Sequence[str]) -> bool:
    """Whether the addresses of `hosts` may change while the server runs: those of wildcards and names may."""
    return any((address := _parsed(host)) is None or address.is_unspecified for host in hosts)


def bind_more(address: str, port: int, *, quiet: bool) -> Bound | None:
    """The sockets of an address that appeared while the server runs; None where it cannot be bound (yet). quiet: without a log line."""
    bound = Bound([], [])
    try:
        one = _bind(address, port, may_fail=True)
    except ConfigError as error:  # another program has the port there
        if not quiet:
            logger.warning("%s", error)
        return None
    if one is None:
        return None
    bound.datagrams.append(one)
    _listen_beside(one, bound, must=False)
    return bound


async def local_addresses(hosts: Sequence[str]) -> list[tuple[str, bool]]:
    """Each address to bind, once, and whether binding may fail: addresses of a wildcard may be gone by then. Raises ConfigError."""
    found: dict[str, bool] = {}
    loop = asyncio.get_running_loop()
    for host in hosts:
        try:
            resolved = await loop.getaddrinfo(host, None, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)
        except (OSError, UnicodeError):
            raise ConfigError(f"rtc.host: {host!r} is not an address and not a name that leads to one") from None
        for _, _, _, _, sockaddr in resolved:
            address = str(sockaddr[0])
            if not ipaddress.ip_address(address.partition("%")[0]).is_unspecified:
                found[address] = False
            else:
                interfaces = await asyncio.to_thread(_interface_addresses, with_ipv6=":" in address)
                found.update(dict.fromkeys(interfaces, True) | found)
    return list(found.items())


def _parsed(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _interface_addresses(*, with_ipv6: bool) -> list[str]:
    """Of all interfaces: every IPv4 address, and the IPv6 ones that work without naming an interface."""
    addresses: list[str] = []
    for adapter in ifaddr.get_adapters():
        for entry in adapter.ips:
            if isinstance(entry.ip, str):
                addresses.append(entry.ip)
            elif with_ipv6 and not ipaddress.ip_address(entry.ip[0]).is_link_local:
                addresses.append(entry.ip[0])
    return addresses


def _bind_each(addresses: Sequence[tuple[str, bool]], port: int) -> Bound:
    bound, any_port = Bound([], []), not port
    try:
        for address, may_fail in addresses:
            one = _bind(address, port, may_fail=may_fail)
            if one is not None:
                bound.datagrams.append(one)
                port = port or one.getsockname()[1]
                _listen_beside(one, bound, must=any_port)
        if not bound.datagrams:
            raise ConfigError("rtc.host: there is no address to listen on")
    except ConfigError:
        for one in (*bound.datagrams, *bound.listening):
            one.close()
        raise
    return bound


def _listen_beside(datagrams: socket.socket, bound: Bound, *, must: bool) -> None:
    """Add a TCP socket with the same address and port. must: raise ConfigError where that fails, instead of a warning."""
    name = datagrams.getsockname()
    one = socket.socket(datagrams.family, socket.SOCK_STREAM)
    try:
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if datagrams.family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(name)
        one.listen(BACKLOG)
    except OSError as wrong:
        one.close()
        if must:
            raise ConfigError(f"rtc.port: TCP port {name[1]} on {name[0]}: {wrong.strerror}") from None
        logger.warning("rtc.port: no TCP on %s, port %d (%s): without UDP sound comes by http.port alone", name[0], name[1], wrong.strerror)
    else:
        bound.listening.append(one)


def _bind(address: str, port: int, *, may_fail: bool) -> socket.socket | None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        one = socket.socket(family, socket.SOCK_DGRAM)
    except OSError:  # no IPv6 in this kernel
        if may_fail:
            return None
        raise ConfigError(f"rtc.host: {address} is of a kind that this machine does not have") from None
    try:
        one.setblocking(False)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        one.bind(socket.getaddrinfo(address, port, family, socket.SOCK_DGRAM, 0, socket.AI_NUMERICHOST)[0][4])
    except OSError as wrong:
        one.close()
        if wrong.errno == EADDRINUSE:
            raise ConfigError(f"rtc.port: UDP port {port} on {address} is used by another program") from None
        if may_fail:
            return None
        raise ConfigError(f"rtc.host: cannot listen on {address}, UDP port {port}: {wrong.strerror}") from None
    return one
