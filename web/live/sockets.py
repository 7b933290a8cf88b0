"""The WebSockets for presence and for a stream: who may open one, and what it is told on connecting."""

from aiohttp import web

from db import friendships
from sfu.errors import NoSuchUser, NotFriends, NotSignedIn, Refused
from web.auth.identity import channel_of, current_user, friend_named
from web.events.channel import NO_SUCH_THING, NOT_ALLOWED, NOT_SIGNED_IN, Channel
from web.events.presence import PRESENCE
from web.keys import DB

CODES: dict[type[Refused], int] = {NotSignedIn: NOT_SIGNED_IN, NoSuchUser: NO_SUCH_THING, NotFriends: NOT_ALLOWED}


async def presence(request: web.Request) -> web.StreamResponse:
    """Which friends are live, and friend requests, as they change."""
    try:
        user = await current_user(request)
    except Refused as refused:
        return await Channel.refuse(request, CODES.get(type(refused), NOT_ALLOWED))
    with request.app[PRESENCE].kept(channel_of(request, user)) as channel:
        friends = await request.app[DB].read(friendships.friends_of, user.id)
        request.app[PRESENCE].join(channel, [friend.username for friend in friends])
        await _listen(channel)
    return channel.response


async def stream(request: web.Request) -> web.StreamResponse:
    """Status, levels and cues of a friend's broadcast, or of the own one."""
    try:
        user = await current_user(request)
    except Refused as refused:
        return await Channel.refuse(request, CODES.get(type(refused), NOT_ALLOWED))
    with request.app[PRESENCE].kept(channel_of(request, user)) as channel:
        try:
            broadcaster = await friend_named(request, user)
        except Refused as refused:
            channel.end(CODES.get(type(refused), NOT_ALLOWED))
        else:
            request.app[PRESENCE].hear(channel, broadcaster.username)
        await _listen(channel)
    return channel.response


async def _listen(channel: Channel) -> None:
    """Read until the socket ends. These sockets only send: every message of a client but `ping` is of an unknown type."""
    async with channel:
        async for kind, _ in channel.messages():
            channel.unknown(kind)
