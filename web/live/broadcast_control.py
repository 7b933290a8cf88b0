"""A broadcaster's commands to the own broadcast, and what is told of one."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from db import friendships
from web.auth.identity import current_user, hearing
from web.denoisers.catalogue import DENOISERS
from web.errors import BadRequest
from web.events.elsewhere import Status, shown_to
from web.events.presence import PRESENCE
from web.events.stream_status import PASSING, StreamStatus
from web.http.conditions import unless_known
from web.http.json_body import body_as, query_as
from web.http.responses import encoded_list, nothing, ok, shaped
from web.http.shapes import Answer, Body, Query
from web.keys import DB, SWITCHBOARD

MOST_WATCHED = 100  # broadcasts in one question
SETTLED_S = 2.0  # how long an answer waits for a recording to begin; later its status tells


class DenoiseWish(Body, frozen=True, kw_only=True):
    """What is to change; strength_db null: no limit."""

    enabled: bool | None = None
    denoiser: Annotated[str, Meta(max_length=200)] | None = None
    strength_db: Annotated[float, Meta(ge=0, le=100)] | UnsetType | None = UNSET


class MuteWish(Body, frozen=True, kw_only=True):
    """Whether the broadcaster is to be silent."""

    muted: bool


class RecordingWish(Body, frozen=True, kw_only=True):
    """Whether the broadcast is to be recorded from now on."""

    on: bool


class WatchedUsers(Query, frozen=True, kw_only=True):
    """users: names, separated by commas."""

    users: Annotated[str, Meta(max_length=MOST_WATCHED * 33)] = ""


class Stopped(Answer, frozen=True, kw_only=True):
    """The recording's id, or null where nothing was recorded."""

    recording: int | None


async def denoise(request: web.Request) -> web.Response:
    """Switch the denoiser on or off, choose another one, or limit its strength."""
    user = await current_user(request)
    switchboard, body = request.app[SWITCHBOARD], await body_as(request, DenoiseWish)
    broadcast = switchboard.own(user.username)
    broadcast.controls.switch(body.enabled, body.denoiser)
    if body.strength_db is not UNSET:
        broadcast.controls.strengthen(body.strength_db)
    return ok(shaped(StreamStatus, switchboard.status(user.username, names=True)))


async def mute(request: web.Request) -> web.Response:
    """Mute or unmute the broadcast. The server enforces it: no takeover and no restart lifts it."""
    user = await current_user(request, scope="publish")
    body = await body_as(request, MuteWish)
    broadcast = request.app[SWITCHBOARD].own(user.username)
    broadcast.controls.mute(body.muted)
    await broadcast.snapshots.written()  # then a kill makes no microphone hot; a database that is away is not waited for long
    return nothing()


async def record(request: web.Request) -> web.Response:
    """Turn recording off, which ends the recording while the broadcast goes on, or on, which begins another one."""
    user = await current_user(request)
    switchboard, body = request.app[SWITCHBOARD], await body_as(request, RecordingWish)
    broadcast = switchboard.own(user.username)
    broadcast.controls.record(body.on)
    await broadcast.snapshots.written()
    await broadcast.recorded.settled(SETTLED_S)
    return ok(shaped(StreamStatus, switchboard.status(user.username, names=True)))


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
    """The state of a friend's broadcast, of the own one, or of the one that a listen link opens."""
    broadcaster, listener, *_ = await hearing(request)
    own = broadcaster.username == listener
    return ok(shaped(StreamStatus, (await states_of(request.app, {broadcaster.username: own}))[0]))


async def statuses(request: web.Request) -> web.Response:
    """The states of several broadcasts, by name: of friends, and the own one; other names are left out.

    The tag changes when something in a state does, but for `duration_s`, `latency_ms` and `loss`, which always change.
    """
    user = await current_user(request)
    names = {name for name in query_as(request, WatchedUsers).users.split(",") if name}
    if len(names) > MOST_WATCHED:
        raise BadRequest({"users": f"must be at most {MOST_WATCHED} names"})
    found = await request.app[DB].read(friendships.among, user.id, names)
    states = await states_of(request.app, {each.username: each.id == user.id for each in found})
    lasting = [{name: value for name, value in state.items() if name not in PASSING} for state in states]
    return unless_known(request, encoded_list(shaped(StreamStatus, state) for state in states), msgspec.json.encode(lasting))


async def states_of(app: web.Application, wanted: Mapping[str, bool]) -> list[Status]:
    """The statuses of these users' broadcasts at whichever servers. wanted: with the listeners' names, or without."""
    others = await app[PRESENCE].elsewhere.statuses(wanted)
    here = app[SWITCHBOARD]
    return [shown_to(others[name], own=own) if name in others else here.status(name, names=own) for name, own in wanted.items()]


async def denoisers(request: web.Request) -> web.Response:
    """The denoisers of this server, and which of them can serve now."""
    await current_user(request)
    return ok(request.app[DENOISERS].listed())
