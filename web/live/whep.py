"""WHEP (draft-ietf-wish-whep): a listener's offer in, an answer out; and the listener's own variant."""

from typing import Literal

from aiohttp import web

from db.tables import now
from sfu.broadcast.services import SubscribeOptions
from web.auth.identity import hearing
from web.http.json_body import body_as, query_as
from web.http.responses import nothing
from web.http.shapes import Body, Query
from web.live import negotiation
from web.live.hear_yourself import Ticket, switchboard_for
from web.live.whip import owner

Variant = Literal["auto", "denoised", "original"]


class WhepQuery(Query, frozen=True, kw_only=True):
    """What to hear; it can be changed later. auto: denoised while there is a denoiser at work."""

    variant: Variant = "auto"
    hear_yourself: Ticket = ""


class VariantWish(Body, frozen=True, kw_only=True):
    """What to hear from now on."""

    variant: Variant


async def subscribe(request: web.Request) -> web.Response:
    """Listen: an SDP offer that receives audio."""
    allowed, query = await hearing(request), query_as(request, WhepQuery)
    switchboard = switchboard_for(request, allowed.broadcaster.username, allowed.listener, query.hear_yourself)
    used = await negotiation.used_by(request)
    with switchboard.answering(allowed.grant) as grant:
        offer = await negotiation.offer_of(request)
        broadcaster, name, until, _ = await hearing(request)  # again: the body may have taken its time, and the friendship have ended
        switchboard_for(request, broadcaster.username, name, query.hear_yourself)
        lasts_s = None if until is None else (until - now()).total_seconds()
        options = SubscribeOptions(query.variant, name, lasts_s)
        peer = await switchboard.subscribe(broadcaster.username, owner(name), offer, options, used, grant)
    return negotiation.created(request, peer)


async def patch(request: web.Request) -> web.Response:
    """Trickle ICE, or restart it."""
    return await negotiation.patch(request, await _owner(request), "subscribe")


async def delete(request: web.Request) -> web.Response:
    """Stop listening."""
    return await negotiation.delete(request, await _owner(request), "subscribe")


async def choose(request: web.Request) -> web.Response:
    """Hear another variant, without a new negotiation."""
    maker, body = await _owner(request), await body_as(request, VariantWish)
    negotiation.media_session_of(request, maker, "subscribe").choose(body.variant)
    return nothing()


async def _owner(request: web.Request) -> str:
    return owner((await hearing(request)).listener)
