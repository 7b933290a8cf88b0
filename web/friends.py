"""Finding people, asking for friendship, ending it."""

from aiohttp import web

from db import friendships, search, users
from db.models import FriendRequest
from sfu.errors import BadRequest, NoSuchUser, NotFound, Refused
from web.answers import created, id_of, nothing, ok, stamp
from web.bodies import fields_of, is_storable
from web.keys import DB, PRESENCE, SWITCHBOARD
from web.session import current_user, user_named


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
    """One's friends, and who of them is live."""
    user = await current_user(request)
    friends = await request.app[DB].read(friendships.friends_of, user.id)
    return ok([request.app[PRESENCE].friend(friend.username) for friend in friends])


async def unfriend(request: web.Request) -> web.Response:
    """End a friendship and what it allowed, at once."""
    user = await current_user(request)
    friend = await user_named(request)
    if not await request.app[DB].run(friendships.unfriend, user.id, friend.id):
        raise NotFound("You are not friends.")
    await end_friendship(request.app, user.username, friend.username)
    return nothing()


async def ask(request: web.Request) -> web.Response:
    """Ask for friendship; where the other had asked, that settles it."""
    user = await current_user(request)
    fields = await fields_of(request)
    named = fields.text("username", 1, 200)
    fields.check()
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
    answered = await request.app[DB].run(friendships.answer, id_of(request), user.id, action == "accept")
    if answered.status == "accepted":
        request.app[PRESENCE].befriended(user.username, answered.asker.username)
    return ok({"id": answered.id, "status": answered.status})


async def pending(request: web.Request) -> web.Response:
    """The requests that wait for an answer."""
    user = await current_user(request)
    waiting = await request.app[DB].read(friendships.pending, user.id)
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
        await end_friendship(request.app, user.username, other.username)
    return nothing()


async def unblock(request: web.Request) -> web.Response:
    """End a block."""
    user = await current_user(request)
    other = await user_named(request)
    await request.app[DB].run(friendships.unblock, user.id, other.id)
    return nothing()


async def end_friendship(app: web.Application, one: str, other: str) -> None:
    """Both ways: sockets and sound end now."""
    app[PRESENCE].unfriended(one, other)
    await app[SWITCHBOARD].drop_listener(one, other)
    await app[SWITCHBOARD].drop_listener(other, one)


def _row(request: FriendRequest, username: str) -> dict[str, object]:
    return {"id": request.id, "username": username, "created_at": stamp(request.created_at)}
