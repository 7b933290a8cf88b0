"""Plain HTTP on a port that serves HTTPS: programs on this machine get the site, all others a redirect."""

from collections.abc import Callable
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from web.http.addresses import parsed_address
from web.http.challenges import Challenges
from web.http.forwarded import is_marked
from web.http.origin import is_from_this_machine
from web.http.problems import problem
from web.http.sites import origin_of
from web.http.tls import HOST_NAME

NO_HOST = "This port serves HTTPS, and the request has no Host to be sent to it by."
OF_A_PROXY = "This port serves HTTPS, and a proxy has asked it in plain HTTP. Let the proxy use https, or set http.tls to off."


def answer_to(request: web.BaseRequest, is_proxy: Callable[[str], bool], challenges: Challenges) -> web.Response | None:
    """308 to the same URL with https, 400 where the request has no usable Host; None where the site may be served in plain HTTP.

    What an authority of certificates looks for is answered first: a router may lead port 80 here.

    A trusted proxy gets 400: a redirect would bring its client back here in plain HTTP for ever.
    """
    if (sought := challenges.answer_at(request.path)) is not None:
        return _closing(web.Response(text=sought))
    if is_from_this_machine(request):
        return None
    if is_proxy(request.remote or "") and is_marked(request.headers):
        return _closing(problem(400, "bad_request", OF_A_PROXY))
    host = _own_host(request)
    if host is None:
        return _closing(problem(400, "bad_request", NO_HOST))
    path = request.rel_url.raw_path_qs
    address = f"https://{host}{path if path.startswith('/') else '/'}"
    # Not cached: after http.tls is turned off, a browser that remembers the redirect could not reach the site.
    headers = {hdrs.LOCATION: address, hdrs.CACHE_CONTROL: "no-store"}
    return _closing(web.Response(status=308, text="This is served by https.\n", headers=headers))


def _own_host(request: web.BaseRequest) -> str | None:
    """The Host header as sent, with its port; None where there is not exactly one, or it is no name and no address."""
    said = request.headers.getall(hdrs.HOST, [])
    origin = origin_of(f"https://{said[0]}") if len(said) == 1 else None
    name = urlsplit(origin).hostname if origin is not None else None
    if name is None or "%" in said[0] or not said[0].isascii() or not (HOST_NAME.fullmatch(name) or parsed_address(name)):
        return None
    return said[0]


def _closing(response: web.Response) -> web.Response:
    response.force_close()
    return response
