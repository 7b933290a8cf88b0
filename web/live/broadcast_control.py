"""A broadcaster's commands to the own broadcast, and what is told of one."""

from aiohttp import web

from web.auth.identity import current_user, friend_named
from web.http.json_body import fields_of
from web.keys import DENOISERS, SWITCHBOARD


async def denoise(request: web.Request) -> web.Response:
    user = await current_user(request)
    switchboard, fields = request.app[SWITCHBOARD], await fields_of(request)
    enabled, denoiser = fields.optional_truth("enabled"), fields.optional_text("denoiser", 0, 200)
    limited, strength_db = fields.has("strength_db"), fields.optional_number("strength_db", 0, 100)  # null: no limit
    fields.check()
    broadcast = switchboard.own(user.username)
    broadcast.switch(enabled, denoiser)
    if limited:
        broadcast.strengthen(strength_db)
    return web.json_response(switchboard.status(user.username, names=True))


async def mute(request: web.Request) -> web.Response:
    """Enforced here, whatever client sends: only this lifts it, no takeover and no restart."""
    user = await current_user(request, scope="publish")
    fields = await fields_of(request)
    muted = fields.truth("muted")
    fields.check()
    broadcast = request.app[SWITCHBOARD].own(user.username)
    broadcast.mute(muted)
    await broadcast.snapshots.written()  # then a kill makes no microphone hot; a database that is away is not waited for long
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
