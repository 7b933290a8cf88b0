"""What WHIP and WHEP share: reading the offer, writing the answer, and PATCH and DELETE of the session.

Sources: RFC 9725 (WHIP), draft-ietf-wish-whep, RFC 8840 (trickle-ice-sdpfrag).
"""

from contextlib import suppress
from urllib.parse import urlsplit

from aiohttp import web

from db import ownership
from db.errors import Unavailable
from sfu.broadcast.media_session import MediaSession
from sfu.broadcast.switchboard import Switchboard
from sfu.errors import NotFound
from sfu.peer.peer import Peer
from sfu.wire.candidates import Used
from sfu.wire.sdp import Kind
from web.auth.identity import LOGIN
from web.errors import PreconditionRequired, WrongType
from web.http.addresses import is_loopback, parsed_address
from web.http.announced import ANNOUNCED
from web.http.conditions import if_match
from web.http.forwarded import is_marked
from web.http.origin import ADDRESSES, calls_loopback
from web.http.relayed import RELAYED
from web.http.route import Given
from web.http.sites import DEFAULT_PORTS, origin_of
from web.http.timeouts import body_of
from web.keys import CONFIG, DB, NODE, SWITCHBOARD
from web.live.hear_yourself import HEAR_YOURSELF
from web.live.turn import ice_server_links

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"

# What the table of routes says of these requests: answers, and problems of their own.
ANSWERED = (Given(201, None, (SDP,), ("Location", "ETag", "Link")),)
PATCHED = (Given(204), Given(200, None, (FRAGMENT,), ("ETag",)))
OFFER = "415 unsupported_media_type, 406 no_opus, 422 bad_sdp, 503 draining"
RESTART = "404 not_found, 415 unsupported_media_type, 422 bad_sdp, 412 precondition_failed, 428 precondition_required, 503 draining"


async def offer_of(request: web.Request) -> str:
    """The SDP offer in the body. Raises WrongType, ClientTooSlow; the app refuses what is over 64 KiB."""
    if request.content_type != SDP:
        raise WrongType(f"an offer is {SDP}")
    return (await body_of(request)).decode("utf-8", "replace")


async def used_by(request: web.Request) -> Used:
    """The addresses and the port that the client has used, so that the answer can offer them too. Call it after authentication.

    Anybody can write any Host header, so a name in it is resolved for the signed-in owner only; others get what is known already.
    """
    name, announced = host_name(request.host), request.app[ANNOUNCED]
    if literal := parsed_address(name):
        return Used(list(dict.fromkeys([str(literal), *_local_address(request)])), _port(request))
    login = request.get(LOGIN)
    if login is not None and not announced.of(name) and await _is_owner(request, login.user_id):
        await announced.learn(name)
    return Used([*announced.of(name), *_local_address(request)], _port(request))


async def _is_owner(request: web.Request, user_id: int) -> bool:
    """Whether this account owns the server, as far as the database can be asked."""
    try:
        return user_id == await request.app[DB].read(ownership.owner_id)
    except Unavailable:
        return False  # what is known already is offered


def _port(request: web.Request) -> int | None:
    """The port that the client has connected to; None where there is a proxy or another node between.

    A proxy on this machine can be recognised by this alone: the peer is on loopback, and the Host is no name of loopback.
    """
    addresses, remote = request.app[ADDRESSES], request.remote or ""
    if RELAYED in request:
        return None
    if is_marked(request.headers) or addresses.is_trusted(remote) or is_loopback(remote) != calls_loopback(request):
        return None
    try:
        site = urlsplit(origin_of(addresses.site(request)) or "")
        return site.port or DEFAULT_PORTS.get(site.scheme)
    except ValueError:  # not a port number
        return None


def host_name(host: str) -> str:
    """A Host header without its port: a name in lower case without the dot at its end, or an address without brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rsplit(":", 1)[0].lower().removesuffix(".")


def _local_address(request: web.Request) -> list[str]:
    """Our address of this connection; none where a proxy or a node has opened it, for then it says nothing about the client."""
    transport = request.transport
    if transport is None or RELAYED in request or is_marked(request.headers):
        return []
    name = transport.get_extra_info("sockname")
    local = parsed_address(str(name[0])) if isinstance(name, tuple) else None
    return [] if local is None or local.is_link_local else [str(local)]


def created(request: web.Request, peer: Peer) -> web.Response:
    """201 with Location, ETag and the answer. Of several servers the Location names this one: any of them takes what comes next."""
    identity = f"{request.app[NODE]}.{peer.id}" if NODE in request.app else peer.id
    headers = {"Location": f"{request.path.rstrip('/')}/{identity}", "ETag": f'"{peer.etag}"'}
    response = web.Response(status=201, text=peer.answer, content_type=SDP, headers=headers)
    for link in ice_server_links(request.app[CONFIG].rtc):
        response.headers.add("Link", link)
    return response


async def options(request: web.Request) -> web.Response:
    """What can be posted and patched. Some clients do not trickle without Accept-Post; Accept-Patch names the fragments."""
    return web.Response(status=204, headers={"Accept-Post": SDP, "Accept-Patch": FRAGMENT})


async def nothing(request: web.Request) -> web.Response:
    """GET of an endpoint or a session answers nothing."""
    return web.Response(status=204)


def media_session_of(request: web.Request, owner: str, kind: Kind) -> MediaSession:
    """The session that `owner` has made at this endpoint, so that a listen token cannot end a broadcast. Raises NotFound."""
    session = _switchboard_of(request, owner).media_session(_identity_of(request), owner)
    if session.peer.kind != kind or session.broadcast.username.lower() != request.match_info["username"].lower():
        raise NotFound("no such resource")
    return session


async def patch(request: web.Request, owner: str, kind: Kind) -> web.Response:
    """Trickle (204) or ICE restart (200 and a new ETag). The server is ICE-lite, so a trickled candidate changes nothing."""
    if request.content_type != FRAGMENT:
        raise WrongType(f"a fragment is {FRAGMENT}")
    fragment = (await body_of(request)).decode("utf-8", "replace")
    session, tags = media_session_of(request, owner, kind), if_match(request)
    if not session.is_restart(fragment):
        session.trickle(tags, fragment)
        return web.Response(status=204)
    if tags is None:
        raise PreconditionRequired("An ICE restart needs If-Match.")
    answer, fresh = session.restart(tags, fragment)
    return web.Response(text=answer, content_type=FRAGMENT, headers={"ETag": f'"{fresh}"'})


async def delete(request: web.Request, owner: str, kind: Kind) -> web.Response:
    """End the session; a broadcaster's DELETE stops the broadcast. 404 the second time."""
    identity = media_session_of(request, owner, kind).peer.id
    await _switchboard_of(request, owner).delete(identity, owner)
    return web.Response(status=200)


def _switchboard_of(request: web.Request, owner: str) -> Switchboard:
    """The one that has the session in the path: that of private broadcasts, or else the other one."""
    private = request.app[HEAR_YOURSELF].switchboard
    with suppress(NotFound):
        private.media_session(_identity_of(request), owner)
        return private
    return request.app[SWITCHBOARD]


def _identity_of(request: web.Request) -> str:
    """The id in the path. Raises NotFound where the path names another server: one that is not there any more."""
    node, _, identity = request.match_info["identity"].rpartition(".")  # ids have no dot
    if node and node != request.app.get(NODE):
        raise NotFound("no such resource")
    return identity
