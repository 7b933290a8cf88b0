"""The routes of what is live: WHIP, WHEP, the broadcaster's commands, WebSockets and companion devices: a part of `web.routes.ROUTES`."""

from web.denoisers.catalogue import DenoiserRow
from web.events.stream_status import StreamStatus
from web.http.route import ANYONE, LOGIN, NOTHING, Given, Route, json, tagged
from web.live import broadcast_control, companions, hear_yourself, negotiation, self_test, sockets, whep, whip

NEGOTIATED = ("/whip/{username}", "/whip/{username}/{identity}", "/whep/{username}", "/whep/{username}/{identity}")
MAKER = "who made it"
BROADCASTER = "the broadcaster, or token:publish"
EARS = "friends and the user, token:listen, or a listen link's token"

SDP, FRAGMENT, OFFER, RESTART = (negotiation.SDP,), (negotiation.FRAGMENT,), negotiation.OFFER, negotiation.RESTART
SVG = (Given(200, None, ("image/svg+xml",)),)
UPGRADED = (Given(101),)

NOT_OWN = "403 not_allowed, 404 no_such_user"
NOT_HEARD = "403 not_friends, 404 no_such_user"


LIVE_ROUTES: tuple[Route, ...] = (
    # live: WHIP, WHEP, the broadcaster's commands
    Route(
        "POST",
        "/whip/{username}",
        whip.publish,
        "that user, or token:publish",
        SDP,
        whip.WhipQuery,
        negotiation.ANSWERED,
        f"{OFFER}, {NOT_OWN}, 404 not_found, 422 unknown_denoiser, 409 not_live",
    ),
    Route("PATCH", "/whip/{username}/{identity}", whip.patch, MAKER, FRAGMENT, None, negotiation.PATCHED, f"{RESTART}, {NOT_OWN}"),
    Route("DELETE", "/whip/{username}/{identity}", whip.delete, MAKER, gives=(Given(200),), problems=f"404 not_found, {NOT_OWN}"),
    Route(
        "POST",
        "/whep/{username}",
        whep.subscribe,
        EARS,
        SDP,
        whep.WhepQuery,
        negotiation.ANSWERED,
        f"{OFFER}, {NOT_HEARD}, 404 not_found, 404 not_live",
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
    Route(
        "POST",
        "/api/stream/recording",
        broadcast_control.record,
        LOGIN,
        broadcast_control.RecordingWish,
        None,
        json(StreamStatus),
        "409 not_live",
    ),
    Route("POST", "/api/stream/stop", broadcast_control.stop, LOGIN, gives=json(broadcast_control.Stopped), problems="409 not_live"),
    Route("POST", "/api/stream/park", broadcast_control.park, LOGIN, gives=NOTHING),
    Route("GET", "/api/stream/status/{username}", broadcast_control.status, EARS, None, None, json(StreamStatus), NOT_HEARD),
    Route("GET", "/api/statuses", broadcast_control.statuses, LOGIN, None, broadcast_control.WatchedUsers, tagged(list[StreamStatus])),
    Route("POST", "/api/hear-yourself", hear_yourself.begin, LOGIN, gives=json(hear_yourself.HearYourselfMade, 201)),
    Route("GET", "/api/hear-yourself", hear_yourself.status, LOGIN, gives=json(StreamStatus)),
    Route("GET", "/api/denoisers", broadcast_control.denoisers, LOGIN, gives=json(list[DenoiserRow])),
    # WebSockets
    Route("GET", "/ws/presence", sockets.presence, LOGIN, gives=UPGRADED),
    Route("GET", "/ws/stream/{username}", sockets.stream, "login, or a listen link's token in `hello`", gives=UPGRADED),
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
    Route(
        "GET", "/ws/session/{id}", companions.socket, "login, or who has joined by the code", query=companions.DeviceQuery, gives=UPGRADED
    ),
    # the test of the way to the media port
    Route("GET", "/api/self-test", self_test.ports, LOGIN, gives=json(self_test.SelfTestWays)),
    Route(
        "POST", "/api/self-test", self_test.begin, LOGIN, SDP, self_test.SelfTestQuery, (Given(200, None, SDP),), f"{OFFER}, 404 not_found"
    ),
)
