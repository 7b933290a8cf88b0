"""How every route is asked, well and badly: the table of `test_interface`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from tests.web.conftest import PASSWORD
from web.app import CLIENT_FOLDER
from web.http.openapi import plain
from web.pages import Client, page
from web.routes import ROUTES

SDP, FRAGMENT = {"Content-Type": "application/sdp"}, {"Content-Type": "application/trickle-ice-sdpfrag"}
RESTARTED = "a=ice-ufrag:fresh\r\na=ice-pwd:0123456789012345678901\r\n"
ENDED = "a=end-of-candidates\r\n"
PAGES = tuple(plain(route.path) for route in ROUTES if route.handler is page)
NEGOTIATED = ("/whip/{username}", "/whip/{username}/{identity}", "/whep/{username}", "/whep/{username}/{identity}")
ASSET = next(plain(route.path) for route in ROUTES if "{asset" in route.path)
BUNDLED = next(plain(route.path) for route in ROUTES if route.path.startswith("/dist/"))
BUNDLE = tuple(Client(CLIENT_FOLDER, modules=False).files)


class Ask(NamedTuple):
    """One request. path: where it is not the row's own; `{name}` stands for what an answer before has made (`Ask.makes`)."""

    status: int
    path: str = ""
    body: Any = None
    offer: str = ""  # sendonly or recvonly
    headers: Mapping[str, str] = MappingProxyType({})
    by: str = "alice"
    makes: str = ""


NOBODY = Ask(401, by="guest")
NOT_THE_OWNER = (NOBODY, Ask(403, by="bob"))
BAD = {"surplus": 1}
RENAMED, CODE = {"title": "Monday"}, {"code": "wrong"}

# Each row of the table of routes, in the order of the asking. Whoever adds a route adds a line: the test fails without.
ASKED: dict[tuple[str, str], tuple[Ask, ...]] = {
    # accounts
    ("POST", "/api/register"): (
        Ask(201, body={"username": "zoe", "password": PASSWORD}, by="zoe"),
        Ask(409, body={"username": "zoe", "password": PASSWORD}, by="guest"),
        Ask(422, body={"username": "z", "password": "password", "invite": 1}, by="guest"),
        Ask(422, body={"username": "yves", "password": "password"}, by="guest"),
        Ask(422, body={"username": "yves", "password": PASSWORD, "invite": "wrong"}, by="guest"),
        Ask(403, body={"username": "yves", "password": PASSWORD, "claim": "wrong"}, by="guest"),
        Ask(403, body={}, headers={"Origin": "https://elsewhere.example"}, by="guest"),
        Ask(413, body="x" * 70_000, by="guest"),
    ),
    ("GET", "/api/claim"): (Ask(403, by="guest", headers={"Authorization": "Bearer wrong"}),),
    ("POST", "/api/claim"): (Ask(403, body={"claim": "wrong"}), Ask(422, body=BAD), Ask(401, body={"claim": "wrong"}, by="guest")),
    # a lost password, which is carl's; alice owns the server
    ("POST", "/api/me/recovery-codes"): (
        Ask(201, body={"password": PASSWORD}, by="carl", makes="recovery"),
        Ask(401, body={"password": "wrong"}),
        Ask(422, body=BAD),
        NOBODY,
    ),
    ("GET", "/api/me/recovery-codes"): (Ask(200, by="carl"), NOBODY),
    ("POST", "/api/recover"): (
        Ask(200, body={"username": "carl", "code": "{recovery_first}", "password": PASSWORD}, by="carl"),
        Ask(401, body={"username": "carl", "code": "{recovery_first}", "password": PASSWORD}, by="guest"),
        Ask(422, body={"username": "carl", "code": "wrong", "password": "short"}, by="guest"),
    ),
    ("POST", "/api/admin/users/{username}/reset"): (
        Ask(201, "/api/admin/users/carl/reset", makes="reset"),
        Ask(404, "/api/admin/users/nobody/reset"),
        *NOT_THE_OWNER,
    ),
    ("GET", "/api/reset"): (Ask(200, headers={"Authorization": "Bearer {reset_token}"}, by="guest"), Ask(404, by="guest")),
    ("POST", "/api/reset"): (
        Ask(422, body={"token": "{reset_token}", "password": "password"}, by="guest"),
        Ask(200, body={"token": "{reset_token}", "password": PASSWORD}, by="guest"),
        Ask(404, body={"token": "{reset_token}", "password": PASSWORD}, by="guest"),
        Ask(422, body=BAD, by="guest"),
    ),
    ("POST", "/api/login"): (
        Ask(200, body={"username": "carl", "password": PASSWORD}, by="carl"),  # whom the reset has signed out
        Ask(200, body={"username": "ZOE", "password": PASSWORD}, by="zoe"),
        Ask(401, body={"username": "zoe", "password": "wrong"}, by="guest"),
        Ask(422, body=BAD, by="guest"),
    ),
    # what the owner sees and does
    ("GET", "/api/admin/users"): (
        Ask(200),
        Ask(200, "/api/admin/users?q=zo&before=9&limit=1"),
        Ask(422, "/api/admin/users?limit=x"),
        *NOT_THE_OWNER,
    ),
    ("GET", "/api/admin/live"): (Ask(200), *NOT_THE_OWNER),
    ("GET", "/api/admin/system"): (Ask(200), *NOT_THE_OWNER),
    ("GET", "/api/admin/audit"): (Ask(200), Ask(422, "/api/admin/audit?before=x"), *NOT_THE_OWNER),
    ("PUT", "/api/admin/users/{username}/suspended"): (
        Ask(204, "/api/admin/users/carl/suspended", {"suspended": True}),
        Ask(403, "/api/admin/users/carl/suspended", {"suspended": True}, by="carl"),
        Ask(204, "/api/admin/users/carl/suspended", {"suspended": False}),
        Ask(422, "/api/admin/users/alice/suspended", {"suspended": True}),
        Ask(422, "/api/admin/users/carl/suspended", {"suspended": 1}),
        Ask(404, "/api/admin/users/nobody/suspended", {"suspended": True}),
        *NOT_THE_OWNER,
    ),
    ("GET", "/api/me"): (Ask(200), NOBODY, Ask(401, headers={"Authorization": "Bearer wrong"})),
    ("GET", "/api/me/preferences"): (Ask(200), NOBODY),
    ("PUT", "/api/me/preferences"): (
        Ask(200, body={"theme": "dark"}, headers={"If-Match": "*"}),
        Ask(412, body={}, headers={"If-Match": '"stale"'}),
        Ask(428, body={}),
        Ask(422, body="[]", headers={"If-Match": "*"}),
        Ask(413, body='{"a": "' + "x" * 9000 + '"}', headers={"If-Match": "*"}),
        NOBODY,
    ),
    ("GET", "/api/me/sessions"): (Ask(200), Ask(200, "/api/me/sessions?limit=1&before=99"), Ask(422, "/api/me/sessions?limit=x"), NOBODY),
    ("DELETE", "/api/me/sessions/{id}"): (Ask(404, "/api/me/sessions/999"), NOBODY),
    ("POST", "/api/me/password"): (
        Ask(204, body={"old": PASSWORD, "new": "another horse", "revoke": True}, by="zoe"),
        Ask(401, body={"old": "wrong", "new": "another horse"}, by="zoe"),
        Ask(422, body={"old": "another horse", "new": "password"}, by="zoe"),
        Ask(422, body={"old": 1, "new": "", "revoke": 3}, by="zoe"),
        Ask(401, body={"old": PASSWORD, "new": "another horse"}, by="guest"),
    ),
    ("POST", "/api/tokens"): (
        Ask(201, body={"name": "obs", "scopes": ["listen", "publish"]}, makes="token"),
        Ask(422, body={"name": " ", "scopes": []}),
        Ask(401, body=BAD, by="guest"),
    ),
    ("GET", "/api/tokens"): (Ask(200), Ask(422, "/api/tokens?before=x"), NOBODY),
    ("DELETE", "/api/tokens/{id}"): (Ask(204, "/api/tokens/{token}"), Ask(404, "/api/tokens/999"), NOBODY),
    ("POST", "/api/invites"): (Ask(201, makes="invite"), Ask(201, body={"uses": 1, "expires_s": 60}), Ask(422, body={"uses": 0}), NOBODY),
    ("GET", "/api/invites"): (Ask(200), Ask(422, "/api/invites?limit=0"), NOBODY),
    ("GET", "/api/invite"): (
        Ask(200, headers={"Authorization": "Bearer {invite_code}"}, by="guest"),
        Ask(404, headers={"Authorization": "Bearer wrong"}, by="guest"),
    ),
    ("POST", "/api/invite"): (
        Ask(200, body={"invite": "{invite_code}"}, by="carl"),
        Ask(409, body={"invite": "{invite_code}"}, by="carl"),
        Ask(409, body={"invite": "{invite_code}"}),
        Ask(404, body={"invite": "wrong"}),
        Ask(422, body={}),
        Ask(401, body={"invite": "wrong"}, by="guest"),
    ),
    ("DELETE", "/api/invites/{id}"): (Ask(204, "/api/invites/{invite}"), Ask(404, "/api/invites/999"), NOBODY),
    ("POST", "/api/listen-links"): (Ask(201, makes="link"), Ask(201, body={"expires_s": 60}), Ask(422, body={"expires_s": -1}), NOBODY),
    ("GET", "/api/listen-links"): (Ask(200), Ask(422, "/api/listen-links?limit=x"), NOBODY),
    ("GET", "/api/listen-link"): (Ask(200, headers={"Authorization": "Bearer {link_secret}"}, by="guest"), NOBODY),
    ("DELETE", "/api/listen-links/{id}"): (Ask(204, "/api/listen-links/{link}"), Ask(404, "/api/listen-links/999"), NOBODY),
    # friends
    ("GET", "/api/search"): (Ask(200, "/api/search?q=o"), Ask(422, "/api/search?q=" + "x" * 101), NOBODY),
    ("GET", "/api/friends"): (
        Ask(200),
        Ask(304, headers={"If-None-Match": "*"}),
        Ask(200, "/api/friends?before=a&limit=1"),
        Ask(422, "/api/friends?limit=x"),
        NOBODY,
    ),
    ("POST", "/api/friend-request/send"): (
        Ask(201, body={"username": "alice"}, by="zoe", makes="asked"),
        Ask(409, body={"username": "alice"}, by="zoe"),
        Ask(201, body={"username": "bob"}, by="zoe", makes="asked_bob"),
        Ask(409, body={"username": "bob"}),
        Ask(422, body={"username": "alice"}),
        Ask(404, body={"username": "nobody"}),
        Ask(422, body=BAD),
        Ask(401, body=BAD, by="guest"),
    ),
    ("GET", "/api/friend-requests/pending"): (Ask(200), Ask(200, by="zoe"), Ask(422, "/api/friend-requests/pending?before=0"), NOBODY),
    ("POST", "/api/friend-request/{id}/respond"): (
        Ask(422, "/api/friend-request/{asked}/respond", {"action": "maybe"}),
        Ask(403, "/api/friend-request/{asked}/respond", {"action": "accept"}, by="bob"),
        Ask(200, "/api/friend-request/{asked}/respond", {"action": "reject"}),
        Ask(409, "/api/friend-request/{asked}/respond", {"action": "accept"}),
        Ask(404, "/api/friend-request/999/respond", {"action": "accept"}),
        Ask(401, "/api/friend-request/999/respond", {"action": "accept"}, by="guest"),
    ),
    ("DELETE", "/api/friend-request/{id}"): (
        Ask(409, "/api/friend-request/{asked}", by="zoe"),
        Ask(403, "/api/friend-request/{asked}"),
        Ask(404, "/api/friend-request/999"),
        Ask(204, "/api/friend-request/{asked_bob}", by="zoe"),
        NOBODY,
    ),
    ("PUT", "/api/blocks/{username}"): (
        Ask(204, "/api/blocks/zoe"),
        Ask(404, "/api/blocks/nobody"),
        Ask(422, "/api/blocks/alice"),
        NOBODY,
    ),
    ("GET", "/api/blocks"): (Ask(200), Ask(422, "/api/blocks?limit=x"), NOBODY),
    ("DELETE", "/api/blocks/{username}"): (Ask(204, "/api/blocks/zoe"), Ask(404, "/api/blocks/nobody"), NOBODY),
    ("DELETE", "/api/friends/{username}"): (Ask(404, "/api/friends/zoe"), Ask(404, "/api/friends/nobody"), NOBODY),
    # live; alice is, by her phone
    ("GET", "/api/statuses"): (
        Ask(200, "/api/statuses?users=alice,bob,zoe,nobody"),
        Ask(200),
        Ask(304, headers={"If-None-Match": "*"}),
        Ask(422, "/api/statuses?users=" + ",".join(map(str, range(101)))),
        NOBODY,
    ),
    ("POST", "/api/hear-yourself"): (Ask(201, by="bob"), NOBODY),
    ("GET", "/api/hear-yourself"): (Ask(200, by="bob"), NOBODY),
    ("GET", "/api/denoisers"): (Ask(200), NOBODY),
    ("GET", "/api/stream/status/{username}"): (
        Ask(200),
        Ask(200, "/api/stream/status/bob"),
        Ask(200, by="bob"),
        Ask(403, by="zoe"),
        Ask(404, "/api/stream/status/nobody"),
        NOBODY,
    ),
    ("POST", "/whep/{username}"): (
        Ask(201, offer="recvonly", by="bob", makes="whep"),
        Ask(404, "/whep/bob", offer="recvonly"),
        Ask(403, offer="recvonly", by="zoe"),
        Ask(404, "/whep/alice?hear_yourself=wrong", offer="recvonly", by="bob"),
        Ask(422, "/whep/alice?variant=loud", offer="recvonly", by="bob"),
        Ask(422, body="nonsense", headers=SDP, by="bob"),
        Ask(415, body="nonsense", by="bob"),
        NOBODY,
    ),
    ("PATCH", "/whep/{username}/{identity}"): (
        Ask(204, "{whep}", ENDED, headers=FRAGMENT, by="bob"),
        Ask(428, "{whep}", RESTARTED, headers=FRAGMENT, by="bob"),
        Ask(412, "{whep}", RESTARTED, headers=FRAGMENT | {"If-Match": '"stale"'}, by="bob"),
        Ask(200, "{whep}", RESTARTED, headers=FRAGMENT | {"If-Match": "*"}, by="bob"),
        Ask(415, "{whep}", ENDED, by="bob"),
        Ask(404, "/whep/alice/none", ENDED, headers=FRAGMENT, by="bob"),
    ),
    ("PUT", "/whep/{username}/{identity}/variant"): (
        Ask(204, "{whep}/variant", {"variant": "original"}, by="bob"),
        Ask(422, "{whep}/variant", {"variant": "loud"}, by="bob"),
        Ask(404, "/whep/alice/none/variant", {"variant": "auto"}, by="bob"),
    ),
    ("DELETE", "/whep/{username}/{identity}"): (Ask(200, "{whep}", by="bob"), Ask(404, "{whep}", by="bob"), NOBODY),
    ("POST", "/api/stream/mute"): (Ask(204, body={"muted": True}), Ask(422, body={}), Ask(409, body={"muted": True}, by="bob"), NOBODY),
    ("POST", "/api/stream/recording"): (
        Ask(200, body={"on": True}),
        Ask(200, body={"on": False}),
        Ask(422, body={"on": 1}),
        Ask(409, body={"on": False}, by="bob"),
        NOBODY,
    ),
    ("POST", "/api/stream/denoise"): (
        Ask(200, body={"enabled": False, "strength_db": 12.5}),
        Ask(200, body={"strength_db": None}),
        Ask(422, body={"denoiser": "magic"}),
        Ask(422, body={"enabled": 1, "strength_db": 101, "surplus": None}),
        Ask(409, body={}, by="bob"),
        NOBODY,
    ),
    ("POST", "/api/stream/park"): (Ask(204), NOBODY),
    ("POST", "/whip/{username}"): (
        Ask(201, "/whip/alice?title=Sunday&denoise=0&record=0", offer="sendonly", makes="whip"),
        Ask(406, body="v=0\r\n", headers=SDP),
        Ask(422, "/whip/alice?title=" + "x" * 201, offer="sendonly"),
        Ask(422, "/whip/alice?denoiser=magic", offer="sendonly"),
        Ask(403, "/whip/bob", offer="sendonly"),
        Ask(404, "/whip/alice?hear_yourself=wrong", offer="sendonly"),
        Ask(404, "/whip/nobody", offer="sendonly"),
        Ask(415),
        NOBODY,
    ),
    ("PATCH", "/whip/{username}/{identity}"): (
        Ask(204, "{whip}", ENDED, headers=FRAGMENT),
        Ask(200, "{whip}", RESTARTED, headers=FRAGMENT | {"If-Match": "*"}),
        Ask(404, "/whip/alice/none", ENDED, headers=FRAGMENT),
    ),
    ("DELETE", "/whip/{username}/{identity}"): (Ask(200, "{whip}"), Ask(404, "{whip}"), NOBODY),
    ("POST", "/api/stream/stop"): (Ask(200), Ask(409), NOBODY),
    **{("GET", path): (Ask(204),) for path in NEGOTIATED},
    **{("OPTIONS", path): (Ask(204),) for path in (*NEGOTIATED, "/whep/{username}/{identity}/variant")},
    # recordings
    ("GET", "/api/recordings"): (Ask(200), Ask(200, "/api/recordings?before=9&limit=1"), Ask(422, "/api/recordings?before=x"), NOBODY),
    ("GET", "/api/recordings/{username}"): (
        Ask(200, by="bob"),
        Ask(200, "/api/recordings/alice?before=2030-01-01T00:00:00Z", by="bob"),
        Ask(403, by="zoe"),
        Ask(404, "/api/recordings/nobody"),
        NOBODY,
    ),
    ("GET", "/api/recording/{id}/audio"): (
        *(Ask(200, f"/api/recording/{{recording}}/audio?format={form}", by="bob") for form in ("wav", "flac", "opus")),
        Ask(206, "/api/recording/{recording}/audio", headers={"Range": "bytes=0-99"}),
        Ask(416, "/api/recording/{recording}/audio", headers={"Range": "bytes=999999999-"}),
        Ask(422, "/api/recording/{recording}/audio?variant=loud&format=mp3"),
        Ask(403, "/api/recording/{recording}/audio", by="zoe"),
        Ask(404, "/api/recording/999/audio"),
        Ask(404, "/api/recording/{going_on}/audio"),
        NOBODY,
    ),
    ("GET", "/api/recording/{id}/peaks"): (
        Ask(200, "/api/recording/{recording}/peaks?points=10"),
        Ask(409, "/api/recording/{going_on}/peaks"),
        Ask(404, "/api/recording/{going_on}/peaks?variant=denoised"),
        Ask(422, "/api/recording/{recording}/peaks?points=0"),
        NOBODY,
    ),
    ("PATCH", "/api/recording/{id}"): (
        Ask(200, "/api/recording/{recording}", RENAMED),
        Ask(422, "/api/recording/{recording}", {"title": "\n"}),
        Ask(403, "/api/recording/{recording}", RENAMED, by="bob"),
        Ask(404, "/api/recording/999", RENAMED),
        NOBODY,
    ),
    ("DELETE", "/api/recording/{id}"): (
        Ask(204, "/api/recording/{recording}"),
        Ask(404, "/api/recording/{recording}"),
        Ask(409, "/api/recording/{going_on}"),
        Ask(403, "/api/recording/{going_on}", by="bob"),
        NOBODY,
    ),
    ("GET", "/api/trash"): (Ask(200), Ask(422, "/api/trash?before=x"), NOBODY),
    ("POST", "/api/recording/{id}/restore"): (
        Ask(204, "/api/recording/{recording}/restore"),
        Ask(409, "/api/recording/{recording}/restore"),
        Ask(404, "/api/recording/999/restore"),
        NOBODY,
    ),
    ("GET", "/api/storage"): (Ask(200), NOBODY),
    # sockets and companion devices
    ("GET", "/ws/presence"): (Ask(101), Ask(403, headers={"Origin": "https://elsewhere.example", "Upgrade": "websocket"}), Ask(426)),
    ("GET", "/ws/stream/{username}"): (Ask(101), Ask(426)),
    ("POST", "/api/companions"): (Ask(201, body={"kind": "remote"}, makes="companion"), Ask(422, body={"kind": "other"}), NOBODY),
    ("GET", "/api/companions/{id}/qr.svg"): (
        Ask(200, "/api/companions/{companion}/qr.svg"),
        Ask(403, "/api/companions/{companion}/qr.svg", by="bob"),
        Ask(404),
        NOBODY,
    ),
    ("POST", "/api/companions/{id}/join"): (
        Ask(200, "/api/companions/{companion}/join", {"code": "{companion_code}"}, by="guest"),
        Ask(403, "/api/companions/{companion}/join", CODE, by="guest"),
        Ask(422, "/api/companions/{companion}/join", BAD, by="guest"),
        Ask(404, body=CODE),
    ),
    ("GET", "/ws/session/{id}"): (Ask(101, "/ws/session/{companion}"), Ask(426, "/ws/session/{companion}")),
    ("DELETE", "/api/companions/{id}"): (
        Ask(403, "/api/companions/{companion}", by="bob"),
        Ask(204, "/api/companions/{companion}"),
        Ask(404, "/api/companions/{companion}"),
        NOBODY,
    ),
    # operations and pages
    ("GET", "/healthz"): (Ask(200),),
    ("GET", "/readyz"): (Ask(200),),
    ("GET", "/metrics"): (Ask(200), Ask(401, headers={"X-Forwarded-For": "192.0.2.1"}), Ask(401, headers={"Authorization": "Bearer x"})),
    ("GET", "/api/self-test"): (Ask(200), NOBODY),
    ("POST", "/api/self-test"): (Ask(200, offer="recvonly"), Ask(422, "/api/self-test?over=air"), Ask(415), NOBODY),
    ("GET", "/api/openapi.json"): (Ask(200, by="guest"),),
    ("GET", "/api"): (Ask(200, by="guest"), Ask(200, "/api?q=login", by="guest"), Ask(422, f"/api?q={'x' * 101}", by="guest")),
    ("GET", "/api/asyncapi.json"): (Ask(200, by="guest"),),
    **{("GET", path): (Ask(200, by="guest"),) for path in PAGES},
    ("GET", BUNDLED): (*(Ask(200, url, by="guest") for url in BUNDLE), Ask(404, "/dist/page.0123456789abcdef.js", by="guest")),
    ("GET", ASSET): (Ask(200, "/favicon.svg", by="guest"), Ask(404, "/none.svg", by="guest")),
    ("GET", "/admin"): (Ask(200), Ask(404, by="bob"), Ask(404, by="guest")),
    # what ends the asking
    ("GET", "/api/admin/invites"): (Ask(200), Ask(422, "/api/admin/invites?limit=0"), *NOT_THE_OWNER),
    ("POST", "/api/admin/users/{username}/logout"): (
        Ask(204, "/api/admin/users/carl/logout"),
        Ask(404, "/api/admin/users/nobody/logout"),
        *NOT_THE_OWNER,
    ),
    ("DELETE", "/api/admin/users/{username}"): (
        Ask(204, "/api/admin/users/carl"),
        Ask(404, "/api/admin/users/carl"),
        Ask(422, "/api/admin/users/alice"),
        *NOT_THE_OWNER,
    ),
    ("POST", "/api/logout"): (Ask(204, by="zoe"), NOBODY),
    ("POST", "/api/admin/owner"): (
        Ask(404, body={"username": "nobody"}),
        Ask(422, body={"username": "alice"}),
        Ask(422, body=BAD),
        Ask(401, body=BAD, by="guest"),
        Ask(403, body=BAD, by="bob"),
        Ask(204, body={"username": "bob"}),
    ),
    ("DELETE", "/api/me"): (
        Ask(409, body={"password": PASSWORD}, by="bob"),
        Ask(401, body={"password": "wrong"}),
        Ask(422, body=BAD),
        Ask(204, body={"password": PASSWORD}),
        NOBODY,
    ),
}
