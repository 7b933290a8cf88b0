"""Finding people, asking for friendship, ending it."""

from aiohttp import web

from db import friendships, search, users
from db.caps import FRIENDS
from db.tables import FriendRequest, User
from sfu.errors import BadRequest, NoSuchUser, NotFound, Refused
from web.auth.downloads import DOWNLOADS
from web.auth.identity import current_user, user_named
from web.http.json_body import fields_of
from web.http.paging import limit_of, page_of
from web.http.responses import created, id_of, nothing, ok, stamp
from web.http.texts import is_storable
from web.keys import DB, PRESENCE, SWITCHBOARD


class Self(Refused):
    """That is you."""

    status, code = 422, "self"


async def find(request: web.Request) -> web.Response:
    """At most 20 people by a part of their name."""
    user = await current_user(request)
    text = request.query.get("q", "")
    if len(text) > 100 or not is_storable(text):
        raise BadRequest({"q": "must be a text of at most 100 characters"})
    found = await request.app[DB].read(search.search, user.id, text)
    return ok([{"username": username, "relation": relation} for username, relation in found])


async def listed(request: web.Request) -> web.Response:
    """One's friends by name, and who of them is live. `before`: the name of the last one that one has; the list goes on behind it."""
    user = await current_user(request)
    after, limit = request.query.get("before") or None, limit_of(request, FRIENDS, FRIENDS)
    if after is not None and not is_storable(after):
        raise BadRequest({"before": "must be a name"})
    friends = await request.app[DB].read(friendships.friends_of, user.id, after, limit)
    return ok([request.app[PRESENCE].friend(friend.username) for friend in friends])


async def unfriend(request: web.Request) -> web.Response:
    """End a friendship and what it allowed, at once."""
    user = await current_user(request)
    friend = await user_named(request)
    if not await request.app[DB].run(friendships.unfriend, user.id, friend.id):
        raise NotFound("You are not friends.")
    await end_friendship(request.app, user, friend)
    return nothing()


async def ask(request: web.Request) -> web.Response:
    """Ask for friendship; where the other had asked, that settles it."""
    user = await current_user(request)
    fields = await fields_of(request)
    named = fields.text("username", 1, 200)
    fields.check()
    user = await current_user(request)  # again: the body may have taken its time, and the login have ended
    other = await request.app[DB].read(users.find, named)
    if other is None:
        raise NoSuchUser
    if other.id == user.id:
        raise Self
    asked = await request.app[DB].run(friendships.ask, user.id, other.id)
    if asked.status == "accepted":
        request.app[PRESENCE].befriended(user.username, other.username)
    elif asked.heard:
        request.app[PRESENCE].asked(other.username, asked.id, user.username)
    return created({"id": asked.id, "status": asked.status})


async def respond(request: web.Request) -> web.Response:
    """Accept or reject what one was asked."""
    user = await current_user(request)
    fields = await fields_of(request)
    action = fields.choice("action", ("accept", "reject"))
    fields.check()
    user = await current_user(request)  # again: the body may have taken its time, and the login have ended
    answered = await request.app[DB].run(friendships.answer, id_of(request), user.id, action == "accept")
    if answered.status == "accepted":
        request.app[PRESENCE].befriended(user.username, answered.asker.username)
    return ok({"id": answered.id, "status": answered.status})


async def pending(request: web.Request) -> web.Response:
    """The requests that wait for an answer."""
    user = await current_user(request)
    waiting = await request.app[DB].read(friendships.pending, user.id, *page_of(request))
    return ok(
        {
            "incoming": [_row(request_, request_.asker.username) for request_ in waiting.incoming],
            "outgoing": [_row(request_, request_.asked.username) for request_ in waiting.outgoing],
        }
    )


async def block(request: web.Request) -> web.Response:
    """Hear nothing more of somebody; ends friendship and listening."""
    user = await current_user(request)
    other = await user_named(request)
    if other.id == user.id:
        raise Self
    if await request.app[DB].run(friendships.block, user.id, other.id):
        await end_friendship(request.app, user, other)
    return nothing()


async def unblock(request: web.Request) -> web.Response:
    """End a block."""
    user = await current_user(request)
    other = await user_named(request)
    await request.app[DB].run(friendships.unblock, user.id, other.id)
    return nothing()


async def end_friendship(app: web.Application, one: User, other: User) -> None:
    """Both ways: sockets, downloads and sound end now."""
    app[PRESENCE].unfriended(one.username, other.username)
    app[DOWNLOADS].unfriended(one.id, other.id)
    await app[SWITCHBOARD].drop_listener(one.username, other.username)
    await app[SWITCHBOARD].drop_listener(other.username, one.username)


def _row(request: FriendRequest, username: str) -> dict[str, object]:
    return {"id": request.id, "username": username, "created_at": stamp(request.created_at)}
