"""What only other nodes ask, below `/node/`: the handshake, a broadcast's socket, statuses, marks, files of recordings' parts.
`web.nodes.gate` has let them in.
"""

from typing import Annotated, Literal

from aiohttp import web
from msgspec import Meta

from sfu.errors import NotSignedIn
from web.events.channel import Channel
from web.events.presence import PRESENCE
from web.events.stream_status import StreamStatus
from web.http.json_body import body_as, query_as
from web.http.relayed import RELAYED
from web.http.responses import nothing, ok, shaped
from web.http.route import NUMBER
from web.http.shapes import Body
from web.keys import SWITCHBOARD
from web.live.broadcast_control import WatchedUsers
from web.live.companions import keep
from web.nodes import handshake
from web.nodes.gate import greet
from web.signalling.parts_elsewhere import PART, part_file
from web.signalling.stream_sockets import CUE, STATUSES, STREAM


class CueWish(Body, frozen=True, kw_only=True):
    """A mark that a companion device at another node has made."""

    at_s: Annotated[float, Meta(ge=0, le=1e9)]
    kind: Literal["chord", "practice"]
    text: Annotated[str, Meta(min_length=1, max_length=64)]


async def stream(request: web.Request) -> web.StreamResponse:
    """The socket that another node shares among its watchers: as the broadcaster's own, whether the broadcast is live or not."""
    username, presence = request.match_info["username"], request.app[PRESENCE]
    with presence.registered(Channel(request, username)) as channel:
        channel.is_shared = True
        presence.join_stream(channel, username)
        async with channel:
            async for kind, _ in channel.messages():
                channel.unknown(kind)
    return channel.response


async def statuses(request: web.Request) -> web.Response:
    """The statuses of broadcasts here, with the listeners' names; names without a broadcast here are left out."""
    names = {name for name in query_as(request, WatchedUsers).users.split(",") if name}
    switchboard = request.app[SWITCHBOARD]
    return ok([shaped(StreamStatus, switchboard.status(name, names=True)) for name in sorted(names) if switchboard.holds(name)])


async def cue(request: web.Request) -> web.Response:
    """A mark in the broadcast of the user for whom the other node asks."""
    relayed, wish = request[RELAYED], await body_as(request, CueWish)
    if not relayed.username:
        raise NotSignedIn
    await keep(request.app, relayed.username, wish.at_s, wish.kind, wish.text)
    return nothing()


def add_routes(app: web.Application) -> None:
    """Add what only nodes may ask."""
    app.router.add_get(handshake.PATH, greet)
    app.router.add_get(f"{STREAM}{{username}}", stream)
    app.router.add_get(STATUSES, statuses)
    app.router.add_post(CUE, cue)
    app.router.add_get(f"{PART}{NUMBER}/{{name}}", part_file)
