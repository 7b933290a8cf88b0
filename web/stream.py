"""A broadcaster's commands to the own broadcast, and what is told of one."""

from typing import Any

from aiohttp import web

from sfu.errors import BadRequest
from web.bodies import json_of
from web.keys import DENOISERS, SWITCHBOARD
from web.session import current_user, friend_named


async def denoise(request: web.Request) -> web.Response:
    user = await current_user(request)
    switchboard, change = request.app[SWITCHBOARD], _change(await json_of(request))
    broadcast = switchboard.own(user.username)
    broadcast.switch(change.get("enabled"), change.get("denoiser"))
    if "strength_db" in change:
        broadcast.strengthen(change["strength_db"])
    return web.json_response(switchboard.status(user.username, names=True))


async def mute(request: web.Request) -> web.Response:
    """Enforced here, whatever client sends: only this lifts it, no takeover and no restart."""
    user = await current_user(request, scope="publish")
    body = await json_of(request)
    errors = dict.fromkeys(body.keys() - {"muted"}, "is no field of this")
    if not isinstance(body.get("muted"), bool):
        errors["muted"] = "true or false"
    if errors:
        raise BadRequest(errors)
    broadcast = request.app[SWITCHBOARD].own(user.username)
    broadcast.mute(body["muted"])
    await broadcast.survival.written()  # a kill just after the answer does not make the microphone hot
    return web.Response(status=204)


async def stop(request: web.Request) -> web.Response:
    user = await current_user(request)
    return web.json_response({"recording": await request.app[SWITCHBOARD].stop(user.username)})


async def park(request: web.Request) -> web.Response:
    user = await current_user(request)
    request.app[SWITCHBOARD].park(user.username)
    return web.Response(status=204)


async def status(request: web.Request) -> web.Response:
    user = await current_user(request, scope="listen")
    broadcaster = await friend_named(request, user)
    own = broadcaster.username == user.username
    return web.json_response(request.app[SWITCHBOARD].status(broadcaster.username, names=own))


async def denoisers(request: web.Request) -> web.Response:
    await current_user(request)
    return web.json_response(request.app[DENOISERS].listed())


def _change(body: dict[str, Any]) -> dict[str, Any]:
    """The fields that are there, checked. strength_db: null is no limit. Raises BadRequest."""
    errors = {}
    enabled, strength, denoiser = body.get("enabled"), body.get("strength_db"), body.get("denoiser")
    if enabled is not None and not isinstance(enabled, bool):
        errors["enabled"] = "true or false"
    number = isinstance(strength, int | float) and not isinstance(strength, bool)
    if strength is not None and not (number and 0 <= strength <= 100):
        errors["strength_db"] = "0 to 100, or null for no limit"
    if denoiser is not None and not isinstance(denoiser, str):
        errors["denoiser"] = "a name"
    if errors:
        raise BadRequest(errors)
    return {name: body[name] for name in ("enabled", "strength_db", "denoiser") if name in body}
