"""Names of sites in one form, so that two spellings of one compare equal. Pure."""

import ipaddress
import re

import idna

DEFAULT_PORTS = {"http": 80, "https": 443}
_ORIGIN = re.compile(r"(https?)://(\[[^\[\]]*\]|[^\s/:?#@\[\],]+)(?::(\d{0,5}))?")


def ascii_name(name: str) -> str:
    """A host's name in lower case as DNS and browsers write it: `müller.example` is `xn--mller-kva.example`. Raises ValueError."""
    return name.lower() if name.isascii() else idna.encode(name, uts46=True).decode()


def origin_of(text: str) -> str | None:
    """An origin without its default port, its host as `ascii_name` has it and without the root's dot; None for what is no origin."""
    found = _ORIGIN.fullmatch(text.lower())
    if found is None:
        return None
    scheme, host, port = found[1], found[2], int(found[3]) if found[3] else DEFAULT_PORTS[found[1]]
    try:
        host = f"[{ipaddress.IPv6Address(host[1:-1])}]" if host.startswith("[") else ascii_name(host.removesuffix("."))
    except ValueError:
        return None
    return f"{scheme}://{host}" if port == DEFAULT_PORTS[scheme] else f"{scheme}://{host}:{port}"
