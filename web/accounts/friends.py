"""Finding people, asking for friendship, ending it."""

from typing import Annotated, Literal

from aiohttp import web
from msgspec import Meta

from db import friendships, search, users
from db.caps import BLOCKS, FRIENDS
from db.tables import FriendRequest, User
from sfu.errors import NotFound
from sfu.rfc3339 import rfc3339
from web.auth.downloads import DOWNLOADS
from web.auth.identity import current_user, user_named
from web.auth.lately import LATELY
from web.auth.rate_limit import RATE_LIMIT
from web.errors import NoSuchUser, Oneself
from web.events.presence import PRESENCE
from web.http.conditions import unless_known
from web.http.json_body import body_as, query_as
from web.http.paging import ListPage
from web.http.responses import created, encoded_list, id_of, nothing, ok, shaped
from web.http.shapes import Answer, Body, Limit, Query, Timestamp
from web.keys import DB, SWITCHBOARD


class PartOfName(Query, frozen=True, kw_only=True):
    """q: a part of a name; without it nobody is found."""

    q: Annotated[str, Meta(max_length=100)] = ""


class FriendsPage(Query, frozen=True, kw_only=True):
    """before: the name of the last one that one has; the list goes on behind it."""

    before: str | None = None
    limit: Limit = FRIENDS


class FriendshipWish(Body, frozen=True, kw_only=True):
    """Whom to ask for friendship."""

    username: Annotated[str, Meta(min_length=1, max_length=200)]


class FriendshipReply(Body, frozen=True, kw_only=True):
    """What one says to a request."""

    action: Literal["accept", "reject"]


class Found(Answer, frozen=True, kw_only=True):
    """Somebody whom a search has found, and how one stands with them."""

    username: str
    relation: Literal["none", "outgoing", "incoming", "friend", "blocked", "self"]


class RequestState(Answer, frozen=True, kw_only=True):
    """A friend request after it was made or answered."""

    id: int
    status: Literal["pending", "accepted", "rejected"]


class RequestRow(Answer, frozen=True, kw_only=True):
    """A friend request that waits; username: of the other one."""

    id: int
    username: str
    created_at: Timestamp


class RequestsPending(Answer, frozen=True, kw_only=True):
    """The friend requests that wait, of others and of one's own."""

    incoming: list[RequestRow]
    outgoing: list[RequestRow]


async def find(request: web.Request) -> web.Response:
    """Find at most 20 users by a part of their name."""
    user = await current_user(request)
    found = await request.app[DB].read(search.search, user.id, query_as(request, PartOfName).q)
    return ok(shaped(Found, {"username": username, "relation": relation}) for username, relation in found)


async def listed(request: web.Request) -> web.Response:
    """One's friends by name, and who of them is live. `before`: the name of the last one that one has; the list goes on behind it.

    With an ETag, for clients that ask again and again.
    """
    user = await current_user(request)
    query = query_as(request, FriendsPage)
    friends = await request.app[LATELY].read(friendships.friends_of, user.id, query.before, min(query.limit, FRIENDS))
    rows = [request.app[PRESENCE].friends.row(friend.username) for friend in friends]
    return unless_known(request, encoded_list(rows))


async def unfriend(request: web.Request) -> web.Response:
    """End a friendship; what it allowed ends at once."""
    user = await current_user(request)
    friend = await user_named(request)
    if not await request.app[DB].run(friendships.unfriend, user.id, friend.id):
        raise NotFound("You are not friends.")
    await end_friendship(request.app, user, friend)
    return nothing()


async def ask(request: web.Request) -> web.Response:
    """Ask for friendship; where the other one has asked already, both are friends at once."""
    user = await current_user(request)
    body = await body_as(request, FriendshipWish)
    user = await current_user(request)  # again: the body may have taken its time, and the login have ended
    other = await request.app[DB].read(users.find, body.username)
    if other is None:
        raise NoSuchUser
    if other.id == user.id:
        raise Oneself
    await request.app[RATE_LIMIT].ask(user.username)
    asked = await request.app[DB].run(friendships.ask, user.id, other.id)
    if asked.status == "accepted":
        request.app[PRESENCE].friends.befriended(user.username, other.username)
    elif asked.heard:
        request.app[PRESENCE].friends.asked(other.username, asked.id, user.username)
    return created(shaped(RequestState, {"id": asked.id, "status": asked.status}))


async def respond(request: web.Request) -> web.Response:
    """Accept or reject a friend request."""
    user = await current_user(request)
    body = await body_as(request, FriendshipReply)
    user = await current_user(request)  # again: the body may have taken its time, and the login have ended
    answered = await request.app[DB].run(friendships.answer, id_of(request), user.id, body.action == "accept")
    if answered.status == "accepted":
        request.app[PRESENCE].friends.befriended(user.username, answered.asker.username)
    return ok(shaped(RequestState, {"id": answered.id, "status": answered.status}))


async def withdraw(request: web.Request) -> web.Response:
    """Take back one's own friend request."""
    user = await current_user(request)
    withdrawn = await request.app[DB].run(friendships.withdraw, id_of(request), user.id)
    if withdrawn.heard:
        request.app[PRESENCE].friends.withdrawn(withdrawn.asked.username, user.username)
    return nothing()


async def pending(request: web.Request) -> web.Response:
    """List the friend requests that wait for an answer."""
    user = await current_user(request)
    waiting = await request.app[DB].read(friendships.pending, user.id, *query_as(request, ListPage).part)
    incoming = [_row(request_, request_.asker.username) for request_ in waiting.incoming]
    return ok(RequestsPending(incoming=incoming, outgoing=[_row(request_, request_.asked.username) for request_ in waiting.outgoing]))


async def blocked(request: web.Request) -> web.Response:
    """The names of those whom one has blocked. `before`: the name of the last one that one has; the list goes on behind it."""
    user = await current_user(request)
    query = query_as(request, FriendsPage)
    found = await request.app[DB].read(friendships.blocked_by, user.id, query.before, min(query.limit, BLOCKS))
    return ok(each.username for each in found)


async def block(request: web.Request) -> web.Response:
    """Block a user: friendship and listening end, and their requests are no longer shown."""
    user = await current_user(request)
    other = await user_named(request)
    if other.id == user.id:
        raise Oneself
    if await request.app[DB].run(friendships.block, user.id, other.id):
        await end_friendship(request.app, user, other)
    return nothing()


async def unblock(request: web.Request) -> web.Response:
    """Unblock a user."""
    user = await current_user(request)
    other = await user_named(request)
    await request.app[DB].run(friendships.unblock, user.id, other.id)
    return nothing()


async def end_friendship(app: web.Application, one: User, other: User) -> None:
    """End sockets, downloads and listening between the two, both ways."""
    app[LATELY].forget({f"friends:{one.id}", f"friends:{other.id}"})
    app[PRESENCE].friends.unfriended(one.username, other.username)
    app[PRESENCE].rights_over()
    app[DOWNLOADS].unfriended(one.id, other.id)
    await app[SWITCHBOARD].drop_listener(one.username, other.username)
    await app[SWITCHBOARD].drop_listener(other.username, one.username)


def _row(request: FriendRequest, username: str) -> RequestRow:
    return RequestRow(id=request.id, username=username, created_at=rfc3339(request.created_at))
