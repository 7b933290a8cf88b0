"""Address, scheme and origin of a request."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web
from multidict import CIMultiDict

from sfu.config.errors import ConfigError
from sfu.config.schema import HttpConfig
from web.http import origin
from web.http.origin import Addresses, is_from_this_machine


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
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1:51008", "198.51.100.1"),
        ("::ffff:10.0.0.1", '"[2001:DB8::7]:443"', "2001:db8::7"),
        ("fd00::1", "2001:db8::7", "2001:db8::7"),
        ("fe80::9%eth0", "2001:db8::7", "fe80::9"),
        ("", "2001:db8::7", ""),
    ],
)
def test_the_client_behind_proxies(remote: str, told: str, client: str) -> None:
    """The outermost address told by trusted proxies; claims of others do not count, and for nonsense the proxy's address counts."""
    addresses = Addresses(HttpConfig(trusted_proxies=("10.0.0.0/8", "fd00::/8")))
    assert addresses.client(request(remote, X_Forwarded_For=told)) == client


def test_a_line_that_the_client_made_up() -> None:
    """The header line that a proxy adds counts, the client's line before it does not."""
    told = CIMultiDict([("X-Forwarded-For", "192.0.2.66"), ("X-Forwarded-For", "198.51.100.1")])
    told.extend([("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "http")])
    asked = cast(web.BaseRequest, SimpleNamespace(remote="::ffff:10.0.0.1", secure=False, headers=told))
    addresses = Addresses(HttpConfig(trusted_proxies=("10.0.0.0/8",)))
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
        ("a.example", "http://a.example/", False),
        ("a.example", "http://a.example http://evil.example", False),
        ("a.example.", "http://a.example", True),
        ("a.example", "http://a.example.:80", True),
        ("[2001:db8:0::1]", "http://[2001:DB8::1]:80", True),
        ("[::1", "http://[::1", False),
        ("xn--mller-kva.example", "http://m\u00fcller.example", True),
        ("inner:9000", "https://voice.example", True),
    ],
)
def test_own_origins(host: str, origin: str, own: bool) -> None:
    """An own origin has the request's scheme and Host, or is `http.public_url`, in any spelling."""
    addresses = Addresses(HttpConfig(public_url="https://voice.example:443/"))
    headers: dict[str, Any] = {"Host": host, "Origin": origin}
    assert addresses.is_own_origin(request(**headers)) is own


@pytest.mark.parametrize("public", ["https://m\u00fcller.example", "https://M\u00dcLLER.example:443/", "https://xn--mller-kva.example."])
@pytest.mark.parametrize("origin", ["https://xn--mller-kva.example", "https://m\u00fcller.example"])
def test_a_name_with_an_umlaut(public: str, origin: str) -> None:
    """A name and its punycode are one. "ß" differs from "ss"."""
    addresses = Addresses(HttpConfig(public_url=public))
    assert addresses.is_own_origin(request(Host="inner:9000", Origin=origin))
    assert not addresses.is_own_origin(request(Host="inner:9000", Origin="https://muller.example"))
    sharp = Addresses(HttpConfig(public_url="https://stra\u00dfe.example"))
    assert sharp.is_own_origin(request(Host="inner:9000", Origin="https://xn--strae-oqa.example"))
    assert not sharp.is_own_origin(request(Host="inner:9000", Origin="https://strasse.example"))


def test_one_origin_only() -> None:
    """A request with two Origin lines has no own origin."""
    told = CIMultiDict([("Host", "a.example"), ("Origin", "http://a.example"), ("Origin", "http://a.example")])
    assert not Addresses(HttpConfig()).is_own_origin(cast(web.BaseRequest, SimpleNamespace(remote="", secure=False, headers=told)))


def test_a_handshake_told_as_wss() -> None:
    """A proxy's ws or wss counts as http or https, for WebSocket handshakes only."""
    addresses = Addresses(HttpConfig(trusted_proxies=("10.0.0.1",)))
    assert addresses.scheme(request("10.0.0.1", X_Forwarded_Proto="wss", Upgrade="WebSocket")) == "https"
    assert addresses.scheme(request("10.0.0.1", X_Forwarded_Proto="wss")) == "http"


@pytest.mark.parametrize(
    ("remote", "headers", "here"),
    [
        ("127.0.0.1", {"Host": "localhost:8080"}, True),
        ("::1", {"Host": "[::1]:8080"}, True),
        ("::ffff:127.0.0.1", {"Host": "LOCALHOST."}, True),
        ("127.0.0.1", {"Host": "127.0.0.1"}, True),
        ("127.0.0.1", {"Host": "127.9.8.7:8080"}, True),
        ("127.0.0.1", {"Host": "[::ffff:127.0.0.1]:8080"}, True),
        ("127.0.0.1", {"Host": "voice.localhost:8080"}, True),
        ("127.0.0.1", {"Host": "evillocalhost"}, False),
        ("127.0.0.1", {"Host": "localhost.:8080"}, True),
        ("127.0.0.1", {"Host": "evil.example:8080"}, False),
        ("127.0.0.1", {"Host": "localhost.evil.example"}, False),
        ("127.0.0.1", {"Host": "192.0.2.1"}, False),
        ("127.0.0.1", {"Host": "[::1]evil"}, False),
        ("127.0.0.1", {"Host": ""}, False),
        ("127.0.0.1", {}, False),
        ("192.0.2.1", {"Host": "localhost"}, False),
        ("127.0.0.1", {"Host": "localhost", "X_Real_IP": "127.0.0.1"}, False),
        ("127.0.0.1", {"Host": "localhost", "Via": "1.1 proxy"}, False),
        ("127.0.0.1", {"Host": "localhost", "Forwarded": "for=127.0.0.1"}, False),
    ],
)
def test_who_is_on_this_machine(remote: str, headers: dict[str, str], here: bool) -> None:
    """A request is from this machine with a loopback peer, a loopback Host, and no proxy headers."""
    assert is_from_this_machine(request(remote, **headers)) is here


@pytest.mark.parametrize(
    ("asked", "https"),
    [
        (request("203.0.113.5", secure=True, Host="voice.example"), True),
        (request("203.0.113.5", Host="192.0.2.1:8080"), False),
        (request("127.0.0.1", Host="localhost:8080"), False),
        (request("203.0.113.5", Host="VOICE.example:443"), True),
        (request("203.0.113.5", Host="inner:9000", X_Forwarded_For="198.51.100.1"), True),
        (request("10.0.0.1", Host="inner:9000", X_Forwarded_Proto="https"), True),
    ],
)
def test_https_is_the_connections(asked: web.BaseRequest, https: bool) -> None:
    """HTTPS is told by the connection, by a trusted proxy, or by `http.public_url` for a proxy that tells no scheme."""
    assert Addresses(HttpConfig(public_url="HTTPS://voice.example", trusted_proxies=("10.0.0.1",))).is_https(asked) is https


@pytest.mark.parametrize(
    ("http", "host", "site"),
    [
        (HttpConfig(host="0.0.0.0"), "localhost:8080", "https://192.0.2.7:8080"),
        (HttpConfig(host="0.0.0.0", tls="off"), "127.0.0.1:8080", "http://192.0.2.7:8080"),
        (HttpConfig(host="0.0.0.0"), "voice.lan:8080", "http://voice.lan:8080"),
        (HttpConfig(host="0.0.0.0", public_url="https://voice.example"), "localhost:8080", "https://voice.example"),
        (HttpConfig(host="127.0.0.1"), "localhost:8080", "http://localhost:8080"),
    ],
)
def test_the_site_as_another_device_calls_it(monkeypatch: pytest.MonkeyPatch, http: HttpConfig, host: str, site: str) -> None:
    """For a page at `localhost` a phone is shown an address of this machine, if the server listens there."""
    monkeypatch.setattr(origin, "reached_at", lambda host: "192.0.2.7" if host == "0.0.0.0" else host)
    asked = request("127.0.0.1", Host=host)
    asked.transport = SimpleNamespace(get_extra_info={"sockname": ("127.0.0.1", 8080)}.get)  # type: ignore[misc, assignment]
    assert Addresses(http).public_site(asked) == site


def test_without_a_public_name_no_header_makes_https() -> None:
    """Headers of an untrusted peer do not count."""
    assert not Addresses(HttpConfig()).is_https(request("203.0.113.5", Host="voice.example", X_Forwarded_Proto="https"))


def test_a_proxy_that_is_no_address() -> None:
    """A wrong trusted proxy is a ConfigError at the start."""
    with pytest.raises(ConfigError, match="trusted_proxies"):
        Addresses(HttpConfig(trusted_proxies=("proxy.example",)))
