"""The table: method, path, handler, who may. Nothing else.

`who` is for readers and for /api/openapi.json; the handlers themselves ask `web.auth.identity`.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiohttp import web

from web import operations, pages
from web.accounts import accounts, claims, friends, invites, listen_links, tokens
from web.live import broadcast_control, companions, negotiation, self_test, sockets, whep, whip
from web.recordings import audio, recordings, trash

ANYONE, LOGIN = "anyone", "login"
NUMBER = "{id:[0-9]{1,18}}"
ASSET = r"{asset:(?:(?:js|css|img|fonts)/(?:[A-Za-z0-9_-]+/)*)?[A-Za-z0-9_-]+\.(?:css|js|mjs|map|svg|png|ico|woff2|webmanifest|txt)}"

NEGOTIATED = ("/whip/{username}", "/whip/{username}/{identity}", "/whep/{username}", "/whep/{username}/{identity}")


class Route(NamedTuple):
    method: str
    path: str
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    who: str


ROUTES: tuple[Route, ...] = (
    # accounts
    Route("POST", "/api/register", accounts.register, ANYONE),
    Route("POST", "/api/login", accounts.login, ANYONE),
    Route("POST", "/api/logout", accounts.logout, LOGIN),
    Route("GET", "/api/claim", claims.look, "a claim link's secret"),
    Route("POST", "/api/claim", claims.use, LOGIN),
    Route("GET", "/api/me", accounts.me, LOGIN),
    Route("DELETE", "/api/me", accounts.delete_account, LOGIN),
    Route("POST", "/api/me/password", accounts.change_password, LOGIN),
    Route("GET", "/api/me/sessions", accounts.sessions, LOGIN),
    Route("DELETE", f"/api/me/sessions/{NUMBER}", accounts.end_session, LOGIN),
    Route("GET", "/api/tokens", tokens.listed, LOGIN),
    Route("POST", "/api/tokens", tokens.make, LOGIN),
    Route("DELETE", f"/api/tokens/{NUMBER}", tokens.revoke, LOGIN),
    Route("GET", "/api/invites", invites.listed, LOGIN),
    Route("POST", "/api/invites", invites.make, LOGIN),
    Route("DELETE", f"/api/invites/{NUMBER}", invites.revoke, LOGIN),
    # friends
    Route("GET", "/api/search", friends.find, LOGIN),
    Route("GET", "/api/friends", friends.listed, LOGIN),
    Route("DELETE", "/api/friends/{username}", friends.unfriend, LOGIN),
    Route("POST", "/api/friend-request/send", friends.ask, LOGIN),
    Route("POST", f"/api/friend-request/{NUMBER}/respond", friends.respond, LOGIN),
    Route("GET", "/api/friend-requests/pending", friends.pending, LOGIN),
    Route("PUT", "/api/blocks/{username}", friends.block, LOGIN),
    Route("DELETE", "/api/blocks/{username}", friends.unblock, LOGIN),
    # live: WHIP, WHEP, the broadcaster's commands, listen links
    Route("POST", "/whip/{username}", whip.publish, "that user, or token:publish"),
    Route("PATCH", "/whip/{username}/{identity}", whip.patch, "who made it"),
    Route("DELETE", "/whip/{username}/{identity}", whip.delete, "who made it"),
    Route("POST", "/whep/{username}", whep.subscribe, "friends and the user, token:listen, or a listen link's token"),
    Route("PATCH", "/whep/{username}/{identity}", whep.patch, "who made it"),
    Route("DELETE", "/whep/{username}/{identity}", whep.delete, "who made it"),
    Route("PUT", "/whep/{username}/{identity}/variant", whep.choose, "who made it"),
    *(Route("GET", path, negotiation.nothing, ANYONE) for path in NEGOTIATED),
    *(Route("OPTIONS", path, negotiation.options, ANYONE) for path in (*NEGOTIATED, "/whep/{username}/{identity}/variant")),
    Route("POST", "/api/stream/denoise", broadcast_control.denoise, LOGIN),
    Route("POST", "/api/stream/mute", broadcast_control.mute, "the broadcaster, or token:publish"),
    Route("POST", "/api/stream/stop", broadcast_control.stop, LOGIN),
    Route("POST", "/api/stream/park", broadcast_control.park, LOGIN),
    Route("GET", "/api/stream/status/{username}", broadcast_control.status, "friends and the user, token:listen"),
    Route("GET", "/api/denoisers", broadcast_control.denoisers, LOGIN),
    Route("GET", "/api/listen-links", listen_links.listed, LOGIN),
    Route("POST", "/api/listen-links", listen_links.make, LOGIN),
    Route("DELETE", f"/api/listen-links/{NUMBER}", listen_links.revoke, LOGIN),
    Route("GET", "/api/listen-link", listen_links.whose, "a listen link's token"),
    # recordings
    Route("GET", "/api/recordings", recordings.own, LOGIN),
    Route("GET", "/api/recordings/{username}", recordings.of_friend, LOGIN),
    Route("GET", f"/api/recording/{NUMBER}/audio", audio.audio, LOGIN),
    Route("GET", f"/api/recording/{NUMBER}/peaks", recordings.peaks, LOGIN),
    Route("PATCH", f"/api/recording/{NUMBER}", recordings.rename, LOGIN),
    Route("DELETE", f"/api/recording/{NUMBER}", recordings.delete, LOGIN),
    Route("GET", "/api/trash", trash.listed, LOGIN),
    Route("POST", f"/api/recording/{NUMBER}/restore", trash.restore, LOGIN),
    Route("GET", "/api/storage", recordings.storage, LOGIN),
    # WebSockets
    Route("GET", "/ws/presence", sockets.presence, LOGIN),
    Route("GET", "/ws/stream/{username}", sockets.stream, LOGIN),
    # companion devices
    Route("POST", "/api/companions", companions.make, LOGIN),
    Route("GET", "/api/companions/{id}/qr.svg", companions.qr, LOGIN),
    Route("POST", "/api/companions/{id}/join", companions.join, ANYONE),
    Route("DELETE", "/api/companions/{id}", companions.end, LOGIN),
    Route("GET", "/ws/session/{id}", companions.socket, "login, or who has joined by the code"),
    # operations
    Route("GET", "/healthz", operations.healthz, ANYONE),
    Route("GET", "/readyz", operations.readyz, ANYONE),
    Route("GET", "/metrics", operations.metrics, "token:metrics"),
    Route("GET", "/api/self-test", self_test.ports, LOGIN),
    Route("POST", "/api/self-test", self_test.begin, LOGIN),
    Route("GET", "/api/openapi.json", operations.openapi, ANYONE),
    # pages
    *(Route("GET", path, pages.page, ANYONE) for path in ("/", "/login", "/register", "/search", "/library", "/settings", "/doctor")),
    *(Route("GET", path, pages.page, ANYONE) for path in ("/user/{username}", "/join/{id}", "/l/{token}")),
    Route("GET", f"/{ASSET}", pages.asset, ANYONE),
)


def add_routes(app: web.Application) -> None:
    """Route the table; a trailing slash is answered like none."""
    for route in ROUTES:
        for path in {route.path, route.path.rstrip("/") + "/"}:
            app.router.add_route(route.method, path, route.handler)
            if route.method == "GET" and not path.startswith("/ws/"):
                app.router.add_route("HEAD", path, route.handler)
