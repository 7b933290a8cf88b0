"""The WebSockets: who may, what is told on connecting, until it ends."""

from aiohttp import web

from db import friendships
from sfu.errors import NoSuchUser, NotFriends, NotSignedIn, Refused
from web.auth.identity import channel_of, current_user, friend_named
from web.events.channel import NO_SUCH_THING, NOT_ALLOWED, NOT_SIGNED_IN, Channel
from web.keys import DB, PRESENCE

CODES: dict[type[Refused], int] = {NotSignedIn: NOT_SIGNED_IN, NoSuchUser: NO_SUCH_THING, NotFriends: NOT_ALLOWED}


async def presence(request: web.Request) -> web.StreamResponse:
    """Who of one's friends is live, and what they ask."""
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
    """The state, loudness and marks of a friend's broadcast, or of one's own."""
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
    """These sockets only talk: whatever a client sends but a ping is unknown here."""
    async with channel:
        async for kind, _ in channel.messages():
            channel.unknown(kind)
