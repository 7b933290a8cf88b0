"""Addresses of this machine: which there are, how they are written, and which are loopback."""

import ipaddress
import socket
from collections.abc import Iterator

import ifaddr

ELSEWHERE = ("192.0.2.1", 9)  # for documentation (RFC 5737); nothing is sent there


def is_loopback(host: str) -> bool:
    """Whether a configured or remote address is loopback, where browsers trust plain HTTP."""
    parsed = parsed_address(host.strip("[]"))
    return host.lower() == "localhost" if parsed is None else parsed.is_loopback


def parsed_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address without its zone; None for text that is no address. An IPv4-mapped IPv6 address becomes IPv4."""
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def is_wildcard(host: str) -> bool:
    """Whether a configured address means all addresses of this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_unspecified
    except ValueError:
        return False


def served_at(host: str) -> list[str]:
    """The addresses that reach a server on `host`: `host` itself, or for a wildcard those of all interfaces, loopback first."""
    if not is_wildcard(host):
        return [host]
    versions = (4, 6) if ":" in host else (4,)
    found = {address for address in _of_interfaces() if address.version in versions}
    return [str(address) for address in sorted(found, key=lambda address: (not address.is_loopback, address.version, int(address)))]


def reached_at(host: str) -> str:
    """The one of `served_at` that other machines reach best: the address of the default route, not that of a container bridge.

    Without a default route, the first that is not loopback. Lists the interfaces, which blocks: not for the loop.
    """
    served = served_at(host)
    outward = _outward()
    return outward if outward in served else next((each for each in served if not is_loopback(each)), served[0])


def _outward() -> str | None:
    """The IPv4 address from which this machine reaches the internet; None without a default route."""
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
