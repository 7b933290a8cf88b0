"""Host names and origins in one spelling, so that they can be compared. Pure."""

import ipaddress
import re

import idna

DEFAULT_PORTS = {"http": 80, "https": 443}
_ORIGIN = re.compile(r"(https?)://(\[[^\[\]]*\]|[^\s/:?#@\[\],]+)(?::(\d{0,5}))?")


def ascii_name(name: str) -> str:
    """A host name in lower case and in ASCII (IDNA): `müller.example` becomes `xn--mller-kva.example`. Raises ValueError."""
    return name.lower() if name.isascii() else idna.encode(name, uts46=True).decode()


def origin_of(text: str) -> str | None:
    """An origin without a default port and a trailing dot, its host by `ascii_name`; None for text that is no origin."""
    found = _ORIGIN.fullmatch(text.lower())
    if found is None:
        return None
    scheme, host, port = found[1], found[2], int(found[3]) if found[3] else DEFAULT_PORTS[found[1]]
    try:
        host = f"[{ipaddress.IPv6Address(host[1:-1])}]" if host.startswith("[") else ascii_name(host.removesuffix("."))
    except ValueError:
        return None
    return f"{scheme}://{host}" if port == DEFAULT_PORTS[scheme] else f"{scheme}://{host}:{port}"
