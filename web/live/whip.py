"""WHIP (RFC 9725): a broadcaster's offer in, an answer out."""

from typing import Annotated

from aiohttp import web
from msgspec import Meta

from sfu.broadcast.services import PublishOptions
from web.auth.identity import current_user, grant_of, user_named
from web.errors import NotAllowed
from web.http.json_body import query_as
from web.http.shapes import Query, shown
from web.live import negotiation
from web.live.hear_yourself import Ticket, switchboard_for

LONGEST_TITLE = 200


class WhipQuery(Query, frozen=True, kw_only=True):
    """denoise null: as the user had it before. denoiser null: the server's default."""

    denoise: bool | None = None
    denoiser: str | None = None
    title: Annotated[str, Meta(max_length=LONGEST_TITLE, extra={"read": shown})] = ""
    record: bool = True
    hear_yourself: Ticket = ""

    @property
    def options(self) -> PublishOptions:
        """As the switchboard takes them."""
        return PublishOptions(denoise=self.denoise, denoiser=self.denoiser, title=self.title, record=self.record)


async def publish(request: web.Request) -> web.Response:
    """Broadcast: an SDP offer that sends Opus audio."""
    username, query = await _own_name(request), query_as(request, WhipQuery)
    switchboard = switchboard_for(request, username, username, query.hear_yourself)
    used = await negotiation.used_by(request)
    with switchboard.answering(grant_of(request)) as grant:
        offer = await negotiation.offer_of(request)
        username = await _own_name(request)  # again: the body may have taken its time, and the login or the ticket have ended
        switchboard_for(request, username, username, query.hear_yourself)
        peer = await switchboard.publish(username, owner(username), offer, query.options, used, grant)
    return negotiation.created(request, peer)


async def patch(request: web.Request) -> web.Response:
    """Trickle ICE, or restart it."""
    return await negotiation.patch(request, owner(await _own_name(request)), "publish")


async def delete(request: web.Request) -> web.Response:
    """Stop the broadcast."""
    return await negotiation.delete(request, owner(await _own_name(request)), "publish")


def owner(username: str) -> str:
    """How the switchboard knows whose media session it is."""
    return f"user:{username}"


async def _own_name(request: web.Request) -> str:
    user = await current_user(request, scope="publish")
    name = str(user.username)
    if name.lower() != request.match_info["username"].lower():
        await user_named(request)
        raise NotAllowed("you can only broadcast as yourself")
    return name
