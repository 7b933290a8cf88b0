"""WHIP (RFC 9725): a broadcaster's offer in, an answer out."""

from aiohttp import web

from sfu.broadcast.services import PublishOptions
from sfu.errors import BadRequest, NotAllowed
from web.auth.identity import current_user, grant_of, user_named
from web.http.texts import NO_PLAIN_TEXT, is_showable
from web.keys import SWITCHBOARD
from web.live import negotiation

TITLE = 200  # characters, at most
TRUTH = {"1": True, "true": True, "0": False, "false": False}


async def publish(request: web.Request) -> web.Response:
    await _own_name(request)
    wish, used = wish_of(request), await negotiation.used_by(request)
    with request.app[SWITCHBOARD].answering(grant_of(request)) as grant:
        offer = await negotiation.offer_of(request)
        username = await _own_name(request)  # again: the body may have taken its time, and the login have ended
        peer = await request.app[SWITCHBOARD].publish(username, owner(username), offer, wish, used, grant)
    return negotiation.created(request, peer)


async def patch(request: web.Request) -> web.Response:
    return await negotiation.patch(request, owner(await _own_name(request)), "publish")


async def delete(request: web.Request) -> web.Response:
    return await negotiation.delete(request, owner(await _own_name(request)), "publish")


def owner(username: str) -> str:
    """How the switchboard knows whose resource it is."""
    return f"user:{username}"


async def _own_name(request: web.Request) -> str:
    user = await current_user(request, scope="publish")
    if user.username.lower() != request.match_info["username"].lower():
        await user_named(request)
        raise NotAllowed("you can only broadcast as yourself")
    return user.username


def wish_of(request: web.Request) -> PublishOptions:
    """The query of a WHIP request. Raises BadRequest."""
    query, errors = request.query, {}
    for name in ("denoise", "record"):
        if query.get(name, "1").lower() not in TRUTH:
            errors[name] = "0 or 1"
    title = query.get("title", "").strip()
    if len(title) > TITLE:
        errors["title"] = f"at most {TITLE} characters"
    elif not is_showable(title):
        errors["title"] = NO_PLAIN_TEXT
    if errors:
        raise BadRequest(errors)
    return PublishOptions(
        denoise=TRUTH[query["denoise"].lower()] if "denoise" in query else None,
        denoiser=query.get("denoiser") or None,
        title=title,
        record=TRUTH[query.get("record", "1").lower()],
    )
