"""Chooses the addresses that an answer offers, and writes the candidate lines. Text only, no I/O."""

import ipaddress
from collections.abc import Sequence
from typing import NamedTuple

from sfu.wire.sdp import Protocol

HOST_PREFERENCE = 126  # RFC 8445 §5.1.2.2
TCP_PREFERENCE = 90  # below that of UDP (RFC 6544 §4.2)
PASSIVE_PREFERENCE = 4 << 13  # of host candidates (RFC 6544 §4.2)


class Used(NamedTuple):
    """How a client has reached the web server: our addresses that it used, and the port as the client sees it.

    port: None where a proxy is between, which does not pass media on.
    """

    addresses: Sequence[str] = ()
    port: int | None = None


UNUSED = Used()


def candidates(addresses: Sequence[str], port: int, announce: Sequence[str], used: Sequence[str]) -> list[tuple[str, int]]:
    """(address, port) for each address to offer, the best first; loopback only where the client used it, or where there is nothing else.

    addresses: of the bound sockets; announce: further ones; used: those that the client used. What is no address, or of an IP version
    that no socket has, is left out.
    """
    bound = {each: _parsed(each) for each in addresses}
    versions = {address.version for address in bound.values() if address is not None}
    outside = [each for each, address in bound.items() if address is not None and not address.is_loopback]
    if outside:
        wanted = dict.fromkeys((*used, *outside, *announce))
    else:  # the client is on this machine, or came over a proxy, whose address is of no use for media
        wanted = dict.fromkeys((*bound, *announce))
    return [(each, port) for each in wanted if (address := _parsed(each)) is not None and address.version in versions]


def web_candidates(
    candidates: Sequence[tuple[str, int]], addresses: Sequence[str], listening: Sequence[tuple[str, int]], used_port: int | None
) -> list[tuple[str, int]]:
    """Where the web server's port accepts ICE over TCP, at the addresses of `candidates`, for networks where only that port is open.

    addresses: our own; listening: (address, port) that the web server is bound to. An address that is not ours is that of a NAT before
    us, where the port is the one that the client used.
    """
    if used_port is None or not listening:
        return []
    found = []
    for address, _ in candidates:
        ports = [port for host, port in listening if _covers(host, address)] if address in addresses else [used_port]
        found += [(address, port) for port in ports[:1]]
    return found


def _covers(bound: str, address: str) -> bool:
    return bound in (address, "::") or (bound == "0.0.0.0" and ":" not in address)


def candidate_lines(candidates: Sequence[tuple[str, int]], over: Sequence[Protocol], by_web: Sequence[tuple[str, int]] = ()) -> list[str]:
    """The candidate attributes by falling priority: UDP, TCP at the media port, TCP at the web server's port (by_web)."""
    lines = []
    for at, (address, port) in enumerate(candidates if "udp" in over else ()):
        priority = HOST_PREFERENCE << 24 | (0xFFFF - at) << 8 | 255
        lines.append(f"a=candidate:{at + 1} 1 udp {priority} {address} {port} typ host")
    for at, (address, port) in enumerate([*(candidates if "tcp" in over else ()), *by_web]):
        priority = TCP_PREFERENCE << 24 | (PASSIVE_PREFERENCE + 0x1FFF - at) << 8 | 255
        lines.append(f"a=candidate:{len(candidates) + at + 1} 1 tcp {priority} {address} {port} typ host tcptype passive")
    return [*lines, "a=end-of-candidates"]


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    return None if parsed.is_unspecified else parsed
