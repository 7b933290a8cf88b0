"""The addresses by which this machine may be called, how they are written, and what browsers may do there."""

import ipaddress
import socket
from collections.abc import Iterator

import ifaddr

ELSEWHERE = ("192.0.2.1", 9)  # an address that is nobody's (RFC 5737): nothing is sent there


def is_loopback(host: str) -> bool:
    """Whether a configured or a remote address is this machine's own: browsers trust plain HTTP there."""
    parsed = parsed_address(host.strip("[]"))
    return host.lower() == "localhost" if parsed is None else parsed.is_loopback


def parsed_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address without its zone, None for what is none. IPv4 is IPv4, also where it comes by a socket of both versions."""
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def is_wildcard(host: str) -> bool:
    """Whether a configured address means all of this machine's."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_unspecified
    except ValueError:
        return False


def served_at(host: str) -> list[str]:
    """The addresses that reach a server on `host`: itself, or for a wildcard those of all interfaces, loopback first."""
    if not is_wildcard(host):
        return [host]
    versions = (4, 6) if ":" in host else (4,)
    found = {address for address in _of_interfaces() if address.version in versions}
    return [str(address) for address in sorted(found, key=lambda address: (not address.is_loopback, address.version, int(address)))]


def reached_at(host: str) -> str:
    """The best of `served_at` for another machine: the one on this machine's way out, not that of a bridge to its containers.

    Without a way out, the first that is not loopback. Asks the system for its interfaces: not for the loop.
    """
    served = served_at(host)
    outward = _outward()
    return outward if outward in served else next((each for each in served if not is_loopback(each)), served[0])


def _outward() -> str | None:
    """This machine's address on the way out; None without a way out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(ELSEWHERE)
        except OSError:
            return None
        return str(asking.getsockname()[0])


def _of_interfaces() -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    for adapter in ifaddr.get_adapters():
        for each in adapter.ips:
            address = ipaddress.ip_address(each.ip if isinstance(each.ip, str) else each.ip[0])
            if not address.is_link_local:  # useless in a URL without a zone
                yield address


def in_url(host: str) -> str:
    """A host as it stands in a URL: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host
