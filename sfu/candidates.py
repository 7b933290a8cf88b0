"""Which of our addresses an answer offers, and the lines that say so."""

import ipaddress
from collections.abc import Sequence

from sfu.sdp import Protocol

HOST_PREFERENCE = 126  # RFC 8445 §5.1.2.2
TCP_PREFERENCE = 90  # less than any UDP (RFC 6544 §4.2)
PASSIVE_PREFERENCE = 4 << 13  # the same


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


def candidate_lines(candidates: Sequence[tuple[str, int]], over: Sequence[Protocol]) -> list[str]:
    """UDP first: TCP is for those who get nothing else through."""
    lines = []
    for at, (address, port) in enumerate(candidates if "udp" in over else ()):
        priority = HOST_PREFERENCE << 24 | (0xFFFF - at) << 8 | 255
        lines.append(f"a=candidate:{at + 1} 1 udp {priority} {address} {port} typ host")
    for at, (address, port) in enumerate(candidates if "tcp" in over else ()):
        priority = TCP_PREFERENCE << 24 | (PASSIVE_PREFERENCE + 0x1FFF - at) << 8 | 255
        lines.append(f"a=candidate:{len(candidates) + at + 1} 1 tcp {priority} {address} {port} typ host tcptype passive")
    return [*lines, "a=end-of-candidates"]


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    return None if parsed.is_unspecified else parsed
