"""The WebSockets for presence and for a stream: who may open one, and what it is told on connecting."""

import asyncio
from collections.abc import Container
from typing import Any

from aiohttp import web

from db import friendships, links
from db.tables import now
from sfu.errors import NotSignedIn, Refused
from web.auth.identity import channel_of, current_user, friend_named
from web.auth.lately import LATELY
from web.auth.secret import digest
from web.errors import BadRequest, NoSuchUser, NotFriends
from web.events.channel import NO_SUCH_THING, NOT_ALLOWED, NOT_SIGNED_IN, Channel
from web.events.presence import PRESENCE
from web.events.socket_messages import Hello
from web.http.fields import message_from
from web.http.origin import ADDRESSES
from web.http.shapes import LONGEST_S

HELLO_S = 5.0  # how long the bearer of a listen link may take to say so
CODES: dict[type[Refused], int] = {NotSignedIn: NOT_SIGNED_IN, NoSuchUser: NO_SUCH_THING, NotFriends: NOT_ALLOWED}


async def presence(request: web.Request) -> web.StreamResponse:
    """Which friends are live, and friend requests, as they change."""
    try:
        user = await current_user(request)
    except Refused as refused:
        return await Channel.refuse(request, CODES.get(type(refused), NOT_ALLOWED))
    with request.app[PRESENCE].registered(channel_of(request, user)) as channel:
        friends = await request.app[LATELY].read(friendships.friends_of, user.id)
        request.app[PRESENCE].friends.join(channel, [friend.username for friend in friends])
        await _listen(channel)
    return channel.response


async def stream(request: web.Request) -> web.StreamResponse:
    """Status, levels and cues of a friend's broadcast, of the own one, or by a listen link, whose bearer sends `hello` first."""
    try:
        user = await current_user(request)
    except NotSignedIn:
        return await _guest(request)
    except Refused as refused:
        return await Channel.refuse(request, CODES.get(type(refused), NOT_ALLOWED))
    with request.app[PRESENCE].registered(channel_of(request, user)) as channel:
        try:
            broadcaster = await friend_named(request, user)
        except NotFriends:
            await _greeted(request, channel, NOT_ALLOWED)
        except Refused as refused:
            channel.end(CODES.get(type(refused), NOT_ALLOWED))
            await _listen(channel)
        else:
            request.app[PRESENCE].join_stream(channel, broadcaster.username)
            await _listen(channel, {Hello.type})
    return channel.response


async def _guest(request: web.Request) -> web.StreamResponse:
    """Nobody is signed in: the socket of a listen link's bearer."""
    client = f"guest {request.app[ADDRESSES].client(request)}"
    with request.app[PRESENCE].registered(channel_of(request, None), client) as channel:
        await _greeted(request, channel, NOT_SIGNED_IN)
    return channel.response


async def _greeted(request: web.Request, channel: Channel, otherwise: int) -> None:
    """Hear the stream by the listen link that the first message brings; without it in time the socket is closed with `otherwise`."""
    loop = asyncio.get_running_loop()
    async with channel:
        end = loop.call_later(HELLO_S, channel.end, otherwise)
        try:
            async for kind, said in channel.messages():
                if channel.link_id is not None:
                    channel.unknown(kind)
                elif (lasts_s := await _heard_by_link(request, channel, kind, said)) is None:
                    channel.end(otherwise)
                else:
                    end.cancel()
                    end = loop.call_later(lasts_s, channel.end, NOT_ALLOWED)
        finally:
            end.cancel()


async def _heard_by_link(request: web.Request, channel: Channel, kind: str, said: dict[str, Any]) -> float | None:
    """Hear the stream in the path where the message is the `hello` of a link for it. For how many seconds; None where it is not."""
    if kind != Hello.type:
        return None
    try:
        hello = message_from(Hello, said)
    except BadRequest:
        return None
    link = await request.app[LATELY].read(links.find, digest(hello.token))
    if link is None or link.user.username.lower() != request.match_info["username"].lower():
        return None
    channel.link_id = link.id
    request.app[PRESENCE].join_stream(channel, link.user.username)
    return LONGEST_S if link.expires_at is None else (link.expires_at - now()).total_seconds()


async def _listen(channel: Channel, ignored: Container[str] = ()) -> None:
    """Read until the socket ends. Of a client these sockets take `ping` alone. ignored: types that change nothing here."""
    async with channel:
        async for kind, _ in channel.messages():
            if kind not in ignored:
                channel.unknown(kind)
