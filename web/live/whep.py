"""WHEP (draft-ietf-wish-whep): a listener's offer in, an answer out; and the listener's own variant."""

from aiohttp import web

from db.tables import now
from sfu.broadcast.switchboard import VARIANTS
from sfu.errors import BadRequest
from web.auth.identity import hearing
from web.http.json_body import fields_of
from web.keys import SWITCHBOARD
from web.live import negotiation
from web.live.whip import owner


async def subscribe(request: web.Request) -> web.Response:
    switchboard, allowed = request.app[SWITCHBOARD], await hearing(request)
    variant, used = _variant(request.query.get("variant", "auto")), await negotiation.used_by(request)
    with switchboard.answering(allowed.grant) as grant:
        offer = await negotiation.offer_of(request)
        broadcaster, name, until, _ = await hearing(request)  # again: the body may have taken its time, and the friendship have ended
        lasts_s = None if until is None else (until - now()).total_seconds()
        peer = await switchboard.subscribe(broadcaster.username, owner(name), name, offer, variant, used, lasts_s, grant)
    return negotiation.created(request, peer)


async def patch(request: web.Request) -> web.Response:
    return await negotiation.patch(request, await _owner(request), "subscribe")


async def delete(request: web.Request) -> web.Response:
    return await negotiation.delete(request, await _owner(request), "subscribe")


async def choose(request: web.Request) -> web.Response:
    maker, fields = await _owner(request), await fields_of(request)
    variant = fields.choice("variant", VARIANTS)
    fields.check()
    negotiation.resource_of(request, maker, "subscribe").choose(variant)
    return web.Response(status=204)


async def _owner(request: web.Request) -> str:
    return owner((await hearing(request)).listener)


def _variant(wanted: str) -> str:
    if wanted not in VARIANTS:
        raise BadRequest({"variant": f"one of {', '.join(VARIANTS)}"})
    return wanted
