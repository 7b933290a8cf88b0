"""Middleware: refuses requests of other sites, and sets the security and CORS headers of answers."""

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from sfu.errors import NotFound
from web.errors import BadOrigin, TooLarge
from web.http.origin import ADDRESSES, calls_loopback
from web.http.relayed import RELAYED
from web.http.tls import Tls

BODY_LIMIT = 64 * 1024
GUARDED = ("/api/", "/whip/", "/whep/")
SAFE = {"GET", "HEAD", "OPTIONS"}
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Location, ETag, Link",
}
PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, PATCH, PUT, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match",
    "Access-Control-Max-Age": "86400",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self'; "
    "connect-src 'self' {socket}; worker-src 'self' blob:; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors {frames}"
)
HSTS = "max-age=15552000"  # half a year
# Not "no-referrer": sendBeacon's Origin would be "null" then, and the page could not park its broadcast.
ALWAYS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}


def is_guarded(path: str) -> bool:
    """Whether a path belongs to the interface, where a cookie can change things."""
    return path.startswith(GUARDED)


@web.middleware
async def dress(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer preflights; put the security and CORS headers on every answer."""
    guarded = is_guarded(request.path)
    if request.method == hdrs.METH_OPTIONS and request.path.startswith("/api/"):
        response: web.StreamResponse = web.Response(status=204)
    else:
        response = await handler(request)
    if response.prepared:
        return response  # a WebSocket or a stream: its headers are sent already
    response.headers.update(ALWAYS)
    if is_to_stay_https(request):
        response.headers["Strict-Transport-Security"] = HSTS
    if guarded:
        response.headers.update(CORS)
        response.headers.setdefault("Cache-Control", "no-store")
        if request.method == hdrs.METH_OPTIONS:
            response.headers.update(PREFLIGHT)
    elif response.content_type == "text/html":
        _dress_page(request, response)
    return response


def is_to_stay_https(request: web.Request) -> bool:
    """Whether to send HSTS: for TLS served here with a certificate of an authority.

    Not for `localhost`, which other programs use too. Behind a proxy that serves HTTPS, HSTS is the proxy's matter.
    """
    context = request.transport.get_extra_info("sslcontext") if request.transport is not None else None
    return isinstance(context, Tls) and context.vouched_for and not calls_loopback(request)


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse requests that another site's page may have sent, bodies that are too large, and paths with NUL.

    What a node passes on has been looked at.
    """
    unsafe = request.method not in SAFE and hdrs.AUTHORIZATION not in request.headers and is_guarded(request.path)
    handshake = request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"
    if (unsafe or handshake) and RELAYED not in request and not request.app[ADDRESSES].is_own_origin(request):
        raise BadOrigin
    if (request.content_length or 0) > BODY_LIMIT:
        raise TooLarge
    if "\0" in request.path:  # decoded; nothing has such a name, and PostgreSQL takes none
        raise NotFound
    return await handler(request)


def _dress_page(request: web.Request, response: web.StreamResponse) -> None:
    embeddable = request.path.startswith("/l/")
    socket = request.app[ADDRESSES].site(request).replace("http", "ws", 1)
    # A Host header with other characters could add directives to the policy.
    socket = socket if all(letter.isalnum() or letter in ":/.-[]" for letter in socket) else ""
    response.headers.setdefault("Content-Security-Policy", POLICY.format(socket=socket, frames="*" if embeddable else "'self'"))
    if request.path.rstrip("/") == "/register":
        response.headers["Referrer-Policy"] = "strict-origin"  # its address may hold an invite or the claim link's secret
    response.headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(self)"
    if not embeddable:
        response.headers["X-Frame-Options"] = "SAMEORIGIN"
