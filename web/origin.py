"""Who is asking, by which name, over what: the request's address, scheme and site, as far as proxies are believed."""

import ipaddress

from aiohttp import web

from sfu.config import Http
from sfu.errors import ConfigError
from web.addresses import parsed_address
from web.certificate import tls_in_force

DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def serves_https(http: Http) -> bool:
    """Whether browsers reach this server over HTTPS, by its own or by a proxy: decides the cookie's name, once, at the start."""
    return http.public_url.lower().startswith("https:") or tls_in_force(http) != "off"


class Addresses:
    """Reads requests under one `http` branch of the settings. Raises ConfigError for a proxy that is no address."""

    def __init__(self, http: Http) -> None:
        self._public = _without_default_port(http.public_url.rstrip("/").lower())
        try:
            self._trusted = [ipaddress.ip_network(proxy, strict=False) for proxy in http.trusted_proxies]
        except ValueError as error:
            raise ConfigError(f"http.trusted_proxies: {error}") from None

    def client(self, request: web.BaseRequest) -> str:
        """The address of who asks: the last one in X-Forwarded-For that is not a trusted proxy, if a trusted one told it."""
        remote = request.remote or ""
        if self.is_trusted(remote):
            for told in reversed(_told(request, "X-Forwarded-For")):
                if not told.strip():
                    break
                remote = told.strip()[:64]
                if not self.is_trusted(remote):
                    break
        return remote

    def scheme(self, request: web.BaseRequest) -> str:
        """http or https, as the browser sees it."""
        if self.is_trusted(request.remote or ""):
            told = _told(request, "X-Forwarded-Proto")[-1].strip().lower()
            if told in DEFAULT_PORTS:
                return told
        return "https" if request.secure else "http"

    def site(self, request: web.BaseRequest) -> str:
        """Scheme and host as the browser calls this server, as an origin is written."""
        return _without_default_port(f"{self.scheme(request)}://{request.headers.get('Host', '')}".lower())

    def public_site(self, request: web.BaseRequest) -> str:
        """The site's configured public name, else the one the request came by."""
        return self._public or self.site(request)

    def is_own_origin(self, request: web.BaseRequest) -> bool:
        """Whether the request's Origin is there and is this site."""
        origin = _without_default_port(request.headers.get("Origin", "").lower())
        return "://" in origin and not origin.endswith("://") and origin in (self.site(request), self._public)

    def is_trusted(self, address: str) -> bool:
        """Whether that is one of our proxies."""
        parsed = parsed_address(address)
        return parsed is not None and any(parsed in network for network in self._trusted)


def _told(request: web.BaseRequest, name: str) -> list[str]:
    """The items of a list header, of all its lines: a proxy may add a line of its own after what a client made up."""
    return ",".join(request.headers.getall(name, [""])).split(",")


def _without_default_port(origin: str) -> str:
    scheme, _, _ = origin.partition("://")
    return origin.removesuffix(DEFAULT_PORTS.get(scheme, ""))
