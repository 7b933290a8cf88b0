"""What proxies tell of a request: X-Forwarded-For, X-Forwarded-Proto and Forwarded (RFC 7239), as they are really written.

Pure: which proxies are believed is `web.http.origin`'s to say. The lists are split at every comma, within quotes too: no address has
one, and a quote that a client leaves open must not swallow what the proxy adds behind it.
"""

import re
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple, TypeVar

from multidict import MultiMapping

from web.http.addresses import parsed_address

MOST_HOPS = 32  # of a list, from its near end: clients write as many as they like, and each costs a look at the trusted networks
FOR, PROTO, FORWARDED = "X-Forwarded-For", "X-Forwarded-Proto", "Forwarded"
SCHEMES = {"http", "https", "ws", "wss"}
# What other proxies write about the client. Any of these says that somebody stands between.
MARKS = (FORWARDED, "Via", "X-Real-IP", "X-Client-IP", "X-Original-Forwarded-For", "True-Client-IP", "CF-Connecting-IP", "Fastly-Client-IP")
_WITH_PORT = re.compile(r"(\d+\.\d+\.\d+\.\d+)(?::\S*)?|\[([^\]]*)\](?::\S*)?")
_BARE_WITH_PORT = re.compile(r"(.*:.*):\d{1,5}")  # IPv6 without the brackets that it should have

Headers = MultiMapping[str]
Parsed = IPv4Address | IPv6Address
T = TypeVar("T")
Trusted = Callable[[Parsed], bool]


class Told(NamedTuple):
    """Who asked the outermost proxy that is believed, and by which scheme; None for what is not said, or makes no sense."""

    address: Parsed | None
    scheme: str | None


def is_marked(headers: Headers) -> bool:
    """Whether a proxy has left any trace."""
    return any(name.lower().startswith("x-forwarded-") for name in headers) or any(name in headers for name in MARKS)


def told(headers: Headers, is_trusted: Trusted) -> Told:
    """What the proxies say. To be asked only where the nearest one is trusted.

    A proxy writes one kind of header, and often lets the other kind pass as the client made it up. So where both kinds are there
    and do not agree, neither is believed.
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
    """The last address that a trusted proxy tells, from the near end on; and how many hops back it is told, one more than all for all."""
    found = None
    for back, hop in enumerate(reversed(hops), 1):
        if hop is None:
            return found, back
        found = hop
        if not is_trusted(hop):
            return found, back
    return found, len(hops) + 1


def _at(schemes: Sequence[str], back: int) -> str:
    """The scheme that the same proxy tells; a list that is shorter was not kept up by all, and its first is the outermost."""
    return schemes[max(0, len(schemes) - back)].strip('"').lower()


def _only(answers: set[T]) -> T | None:
    return answers.pop() if len(answers) == 1 else None


def _items(headers: Headers, name: str) -> list[str]:
    """A list header's items, of all its lines: a proxy may add a line of its own after what a client made up."""
    items = ",".join(headers.getall(name, [])).rsplit(",", MOST_HOPS)[-MOST_HOPS:]
    return [item.strip() for item in items if item.strip()]


def _pairs(element: str) -> dict[str, str]:
    """`for=…;proto=…` of one hop, names in lower case."""
    pairs = (pair.partition("=") for pair in element.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _node(text: str) -> Parsed | None:
    """The address in `203.0.113.2:51008`, `"[2001:db8::1]:443"`, `fe80::1%eth0` and their like; None for `unknown`, `_hidden`, rubbish."""
    bare = text.replace("\\", "").strip('" \t')
    if found := _WITH_PORT.fullmatch(bare):
        return parsed_address(found[1] or found[2] or "")
    address = parsed_address(bare)
    if address is None and (with_port := _BARE_WITH_PORT.fullmatch(bare)):
        return parsed_address(with_port[1])
    return address
