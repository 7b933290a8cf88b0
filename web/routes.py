"""The table of routes: method, path, handler, who may ask, body, query, answers and problems.

`who` is for readers and for /api/openapi.json; the handlers themselves check it with `web.auth.identity`.
"""

from aiohttp import web

from web import operations, pages, reference
from web.accounts.account_routes import ACCOUNT_ROUTES
from web.admin.admin_routes import ADMIN_ROUTES
from web.http import asyncapi, openapi
from web.http.route import ANYONE, JSON, Given, Route
from web.live.live_routes import LIVE_ROUTES
from web.live.socket_table import SOCKET_TABLE
from web.recordings.recording_routes import RECORDING_ROUTES

ASSET = r"{asset:(?:(?:js|css|img|fonts)/(?:[A-Za-z0-9_-]+/)*)?[A-Za-z0-9_-]+\.(?:css|js|svg|png|ico|woff2|webmanifest|txt)}"
BUNDLED = r"dist/{file:(?:page|admin)\.[0-9a-f]{16}\.(?:js|css)}"
PAGE = (Given(200, None, ("text/html",)), Given(304))
FILES = ("text/css", "text/javascript", "application/json", "image/svg+xml", "image/png", "image/vnd.microsoft.icon", "font/woff2")
ASSETS = (Given(200, None, (*FILES, "application/manifest+json", "text/plain")), Given(304))
BUNDLE = (Given(200, None, ("text/css", "text/javascript"), ("ETag", "Vary")), Given(304))
TEXT = (Given(200, None, ("text/plain",)),)


ROUTES: tuple[Route, ...] = (
    *ACCOUNT_ROUTES,
    *LIVE_ROUTES,
    *RECORDING_ROUTES,
    *ADMIN_ROUTES,
    # operations
    Route("GET", "/healthz", operations.healthz, ANYONE, gives=TEXT),
    Route("GET", "/readyz", operations.readyz, ANYONE, gives=TEXT, problems="503 draining, 503 storage_full"),
    Route("GET", "/metrics", operations.metrics, "token:metrics", gives=TEXT),
    Route("GET", "/api/openapi.json", openapi.answer, ANYONE, gives=(Given(200, None, (JSON,)),)),
    Route("GET", "/api/asyncapi.json", asyncapi.answer_sockets, ANYONE, gives=(Given(200, None, (JSON,)),)),
    # pages
    Route("GET", "/api", reference.reference, ANYONE, query=reference.ReferenceQuery, gives=(Given(200, None, ("text/html",)),)),
    *(
        Route("GET", path, pages.page, ANYONE, gives=PAGE)
        for path in (
            "/",
            "/login",
            "/register",
            "/studio",
            "/search",
            "/library",
            "/settings",
            "/doctor",
            "/recover",
            "/reset",
            "/user/{username}",
            "/join/{id}",
            "/l/{token}",
        )
    ),
    Route("GET", f"/{BUNDLED}", pages.bundled, ANYONE, gives=BUNDLE, problems="404 not_found"),
    Route("GET", f"/{ASSET}", pages.asset, ANYONE, gives=ASSETS, problems="404 not_found"),
)


def add_routes(app: web.Application) -> None:
    """Add all routes to the app, each with and without a trailing slash."""
    app[openapi.TABLE], app[asyncapi.SOCKETS] = ROUTES, SOCKET_TABLE
    for route in ROUTES:
        for path in {route.path, route.path.rstrip("/") + "/"}:
            app.router.add_route(route.method, path, route.handler)
            if route.method == "GET" and not path.startswith("/ws/"):
                app.router.add_route("HEAD", path, route.handler)
