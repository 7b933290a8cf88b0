"""Cookies as browsers really send them: stale ones, those of other servers on the host, in several headers."""

import re
from collections.abc import Iterable

from aiohttp import hdrs, web

from web.http.origin import ADDRESSES

MOST = 16  # values of one name that are read; each may cost a database query
NEIGHBOURS = 3  # secrets of other servers that stay in the cookie
_SECRET = re.compile(r"[A-Za-z0-9_-]{20,100}")


def cookies_of(request: web.BaseRequest, name: str) -> list[str]:
    """The values of the cookie `name` in all Cookie headers, in order, each once, without quotes.

    Headers are split at every semicolon, as browsers join them, so an unbalanced quote in another cookie hides nothing.
    """
    pairs = (pair.partition("=") for line in request.headers.getall(hdrs.COOKIE, []) for pair in line.split(";"))
    values = (_unquoted(value.strip()) for key, _, value in pairs if key.strip() == name)
    return list(dict.fromkeys(filter(None, values)))[:MOST]


def named_for(request: web.Request, name: str) -> str:
    """The cookie's name for this request. Over HTTPS it begins with `__Host-`: sites without HTTPS cannot set or read it."""
    return f"__Host-{name}" if request.app[ADDRESSES].is_https(request) else name


def secrets_in(values: Iterable[str]) -> list[str]:
    """The well-formed secrets in these values of the login's cookie; usually the first is this server's."""
    secrets = (secret for value in values for secret in value.split("."))
    return [secret for secret in dict.fromkeys(secrets) if _SECRET.fullmatch(secret)][:MOST]


def with_neighbours(secret: str, others: Iterable[str]) -> str:
    """The value of the login's cookie: this server's secret ("" for none), then `others`, which may be of other servers.

    Browsers send a cookie to all ports of a host. If each server on a host kept only its own secret, they would sign out each other's
    users.
    """
    return ".".join(filter(None, [secret, *[other for other in others if other != secret][:NEIGHBOURS]]))


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
