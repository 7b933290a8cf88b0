"""Which node a client's request is for, and the middleware that passes it on there. What this node has, or nobody, its own handlers answer.

The rules check who asks, as the handlers do: the other node relies on it. They do so when the body is there, which may take its time.
"""

import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial

from aiohttp import web
from aiohttp.typedefs import Handler

from db import recordings
from db.tables import User
from sfu.errors import NotLive
from web.auth.identity import current_user, hearing
from web.errors import NodeAway
from web.http.openapi import plain
from web.http.relayed import RELAYED
from web.http.responses import id_of, nothing
from web.keys import DB, NODE, SWITCHBOARD
from web.nodes.directory import DIRECTORY
from web.nodes.peers import READ_S
from web.nodes.placement import Placements, home_of
from web.recordings.recording_files import RECORDING_FILES
from web.recordings.recordings import allowed
from web.signalling.proxying import Errand, heard_by, passed_on, relayed_by, whole
from web.signalling.takeover import take_over

PLACEMENTS = web.AppKey("PLACEMENTS", Placements)
Rule = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]

TRIES = 3  # nodes that are asked to take a broadcast; with one second each a page waits no longer
CHANGE_S = 2.0  # until the answer to a change of what goes on
END_S = 10.0  # until the answer to Stop: a recording is closed first
RETRY_S = 1.0  # after which a listener shall ask again for a broadcast whose node does not answer


@web.middleware
async def pass_on(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let another node answer what is another node's. A request that a node has passed on goes no further."""
    resource = request.match_info.route.resource
    rule = None if resource is None else RULES.get((request.method, plain(resource.canonical).rstrip("/")))
    if rule is _publish and RELAYED in request:
        return await _publish_here(request, handler, await current_user(request, scope="publish"))
    return await (handler(request) if rule is None or RELAYED in request else rule(request, handler))


def node_with(app: web.Application, username: str) -> str | None:
    """The other node that has the user's broadcast, as it is cached here; None: this one has it, or none that is there."""
    air = None if app[SWITCHBOARD].holds(username) else app[DIRECTORY].air(username)
    return None if air is None or air.node == app[NODE] or not app[DIRECTORY].is_there(air.node) else air.node


async def found(app: web.Application, username: str) -> str | None:
    """As `node_with`; where nothing is cached Redis is asked."""
    if app[SWITCHBOARD].holds(username):
        return None
    if app[DIRECTORY].air(username) is None:
        await app[DIRECTORY].look_up(username)
    return node_with(app, username)


async def _publish(request: web.Request, handler: Handler) -> web.StreamResponse:
    """To the node that has this user's broadcast, else to the least loaded. One that leaves, or does not answer in time, loses it."""
    if _is_here(request) and not request.app[SWITCHBOARD].moves.leaving:
        return await handler(request)
    await whole(request)
    user = await current_user(request, scope="publish")
    if user.username.lower() != request.match_info["username"].lower():
        return await handler(request)  # which refuses it
    silent: set[str] = set()
    for _ in range(TRIES):
        node = _ticket(request) or await _place_of(request.app, user.username, silent)
        if node in silent:
            node = None
        if node is None or node == request.app[NODE]:
            break
        try:
            return await passed_on(request, Errand(node, relayed_by(request, user, "publish")))
        except NodeAway:
            silent.add(node)
    return await _publish_here(request, handler, user)


async def _publish_here(request: web.Request, handler: Handler, user: User) -> web.StreamResponse:
    """This node answers; with the broadcast of a node that does not, if there is one."""
    if not request.query.get("hear_yourself"):
        await take_over(request.app, user)
    return await handler(request)


async def _place_of(app: web.Application, username: str, silent: Collection[str]) -> str | None:
    """The node for this user's offer: that with the broadcast, unless it leaves or is silent and another one takes it. None: this one."""
    node = await found(app, username) or (app[NODE] if app[SWITCHBOARD].holds(username) else None)
    if node is None or node in silent or app[DIRECTORY].nodes()[node].state == "draining":
        return _placed(app, silent) or node
    return node


def _placed(app: web.Application, silent: Collection[str]) -> str | None:
    node = app[PLACEMENTS].choose(app[DIRECTORY].nodes(), app[DIRECTORY].own, silent, time.monotonic())
    if node is not None:
        app[PLACEMENTS].note(node, time.monotonic())
    return node


async def _subscribe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """To the node that has the broadcast."""
    if _is_here(request):
        return await handler(request)
    await whole(request)
    heard = await hearing(request)
    node = _ticket(request) or await found(request.app, heard.broadcaster.username)
    if node is None or node == request.app[NODE]:
        return await handler(request)
    try:
        return await passed_on(request, Errand(node, heard_by(request, heard)))
    except NodeAway:
        raise NotLive(f"{heard.broadcaster.username} cannot be heard at this moment", retry_after_s=RETRY_S) from None


async def _of_broadcaster(request: web.Request, handler: Handler, within_s: float = CHANGE_S) -> web.StreamResponse:
    """A session of WHIP: to the node in its Location."""
    node = _node_in_path(request)
    if node is None:
        return await handler(request)
    await whole(request)
    user = await current_user(request, scope="publish")
    if user.username.lower() != request.match_info["username"].lower():
        return await handler(request)
    return await passed_on(request, Errand(node, relayed_by(request, user, "publish"), within_s))


async def _of_listener(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A session of WHEP: to the node in its Location."""
    node = _node_in_path(request)
    if node is None:
        return await handler(request)
    await whole(request)
    return await passed_on(request, Errand(node, heard_by(request, await hearing(request)), CHANGE_S))


async def _command(request: web.Request, handler: Handler, scope: str | None = None, within_s: float = CHANGE_S) -> web.StreamResponse:
    """A command of the broadcaster's: to the node that has the own broadcast."""
    await whole(request)
    user = await current_user(request, scope=scope)
    node = await found(request.app, user.username)
    if node is None:
        return await handler(request)
    return await passed_on(request, Errand(node, relayed_by(request, user, scope or ""), within_s))


async def _park(request: web.Request, handler: Handler) -> web.StreamResponse:
    """As a command; nobody waits for the answer of a page's last request."""
    try:
        return await _command(request, handler)
    except NodeAway:
        return nothing()


async def _hear_yourself(request: web.Request, handler: Handler) -> web.StreamResponse:
    """To the node at which this user's private broadcasts are."""
    await whole(request)
    user = await current_user(request)
    directory = request.app[DIRECTORY]
    node = home_of(user.username, directory.nodes(), directory.own)
    if node == request.app[NODE]:
        return await handler(request)
    return await passed_on(request, Errand(node, relayed_by(request, user), CHANGE_S))


async def _recording(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A recording's files: to the node that has them; what is in S3 any node can read."""
    await whole(request)
    recording = await allowed(request)
    if recording.node in ("", request.app[NODE]) or await request.app[RECORDING_FILES].anybody_has(recording):
        return await handler(request)
    return await passed_on(request, Errand(recording.node, relayed_by(request, await current_user(request)), READ_S))


async def _delete_recording(request: web.Request, handler: Handler) -> web.StreamResponse:
    """To the node that has its files; where that is away this one notes that they are to go."""
    await whole(request)
    user = await current_user(request)
    node = (await request.app[DB].read(recordings.find, id_of(request))).node
    if node in ("", request.app[NODE]):
        return await handler(request)
    try:
        return await passed_on(request, Errand(node, relayed_by(request, user), END_S))
    except NodeAway:
        return await handler(request)


def _is_here(request: web.Request) -> bool:
    """Whether the broadcast in the path is this node's, as far as can be said without asking who asks: the handler checks that once."""
    return "hear_yourself" not in request.query and request.app[SWITCHBOARD].holds(request.match_info["username"])


def _ticket(request: web.Request) -> str | None:
    """The node at which a private broadcast is, by the ticket in the query; None where there is no ticket of another node."""
    node = request.query.get("hear_yourself", "").rpartition(".")[0]
    return node if request.app[DIRECTORY].is_there(node) else None


def _node_in_path(request: web.Request) -> str | None:
    """The other node in a Location, where it is there; ids have no dot."""
    node = request.match_info["identity"].rpartition(".")[0]
    return node if node != request.app[NODE] and request.app[DIRECTORY].is_there(node) else None


RULES: Mapping[tuple[str, str], Rule] = {
    ("POST", "/whip/{username}"): _publish,
    ("POST", "/whep/{username}"): _subscribe,
    ("PATCH", "/whip/{username}/{identity}"): _of_broadcaster,
    ("DELETE", "/whip/{username}/{identity}"): partial(_of_broadcaster, within_s=END_S),
    ("PATCH", "/whep/{username}/{identity}"): _of_listener,
    ("DELETE", "/whep/{username}/{identity}"): _of_listener,
    ("PUT", "/whep/{username}/{identity}/variant"): _of_listener,
    ("POST", "/api/stream/denoise"): _command,
    ("POST", "/api/stream/mute"): partial(_command, scope="publish"),
    ("POST", "/api/stream/recording"): partial(_command, within_s=END_S),
    ("POST", "/api/stream/stop"): partial(_command, within_s=END_S),
    ("POST", "/api/stream/park"): _park,
    ("POST", "/api/hear-yourself"): _hear_yourself,
    ("GET", "/api/hear-yourself"): _hear_yourself,
    ("GET", "/api/recording/{id}/audio"): _recording,
    ("HEAD", "/api/recording/{id}/audio"): _recording,
    ("GET", "/api/recording/{id}/peaks"): _recording,
    ("HEAD", "/api/recording/{id}/peaks"): _recording,
    ("PATCH", "/api/recording/{id}"): partial(_command, within_s=END_S),
    ("DELETE", "/api/recording/{id}"): _delete_recording,
}
