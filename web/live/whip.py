"""WHIP (RFC 9725): a broadcaster's offer in, an answer out."""

from typing import Annotated

from aiohttp import web
from msgspec import Meta

from sfu.broadcast.services import PublishOptions
from sfu.errors import NotAllowed
from web.auth.identity import current_user, grant_of, user_named
from web.http.json_body import query_as
from web.http.shapes import Invalid, Query
from web.http.texts import NO_PLAIN_TEXT, is_showable
from web.keys import SWITCHBOARD
from web.live import negotiation

LONGEST_TITLE = 200


def _title(value: str, _: Meta) -> str:
    """Without the spaces around it; it may be empty. Raises Invalid."""
    title = value.strip()
    if len(title) > LONGEST_TITLE:
        raise Invalid(f"must have at most {LONGEST_TITLE} characters")
    if not is_showable(title):
        raise Invalid(NO_PLAIN_TEXT)
    return title


class WhipQuery(Query, frozen=True, kw_only=True):
    """denoise null: as the user had it before. denoiser null: the server's default."""

    denoise: bool | None = None
    denoiser: str | None = None
    title: Annotated[str, Meta(max_length=LONGEST_TITLE, extra={"read": _title})] = ""
    record: bool = True

    @property
    def options(self) -> PublishOptions:
        """As the switchboard takes them."""
        return PublishOptions(denoise=self.denoise, denoiser=self.denoiser, title=self.title, record=self.record)


async def publish(request: web.Request) -> web.Response:
    """Broadcast: an SDP offer that sends Opus audio."""
    await _own_name(request)
    wish, used = query_as(request, WhipQuery).options, await negotiation.used_by(request)
    with request.app[SWITCHBOARD].answering(grant_of(request)) as grant:
        offer = await negotiation.offer_of(request)
        username = await _own_name(request)  # again: the body may have taken its time, and the login have ended
        peer = await request.app[SWITCHBOARD].publish(username, owner(username), offer, wish, used, grant)
    return negotiation.created(request, peer)


async def patch(request: web.Request) -> web.Response:
    """Trickle ICE, or restart it."""
    return await negotiation.patch(request, owner(await _own_name(request)), "publish")


async def delete(request: web.Request) -> web.Response:
    """Stop the broadcast."""
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
