"""What every request passes before a handler sees it, and every answer on its way out."""

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from sfu.errors import BadOrigin, TooLarge
from web.http.origin import ADDRESSES, calls_loopback
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
# Not "no-referrer": with that, sendBeacon's Origin would be "null" and the page could not park its broadcast.
HSTS = "max-age=15552000"  # half a year
ALWAYS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}


def is_guarded(path: str) -> bool:
    """Whether a path is part of the interface, where cookies act."""
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
        return response  # a socket or a stream: its headers have gone
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
    """Whether browsers may refuse this host without a good certificate from now on: where it has shown one, of an authority.

    Not `localhost`, which is many things to many programs; behind a proxy that serves HTTPS it is the proxy's to say.
    """
    context = request.transport.get_extra_info("sslcontext") if request.transport is not None else None
    return isinstance(context, Tls) and context.vouched_for and not calls_loopback(request)


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what another site's page may have sent, and bodies that are too large."""
    unsafe = request.method not in SAFE and hdrs.AUTHORIZATION not in request.headers and is_guarded(request.path)
    handshake = request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"
    if (unsafe or handshake) and not request.app[ADDRESSES].is_own_origin(request):
        raise BadOrigin
    if (request.content_length or 0) > BODY_LIMIT:
        raise TooLarge
    return await handler(request)


def _dress_page(request: web.Request, response: web.StreamResponse) -> None:
    embeddable = request.path.startswith("/l/")
    socket = request.app[ADDRESSES].site(request).replace("http", "ws", 1)
    # A Host header with anything but a plain name in it could write rules of its own.
    socket = socket if all(letter.isalnum() or letter in ":/.-[]" for letter in socket) else ""
    response.headers["Content-Security-Policy"] = POLICY.format(socket=socket, frames="*" if embeddable else "'self'")
    if request.path.rstrip("/") == "/register":
        response.headers["Referrer-Policy"] = "strict-origin"  # its address may hold an invite or the claim link's secret
    response.headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(self)"
    if not embeddable:
        response.headers["X-Frame-Options"] = "SAMEORIGIN"
