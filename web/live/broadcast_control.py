"""A broadcaster's commands to the own broadcast, and what is told of one."""

from typing import Annotated

from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from web.auth.identity import current_user, friend_named
from web.denoisers.catalogue import DENOISERS
from web.http.json_body import body_as
from web.http.responses import nothing, ok, shaped
from web.http.shapes import Answer, Body
from web.keys import SWITCHBOARD
from web.live.stream_status import StreamStatus


class DenoiseWish(Body, frozen=True, kw_only=True):
    """What is to change; strength_db null: no limit."""

    enabled: bool | None = None
    denoiser: Annotated[str, Meta(max_length=200)] | None = None
    strength_db: Annotated[float, Meta(ge=0, le=100)] | UnsetType | None = UNSET


class MuteWish(Body, frozen=True, kw_only=True):
    """Whether the broadcaster is to be silent."""

    muted: bool


class Stopped(Answer, frozen=True, kw_only=True):
    """The recording's id, or null where nothing was recorded."""

    recording: int | None


async def denoise(request: web.Request) -> web.Response:
    """Switch the denoiser on or off, choose another one, or limit its strength."""
    user = await current_user(request)
    switchboard, body = request.app[SWITCHBOARD], await body_as(request, DenoiseWish)
    broadcast = switchboard.own(user.username)
    broadcast.switch(body.enabled, body.denoiser)
    if body.strength_db is not UNSET:
        broadcast.strengthen(body.strength_db)
    return ok(shaped(StreamStatus, switchboard.status(user.username, names=True)))


async def mute(request: web.Request) -> web.Response:
    """Mute or unmute the broadcast. The server enforces it: no takeover and no restart lifts it."""
    user = await current_user(request, scope="publish")
    body = await body_as(request, MuteWish)
    broadcast = request.app[SWITCHBOARD].own(user.username)
    broadcast.mute(body.muted)
    await broadcast.snapshots.written()  # then a kill makes no microphone hot; a database that is away is not waited for long
    return nothing()


async def stop(request: web.Request) -> web.Response:
    """End the own broadcast. The body does not matter."""
    user = await current_user(request)
    return ok(Stopped(recording=await request.app[SWITCHBOARD].stop(user.username)))


async def park(request: web.Request) -> web.Response:
    """Start the grace time now: the page is being left."""
    user = await current_user(request)
    request.app[SWITCHBOARD].park(user.username)
    return nothing()


async def status(request: web.Request) -> web.Response:
    """The state of a friend's broadcast, or of the own one."""
    user = await current_user(request, scope="listen")
    broadcaster = await friend_named(request, user)
    own = broadcaster.username == user.username
    return ok(shaped(StreamStatus, request.app[SWITCHBOARD].status(broadcaster.username, names=own)))


async def denoisers(request: web.Request) -> web.Response:
    """The denoisers of this server, and which of them can serve now."""
    await current_user(request)
    return ok(request.app[DENOISERS].listed())
