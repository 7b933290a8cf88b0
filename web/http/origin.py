"""The client's address, the scheme and the site of a request, with what trusted proxies say about it."""

import ipaddress
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from sfu.config.errors import ConfigError
from sfu.config.schema import HttpConfig
from web.http.addresses import in_url, is_loopback, is_wildcard, parsed_address, reached_at
from web.http.forwarded import Parsed, is_marked, told
from web.http.sites import DEFAULT_PORTS, origin_of
from web.http.tls import tls_in_force

OF_SOCKETS = {"ws": "http", "wss": "https"}  # some proxies send these for a WebSocket's handshake


def is_from_this_machine(request: web.BaseRequest) -> bool:
    """Whether a program on this machine sends the request: over loopback, to a loopback name, and not through a proxy.

    The name matters because another site's page, in a browser here, can have its own name resolve to this machine.
    """
    return calls_loopback(request) and is_loopback(request.remote or "") and not is_marked(request.headers)


def calls_loopback(request: web.BaseRequest) -> bool:
    """Whether the request has one Host, and that means the browser's own machine. Nobody can own names under `localhost`."""
    said = request.headers.getall(hdrs.HOST, [])
    called = origin_of(f"http://{said[0]}") if len(said) == 1 else None
    name = (urlsplit(called).hostname or "") if called is not None else ""
    return is_loopback(name) or name.endswith(".localhost")


class Addresses:
    """Reads requests with the settings of `http`. Raises ConfigError for a trusted proxy that is no address or network."""

    def __init__(self, http: HttpConfig) -> None:
        self._http = http
        self._public = _without_default_port(http.public_url.rstrip("/").lower())
        self._public_origin = origin_of(self._public)
        try:
            self._trusted = [ipaddress.ip_network(proxy, strict=False) for proxy in http.trusted_proxies]
        except ValueError as error:
            raise ConfigError(f"http.trusted_proxies: {error}") from None

    def client(self, request: web.BaseRequest) -> str:
        """The client's address, in one spelling: what the outermost trusted proxy tells, else the peer's."""
        peer = parsed_address(request.remote or "")
        if peer is None:
            return request.remote or ""
        address = told(request.headers, self._trusts).address if self._trusts(peer) else None
        return str(address or peer)

    def scheme(self, request: web.BaseRequest) -> str:
        """http or https, as the browser sees it."""
        if self.is_trusted(request.remote or ""):
            scheme = told(request.headers, self._trusts).scheme or ""
            if request.headers.get(hdrs.UPGRADE, "").lower() == "websocket":
                scheme = OF_SOCKETS.get(scheme, scheme)
            if scheme in DEFAULT_PORTS:
                return scheme
        return "https" if request.secure else "http"

    def is_https(self, request: web.BaseRequest) -> bool:
        """Whether the browser uses HTTPS; then cookies are Secure and have another name.

        Behind a proxy that does not tell the scheme or is not trusted, `http.public_url` decides.
        """
        if self.scheme(request) == "https":
            return True
        if self._public_origin is None or not self._public_origin.startswith("https:"):
            return False
        return is_marked(request.headers) or origin_of(f"https://{request.headers.get(hdrs.HOST, '')}") == self._public_origin

    def site(self, request: web.BaseRequest) -> str:
        """The origin by which the browser has reached this server."""
        return _without_default_port(f"{self.scheme(request)}://{request.headers.get('Host', '')}".lower())

    def public_site(self, request: web.BaseRequest) -> str:
        """The origin by which other devices reach this server: `http.public_url`, else the request's.

        For a request to localhost it has an address of this machine. Lists the interfaces then, which blocks: not for the loop.
        """
        return self._public or (calls_loopback(request) and self._outside(request)) or self.site(request)

    def _outside(self, request: web.BaseRequest) -> str | None:
        """The origin with the address that other machines reach best; None where only this machine is served."""
        bound = request.transport.get_extra_info("sockname") if request.transport is not None else None
        if bound is None or not is_wildcard(self._http.host) or is_loopback(address := reached_at(self._http.host)):
            return None
        scheme = "http" if tls_in_force(self._http) == "off" else "https"
        return _without_default_port(f"{scheme}://{in_url(address)}:{bound[1]}")

    def is_own_origin(self, request: web.BaseRequest) -> bool:
        """Whether the request has one Origin, and that is this site; spellings do not matter."""
        said = request.headers.getall(hdrs.ORIGIN, [])
        origin = origin_of(said[0]) if len(said) == 1 else None
        return origin is not None and origin in (origin_of(self.site(request)), self._public_origin)

    def is_trusted(self, address: str) -> bool:
        """Whether an address is a trusted proxy's."""
        parsed = parsed_address(address)
        return parsed is not None and self._trusts(parsed)

    def _trusts(self, address: Parsed) -> bool:
        return any(address in network for network in self._trusted)


ADDRESSES = web.AppKey("ADDRESSES", Addresses)


def _without_default_port(origin: str) -> str:
    scheme, _, _ = origin.partition("://")
    return origin.removesuffix(f":{DEFAULT_PORTS.get(scheme)}")
