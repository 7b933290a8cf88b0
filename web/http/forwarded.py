"""Reads what proxies say about a request: X-Forwarded-For, X-Forwarded-Proto and Forwarded (RFC 7239), in all common spellings.

Pure: `web.http.origin` decides which proxies are trusted. Lists are split at every comma, even within quotes: addresses have no
commas, and a quote that a client leaves open must not hide what the proxy adds after it.
"""

import re
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple, TypeVar

from multidict import MultiMapping

from web.http.addresses import parsed_address

MOST_HOPS = 32  # the last items of a list; clients can send any number, and each is looked up in the trusted networks
FOR, PROTO, FORWARDED = "X-Forwarded-For", "X-Forwarded-Proto", "Forwarded"
SCHEMES = {"http", "https", "ws", "wss"}
# Headers that other proxies add. Any of them shows that the request came through a proxy.
MARKS = (FORWARDED, "Via", "X-Real-IP", "X-Client-IP", "X-Original-Forwarded-For", "True-Client-IP", "CF-Connecting-IP", "Fastly-Client-IP")
_WITH_PORT = re.compile(r"(\d+\.\d+\.\d+\.\d+)(?::\S*)?|\[([^\]]*)\](?::\S*)?")
_BARE_WITH_PORT = re.compile(r"(.*:.*):\d{1,5}")  # IPv6 without the brackets that it should have

Headers = MultiMapping[str]
Parsed = IPv4Address | IPv6Address
T = TypeVar("T")
Trusted = Callable[[Parsed], bool]


class Told(NamedTuple):
    """The client's address and scheme, by the outermost trusted proxy; None for what is missing or invalid."""

    address: Parsed | None
    scheme: str | None


def is_marked(headers: Headers) -> bool:
    """Whether a proxy has added headers."""
    return any(name.lower().startswith("x-forwarded-") for name in headers) or any(name in headers for name in MARKS)


def told(headers: Headers, is_trusted: Trusted) -> Told:
    """What the proxies say. Call it only where the peer is a trusted proxy.

    A proxy writes one kind of header and often passes on the other kind as the client sent it. So where both kinds are there and
    differ, neither counts.
    """
    addresses: set[Parsed | None] = set()
    schemes: set[str | None] = set()
    hops = [_node(each) for each in _items(headers, FOR)]
    found, back = _reached(hops, is_trusted)
    if hops:
        addresses.add(found)
    if proto := _items(headers, PROTO):
        schemes.add(_at(proto, back if hops else len(proto) + 1))
    if elements := [_pairs(each) for each in _items(headers, FORWARDED)]:
        found, back = _reached([_node(each.get("for", "")) for each in elements], is_trusted)
        if any("for" in each for each in elements):
            addresses.add(found)
        schemes.add(_at([each.get("proto", "") for each in elements], back))
    return Told(_only(addresses), _only({each for each in schemes if each in SCHEMES}))


def _reached(hops: Sequence[Parsed | None], is_trusted: Trusted) -> tuple[Parsed | None, int]:
    """The outermost address told by a trusted proxy, and how many hops back it is; len(hops) + 1 where all hops are trusted."""
    found = None
    for back, hop in enumerate(reversed(hops), 1):
        if hop is None:
            return found, back
        found = hop
        if not is_trusted(hop):
            return found, back
    return found, len(hops) + 1


def _at(schemes: Sequence[str], back: int) -> str:
    """The scheme told by the proxy `back` hops back; in a shorter list, to which not all proxies have added, the first."""
    return schemes[max(0, len(schemes) - back)].strip('"').lower()


def _only(answers: set[T]) -> T | None:
    return answers.pop() if len(answers) == 1 else None


def _items(headers: Headers, name: str) -> list[str]:
    """The items of all headers of this name: a proxy may add a header of its own after the client's."""
    items = ",".join(headers.getall(name, [])).rsplit(",", MOST_HOPS)[-MOST_HOPS:]
    return [item.strip() for item in items if item.strip()]


def _pairs(element: str) -> dict[str, str]:
    """`for=…;proto=…` of one hop, names in lower case."""
    pairs = (pair.partition("=") for pair in element.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _node(text: str) -> Parsed | None:
    """The address in `203.0.113.2:51008`, `"[2001:db8::1]:443"`, `fe80::1%eth0` and their like; None for `unknown`, `_hidden` and so on."""
    bare = text.replace("\\", "").strip('" \t')
    if found := _WITH_PORT.fullmatch(bare):
        return parsed_address(found[1] or found[2] or "")
    address = parsed_address(bare)
    if address is None and (with_port := _BARE_WITH_PORT.fullmatch(bare)):
        return parsed_address(with_port[1])
    return address
