"""The values of one cookie among all that browsers send: other software's on the same host, stale ones of another path, several lines."""

import re
from collections.abc import Iterable

from aiohttp import hdrs, web

from web.http.origin import ADDRESSES

MOST = 16  # values of one name are looked at: each may cost a question to the database
NEIGHBOURS = 3  # other servers' secrets that a login keeps in its cookie
_SECRET = re.compile(r"[A-Za-z0-9_-]{20,100}")


def cookies_of(request: web.BaseRequest, name: str) -> list[str]:
    """The values of that name, of all lines, in their order and without quotes.

    It is split as browsers join it, at every semicolon: another software's quote that does not end hides nothing behind it.
    """
    pairs = (pair.partition("=") for line in request.headers.getall(hdrs.COOKIE, []) for pair in line.split(";"))
    values = (_unquoted(value.strip()) for key, _, value in pairs if key.strip() == name)
    return list(dict.fromkeys(filter(None, values)))[:MOST]


def named_for(request: web.Request, name: str) -> str:
    """The cookie's name where this request comes by: over HTTPS one that no plain site of the same host can set, nor read."""
    return f"__Host-{name}" if request.app[ADDRESSES].is_https(request) else name


def secrets_in(values: Iterable[str]) -> list[str]:
    """The secrets in these values of the login's cookie, whose first is this server's as a rule."""
    secrets = (secret for value in values for secret in value.split("."))
    return [secret for secret in dict.fromkeys(secrets) if _SECRET.fullmatch(secret)][:MOST]


def with_neighbours(secret: str, others: Iterable[str]) -> str:
    """The login's cookie: this server's secret ("" for none), and those that are of other servers perhaps.

    Browsers send a cookie to every port of a host. Two servers on one host that each wrote only its own would sign each other's
    people out.
    """
    return ".".join(filter(None, [secret, *[other for other in others if other != secret][:NEIGHBOURS]]))


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
