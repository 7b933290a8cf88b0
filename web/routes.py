"""The table: method, path, handler, who may, what is taken, given and refused. Nothing else.

`who` is for readers and for /api/openapi.json; the handlers themselves ask `web.auth.identity`.
"""

from aiohttp import web

from web import operations, pages
from web.accounts import accounts, claims, friends, invites, listen_links, tokens
from web.denoisers.catalogue import DenoiserRow
from web.http import openapi
from web.http.paging import ListPage
from web.http.route import ANYONE, JSON, LOGIN, NOTHING, NUMBER, Given, Route, json
from web.live import broadcast_control, companions, negotiation, self_test, sockets, whep, whip
from web.live.stream_status import StreamStatus
from web.recordings import audio, recordings, trash

ASSET = r"{asset:(?:(?:js|css|img|fonts)/(?:[A-Za-z0-9_-]+/)*)?[A-Za-z0-9_-]+\.(?:css|js|mjs|map|svg|png|ico|woff2|webmanifest|txt)}"

NEGOTIATED = ("/whip/{username}", "/whip/{username}/{identity}", "/whep/{username}", "/whep/{username}/{identity}")
MAKER = "who made it"
BROADCASTER = "the broadcaster, or token:publish"
FRIENDS = "friends and the user, token:listen"
EARS = "friends and the user, token:listen, or a listen link's token"

SDP, FRAGMENT, OFFER, RESTART = (negotiation.SDP,), (negotiation.FRAGMENT,), negotiation.OFFER, negotiation.RESTART
SVG = (Given(200, None, ("image/svg+xml",)),)
UPGRADED = (Given(101),)
PAGE = (Given(200, None, ("text/html",)), Given(304))
FILES = ("text/css", "text/javascript", "application/json", "image/svg+xml", "image/png", "image/vnd.microsoft.icon", "font/woff2")
ASSETS = (Given(200, None, (*FILES, "application/manifest+json", "text/plain", "application/octet-stream")), Given(304), Given(404))
TEXT = (Given(200, None, ("text/plain",)),)

NOT_OWN = "403 not_allowed, 404 no_such_user"
NOT_HEARD = "403 not_friends, 404 no_such_user"


ROUTES: tuple[Route, ...] = (
    # accounts
    Route(
        "POST",
        "/api/register",
        accounts.register,
        ANYONE,
        accounts.NewAccount,
        None,
        json(accounts.SignedIn, 201),
        "403 registration_closed, 403 bad_claim, 403 not_allowed, 409 username_taken, 409 limit_reached, 422 weak_password",
    ),
    Route("POST", "/api/login", accounts.login, ANYONE, accounts.LoginBody, None, json(accounts.SignedIn), "401 bad_credentials"),
    Route("POST", "/api/logout", accounts.logout, LOGIN, gives=NOTHING),
    Route("GET", "/api/claim", claims.look, "a claim link's secret", gives=NOTHING, problems="403 bad_claim"),
    Route("POST", "/api/claim", claims.use, LOGIN, claims.ClaimUse, gives=NOTHING, problems="403 bad_claim"),
    Route("GET", "/api/me", accounts.me, LOGIN, gives=json(accounts.Me)),
    Route("DELETE", "/api/me", accounts.delete_account, LOGIN, accounts.PasswordProof, gives=NOTHING, problems="401 bad_credentials"),
    Route(
        "POST",
        "/api/me/password",
        accounts.change_password,
        LOGIN,
        accounts.PasswordChange,
        gives=NOTHING,
        problems="401 bad_credentials, 409 password_changed, 422 weak_password",
    ),
    Route("GET", "/api/me/sessions", accounts.sessions, LOGIN, None, ListPage, json(list[accounts.LoginRow])),
    Route("DELETE", f"/api/me/sessions/{NUMBER}", accounts.end_session, LOGIN, gives=NOTHING, problems="404 not_found"),
    Route("GET", "/api/tokens", tokens.listed, LOGIN, None, ListPage, json(list[tokens.TokenRow])),
    Route("POST", "/api/tokens", tokens.make, LOGIN, tokens.NewToken, None, json(tokens.TokenMade, 201), "409 limit_reached"),
    Route("DELETE", f"/api/tokens/{NUMBER}", tokens.revoke, LOGIN, gives=NOTHING, problems="404 not_found"),
    Route("GET", "/api/invites", invites.listed, LOGIN, None, ListPage, json(list[invites.InviteRow])),
    Route(
        "POST",
        "/api/invites",
        invites.make,
        LOGIN,
        invites.NewInvite,
        None,
        json(invites.InviteMade, 201),
        "403 not_allowed, 409 limit_reached",
    ),
    Route("DELETE", f"/api/invites/{NUMBER}", invites.revoke, LOGIN, gives=NOTHING, problems="404 not_found"),
    # friends
    Route("GET", "/api/search", friends.find, LOGIN, None, friends.PartOfName, json(list[friends.Found])),
    Route("GET", "/api/friends", friends.listed, LOGIN, None, friends.FriendsPage, json(list[friends.FriendRow])),
    Route("DELETE", "/api/friends/{username}", friends.unfriend, LOGIN, gives=NOTHING, problems="404 not_found, 404 no_such_user"),
    Route(
        "POST",
        "/api/friend-request/send",
        friends.ask,
        LOGIN,
        friends.FriendshipWish,
        None,
        json(friends.RequestState, 201),
        "404 no_such_user, 409 already_friends, 409 already_requested, 409 blocked, 409 limit_reached, 422 self",
    ),
    Route(
        "POST",
        f"/api/friend-request/{NUMBER}/respond",
        friends.respond,
        LOGIN,
        friends.FriendshipReply,
        None,
        json(friends.RequestState),
        "403 not_allowed, 404 not_found, 409 already_answered, 409 limit_reached",
    ),
    Route("GET", "/api/friend-requests/pending", friends.pending, LOGIN, None, ListPage, json(friends.RequestsPending)),
    Route("PUT", "/api/blocks/{username}", friends.block, LOGIN, gives=NOTHING, problems="404 no_such_user, 409 limit_reached, 422 self"),
    Route("DELETE", "/api/blocks/{username}", friends.unblock, LOGIN, gives=NOTHING, problems="404 no_such_user"),
    # live: WHIP, WHEP, the broadcaster's commands, listen links
    Route(
        "POST",
        "/whip/{username}",
        whip.publish,
        "that user, or token:publish",
        SDP,
        whip.WhipQuery,
        negotiation.ANSWERED,
        f"{OFFER}, {NOT_OWN}, 422 unknown_denoiser, 409 not_live",
    ),
    Route("PATCH", "/whip/{username}/{identity}", whip.patch, MAKER, FRAGMENT, None, negotiation.PATCHED, f"{RESTART}, {NOT_OWN}"),
    Route("DELETE", "/whip/{username}/{identity}", whip.delete, MAKER, gives=(Given(200),), problems=f"404 not_found, {NOT_OWN}"),
    Route(
        "POST", "/whep/{username}", whep.subscribe, EARS, SDP, whep.WhepQuery, negotiation.ANSWERED, f"{OFFER}, {NOT_HEARD}, 404 not_live"
    ),
    Route("PATCH", "/whep/{username}/{identity}", whep.patch, MAKER, FRAGMENT, None, negotiation.PATCHED, f"{RESTART}, {NOT_HEARD}"),
    Route("DELETE", "/whep/{username}/{identity}", whep.delete, MAKER, gives=(Given(200),), problems=f"404 not_found, {NOT_HEARD}"),
    Route("PUT", "/whep/{username}/{identity}/variant", whep.choose, MAKER, whep.VariantWish, None, NOTHING, f"404 not_found, {NOT_HEARD}"),
    *(Route("GET", path, negotiation.nothing, ANYONE, gives=NOTHING) for path in NEGOTIATED),
    *(
        Route("OPTIONS", path, negotiation.options, ANYONE, gives=(Given(204, None, (), ("Accept-Post", "Accept-Patch")),))
        for path in (*NEGOTIATED, "/whep/{username}/{identity}/variant")
    ),
    Route(
        "POST",
        "/api/stream/denoise",
        broadcast_control.denoise,
        LOGIN,
        broadcast_control.DenoiseWish,
        None,
        json(StreamStatus),
        "409 not_live, 422 unknown_denoiser",
    ),
    Route("POST", "/api/stream/mute", broadcast_control.mute, BROADCASTER, broadcast_control.MuteWish, None, NOTHING, "409 not_live"),
    Route("POST", "/api/stream/stop", broadcast_control.stop, LOGIN, gives=json(broadcast_control.Stopped), problems="409 not_live"),
    Route("POST", "/api/stream/park", broadcast_control.park, LOGIN, gives=NOTHING),
    Route("GET", "/api/stream/status/{username}", broadcast_control.status, FRIENDS, None, None, json(StreamStatus), NOT_HEARD),
    Route("GET", "/api/denoisers", broadcast_control.denoisers, LOGIN, gives=json(list[DenoiserRow])),
    Route("GET", "/api/listen-links", listen_links.listed, LOGIN, None, ListPage, json(list[listen_links.ListenLinkRow])),
    Route(
        "POST",
        "/api/listen-links",
        listen_links.make,
        LOGIN,
        listen_links.NewListenLink,
        None,
        json(listen_links.ListenLinkMade, 201),
        "409 limit_reached",
    ),
    Route("DELETE", f"/api/listen-links/{NUMBER}", listen_links.revoke, LOGIN, gives=NOTHING, problems="404 not_found"),
    Route("GET", "/api/listen-link", listen_links.whose, "a listen link's token", gives=json(listen_links.Linked)),
    # recordings
    Route("GET", "/api/recordings", recordings.own, LOGIN, None, recordings.RecordingsPage, json(list[recordings.RecordingRow])),
    Route(
        "GET",
        "/api/recordings/{username}",
        recordings.of_friend,
        LOGIN,
        None,
        recordings.RecordingsPage,
        json(list[recordings.RecordingRow]),
        NOT_HEARD,
    ),
    Route(
        "GET",
        f"/api/recording/{NUMBER}/audio",
        audio.audio,
        LOGIN,
        None,
        audio.AudioQuery,
        audio.SOUND,
        "403 not_friends, 404 not_found, 404 no_such_variant, 416 no_such_range",
    ),
    Route(
        "GET",
        f"/api/recording/{NUMBER}/peaks",
        recordings.peaks,
        LOGIN,
        None,
        recordings.OutlineQuery,
        json(recordings.Outline),
        "403 not_friends, 404 not_found, 404 no_such_variant, 409 not_ready",
    ),
    Route(
        "PATCH",
        f"/api/recording/{NUMBER}",
        recordings.rename,
        LOGIN,
        recordings.NewTitle,
        None,
        json(recordings.RecordingRow),
        "403 not_allowed, 404 not_found",
    ),
    Route(
        "DELETE",
        f"/api/recording/{NUMBER}",
        recordings.delete,
        LOGIN,
        gives=NOTHING,
        problems="403 not_allowed, 404 not_found, 409 still_live",
    ),
    Route("GET", "/api/trash", trash.listed, LOGIN, None, recordings.RecordingsPage, json(list[trash.DeletedRow])),
    Route(
        "POST",
        f"/api/recording/{NUMBER}/restore",
        trash.restore,
        LOGIN,
        gives=NOTHING,
        problems="403 not_allowed, 404 not_found, 409 not_in_trash",
    ),
    Route("GET", "/api/storage", recordings.storage, LOGIN, gives=json(recordings.StorageUse)),
    # WebSockets
    Route("GET", "/ws/presence", sockets.presence, LOGIN, gives=UPGRADED),
    Route("GET", "/ws/stream/{username}", sockets.stream, LOGIN, gives=UPGRADED),
    # companion devices
    Route(
        "POST",
        "/api/companions",
        companions.make,
        LOGIN,
        companions.NewCompanionSession,
        None,
        json(companions.CompanionSessionMade, 201),
        "409 code_unknown",
    ),
    Route(
        "GET", "/api/companions/{id}/qr.svg", companions.qr, LOGIN, gives=SVG, problems="403 not_allowed, 404 not_found, 409 code_unknown"
    ),
    Route(
        "POST",
        "/api/companions/{id}/join",
        companions.join,
        ANYONE,
        companions.JoiningCode,
        None,
        json(companions.JoinedSession),
        "403 wrong_code, 404 not_found",
    ),
    Route("DELETE", "/api/companions/{id}", companions.end, LOGIN, gives=NOTHING, problems="403 not_allowed, 404 not_found"),
    Route("GET", "/ws/session/{id}", companions.socket, "login, or who has joined by the code", gives=UPGRADED),
    # operations
    Route("GET", "/healthz", operations.healthz, ANYONE, gives=TEXT),
    Route("GET", "/readyz", operations.readyz, ANYONE, gives=TEXT, problems="503 draining, 503 storage_full"),
    Route("GET", "/metrics", operations.metrics, "token:metrics", gives=TEXT),
    Route("GET", "/api/self-test", self_test.ports, LOGIN, gives=json(self_test.SelfTestWays)),
    Route(
        "POST", "/api/self-test", self_test.begin, LOGIN, SDP, self_test.SelfTestQuery, (Given(200, None, SDP),), f"{OFFER}, 404 not_found"
    ),
    Route("GET", "/api/openapi.json", openapi.answer, ANYONE, gives=(Given(200, None, (JSON,)),)),
    # pages
    *(
        Route("GET", path, pages.page, ANYONE, gives=PAGE)
        for path in (
            "/",
            "/login",
            "/register",
            "/search",
            "/library",
            "/settings",
            "/doctor",
            "/user/{username}",
            "/join/{id}",
            "/l/{token}",
        )
    ),
    Route("GET", f"/{ASSET}", pages.asset, ANYONE, gives=ASSETS),
)


def add_routes(app: web.Application) -> None:
    """Route the table; a trailing slash is answered like none."""
    app[openapi.TABLE] = ROUTES
    for route in ROUTES:
        for path in {route.path, route.path.rstrip("/") + "/"}:
            app.router.add_route(route.method, path, route.handler)
            if route.method == "GET" and not path.startswith("/ws/"):
                app.router.add_route("HEAD", path, route.handler)
