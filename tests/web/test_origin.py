"""Whose address, scheme and origin a request has."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web
from multidict import CIMultiDict

from sfu.config import Http
from sfu.errors import ConfigError
from web.origin import Addresses, serves_https


def request(remote: str = "203.0.113.5", secure: bool = False, **headers: str) -> web.BaseRequest:
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return cast(web.BaseRequest, SimpleNamespace(remote=remote, secure=secure, headers=named))


@pytest.mark.parametrize(
    ("remote", "told", "client"),
    [
        ("203.0.113.5", "198.51.100.1", "203.0.113.5"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "192.0.2.66, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "nonsense", "nonsense"),
        ("fd00::1", "2001:db8::7", "2001:db8::7"),
    ],
)
def test_the_client_behind_proxies(remote: str, told: str, client: str) -> None:
    """The last address that no trusted proxy has; what strangers claim does not count."""
    addresses = Addresses(Http(trusted_proxies=("10.0.0.0/8", "fd00::/8")))
    assert addresses.client(request(remote, X_Forwarded_For=told)) == client


def test_a_line_that_the_client_made_up() -> None:
    """A proxy that adds a header line of its own is believed, the client's line before it is not."""
    told = CIMultiDict([("X-Forwarded-For", "192.0.2.66"), ("X-Forwarded-For", "198.51.100.1")])
    told.extend([("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "http")])
    asked = cast(web.BaseRequest, SimpleNamespace(remote="::ffff:10.0.0.1", secure=False, headers=told))
    addresses = Addresses(Http(trusted_proxies=("10.0.0.0/8",)))
    assert addresses.client(asked) == "198.51.100.1"
    assert addresses.scheme(asked) == "http"


@pytest.mark.parametrize(
    ("host", "origin", "own"),
    [
        ("a.example", "http://a.example", True),
        ("a.example:80", "http://A.example", True),
        ("a.example", "https://a.example", False),
        ("a.example:8080", "http://a.example", False),
        ("[::1]:8080", "http://[::1]:8080", True),
        ("a.example", "http://a.example.evil", False),
        ("", "http://", False),
        ("a.example", "null", False),
        ("a.example", "", False),
        ("inner:9000", "https://voice.example", True),
    ],
)
def test_own_origins(host: str, origin: str, own: bool) -> None:
    """Scheme and Host as the browser writes them, or the public name."""
    addresses = Addresses(Http(public_url="https://voice.example:443/"))
    headers: dict[str, Any] = {"Host": host, "Origin": origin}
    assert addresses.is_own_origin(request(**headers)) is own


def test_https_is_decided_at_the_start() -> None:
    """By its own certificate or by the public name; plain on loopback."""
    assert not serves_https(Http(host="127.0.0.1"))
    assert serves_https(Http(host="0.0.0.0"))
    assert serves_https(Http(host="127.0.0.1", tls="self-signed"))
    assert serves_https(Http(host="0.0.0.0", tls="off", public_url="HTTPS://voice.example"))
    assert not serves_https(Http(host="0.0.0.0", tls="off"))


def test_a_proxy_that_is_no_address() -> None:
    """It is the operator's mistake, told at the start."""
    with pytest.raises(ConfigError, match="trusted_proxies"):
        Addresses(Http(trusted_proxies=("proxy.example",)))
