"""WHEP (draft-ietf-wish-whep): a listener's offer in, an answer out; and the listener's own variant."""

from aiohttp import web

from sfu.errors import BadRequest
from sfu.switchboard import VARIANTS
from web import negotiation
from web.bodies import json_of
from web.keys import SWITCHBOARD
from web.listeners import Ear, listener_of, owner_of


async def subscribe(request: web.Request) -> web.Response:
    ear: Ear = await listener_of(request)
    variant, host = _variant(request.query.get("variant", "auto")), await negotiation.host_of(request)
    offer = await negotiation.offer_of(request)
    peer = await request.app[SWITCHBOARD].subscribe(ear.broadcaster, ear.owner, ear.name, offer, variant, host)
    return negotiation.created(request, peer)


async def patch(request: web.Request) -> web.Response:
    return await negotiation.patch(request, await owner_of(request))


async def delete(request: web.Request) -> web.Response:
    return await negotiation.delete(request, await owner_of(request))


async def choose(request: web.Request) -> web.Response:
    owner, body = await owner_of(request), await json_of(request)
    request.app[SWITCHBOARD].choose(request.match_info["identity"], owner, _variant(body.get("variant")))
    return web.Response(status=204)


def _variant(wanted: object) -> str:
    if wanted not in VARIANTS:
        raise BadRequest({"variant": f"one of {', '.join(VARIANTS)}"})
    return str(wanted)
