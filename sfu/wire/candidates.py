"""Which of our addresses an answer offers, and the lines that say so."""

import ipaddress
from collections.abc import Sequence
from typing import NamedTuple

from sfu.wire.sdp import Protocol

HOST_PREFERENCE = 126  # RFC 8445 §5.1.2.2
TCP_PREFERENCE = 90  # less than any UDP (RFC 6544 §4.2)
PASSIVE_PREFERENCE = 4 << 13  # the same


class Used(NamedTuple):
    """By what a client has reached the web server: addresses of ours; and the port, as the client sees it, None where a proxy was
    between: a proxy of HTTP passes no media on.
    """

    addresses: Sequence[str] = ()
    port: int | None = None


UNUSED = Used()


def candidates(addresses: Sequence[str], port: int, announce: Sequence[str], used: Sequence[str]) -> list[tuple[str, int]]:
    """Where a client may find us, the best first; loopback only where the client used it, or where there is nothing else.

    addresses: what the sockets are bound to; announce: more of them; used: those that the client itself used. What is no
    address, or of a family that no socket has, is left out.
    """
    bound = {each: _parsed(each) for each in addresses}
    versions = {address.version for address in bound.values() if address is not None}
    outside = [each for each, address in bound.items() if address is not None and not address.is_loopback]
    if outside:
        wanted = dict.fromkeys((*used, *outside, *announce))
    else:  # the client has come by a loopback address too, or over a proxy that has nothing to do with media
        wanted = dict.fromkeys((*bound, *announce))
    return [(each, port) for each in wanted if (address := _parsed(each)) is not None and address.version in versions]


def web_candidates(
    candidates: Sequence[tuple[str, int]], addresses: Sequence[str], listening: Sequence[tuple[str, int]], used_port: int | None
) -> list[tuple[str, int]]:
    """Where the web server's port takes ICE over TCP, at the same addresses as `candidates`: one open port is enough.

    addresses: our own; listening: address and port that the web server is bound to. What is not ours leads to us through a
    NAT, by the port that the client used there.
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
    """UDP first: TCP is for those who get nothing else through, and the web server's port (by_web) is the last of it."""
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
