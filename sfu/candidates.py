"""Which of our addresses an answer offers."""

import ipaddress
from collections.abc import Sequence


def candidates(addresses: Sequence[str], port: int, announce: Sequence[str], extra: str | None) -> list[tuple[str, int]]:
    """Where a client may find us, the best first; loopback only where the client used it, or where there is nothing else.

    addresses: what the sockets are bound to; announce: more of them; extra: the one that the client itself used. What is no
    address, or of a family that no socket has, is left out.
    """
    bound = {each: _parsed(each) for each in addresses}
    versions = {address.version for address in bound.values() if address is not None}
    outside = [each for each, address in bound.items() if address is not None and not address.is_loopback]
    if outside:
        wanted = dict.fromkeys((extra or "", *outside, *announce))
    else:  # the client has come by a loopback address too, or over a proxy that has nothing to do with media
        wanted = dict.fromkeys((*bound, *announce))
    return [(each, port) for each in wanted if (address := _parsed(each)) is not None and address.version in versions]


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    return None if parsed.is_unspecified else parsed
