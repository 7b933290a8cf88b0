"""Companion sessions: their HTTP handlers and their socket, with chords, practice marks and remote commands from another device."""

import asyncio
import io
from contextlib import suppress
from functools import partial
from typing import Annotated, Any, Literal

from aiohttp import web
from msgspec import Meta

from db.companions import LIFE
from db.errors import Missing
from db.tables import CompanionSession, User
from sfu.errors import NotLive, NotSignedIn, Refused
from sfu.rfc3339 import rfc3339
from web.auth.cookies import cookies_of, named_for
from web.auth.identity import channel_of, current_user, write_signed_in
from web.auth.rate_limit import RATE_LIMIT
from web.errors import BadRequest, NotAllowed, TooMany, WrongCode
from web.events.channel import NO_SUCH_THING, NOT_ALLOWED, NOT_SIGNED_IN, TOO_MANY, Channel
from web.events.presence import PRESENCE
from web.http.fields import message_from
from web.http.json_body import body_as, query_as
from web.http.origin import ADDRESSES
from web.http.responses import created, nothing, ok, shaped
from web.http.shapes import Answer, Body, ClientMessage, Query, Timestamp
from web.keys import SWITCHBOARD
from web.live.companion_messages import (
    FROM_DEVICES,
    ChordChange,
    ChordHeard,
    Kind,
    PracticeEnd,
    PracticeStart,
    PracticeUpdate,
    RemoteAction,
    RemoteCommand,
)
from web.live.companion_session import COMPANIONS, ConnectedCompanions, is_code
from web.recordings.archive import ARCHIVE

MUTING = {"mute": True, "unmute": False}
CODES: dict[type[Exception], int] = {NotSignedIn: NOT_SIGNED_IN, Missing: NO_SUCH_THING, TooMany: TOO_MANY}


class NewCompanionSession(Body, frozen=True, kw_only=True):
    """practice: chords and marks. remote: commands to the broadcaster's page."""

    kind: Kind


class CompanionSessionMade(Answer, frozen=True, kw_only=True):
    """join_url: a path of this site with the code behind its #."""

    id: str
    join_url: str
    expires_at: Timestamp


class JoiningCode(Body, frozen=True, kw_only=True):
    """The code that the owner's page shows."""

    code: Annotated[str, Meta(min_length=1, max_length=100)]


class DeviceQuery(Query, frozen=True, kw_only=True):
    """code: of a device that has not joined before. Without it the login or the pass of an earlier visit counts."""

    code: Annotated[str, Meta(min_length=1, max_length=100)] | None = None


class JoinedSession(Answer, frozen=True, kw_only=True):
    """The session that one has joined, and whose it is."""

    id: str
    kind: Kind
    username: str


async def make(request: web.Request) -> web.Response:
    """Make a companion session; the answer says where to join it."""
    user = await current_user(request)
    body = await body_as(request, NewCompanionSession)
    companions = request.app[COMPANIONS]
    session = await companions.open(user, body.kind, partial(write_signed_in, request))
    return created(CompanionSessionMade(id=session.id, join_url=companions.join_url(session), expires_at=rfc3339(session.expires_at)))


async def qr(request: web.Request) -> web.Response:
    """The join link as a QR code."""
    user = await current_user(request)
    session = await request.app[COMPANIONS].own(request.match_info["id"], user)
    site = await asyncio.to_thread(request.app[ADDRESSES].public_site, request)
    url = site + request.app[COMPANIONS].join_url(session)
    return web.Response(body=await asyncio.to_thread(_drawn, url), content_type="image/svg+xml")


async def end(request: web.Request) -> web.Response:
    """End a companion session; its devices are disconnected."""
    user = await current_user(request)
    await request.app[COMPANIONS].end(await request.app[COMPANIONS].own(request.match_info["id"], user))
    request.app[PRESENCE].rights_over()
    return nothing()


async def join(request: web.Request) -> web.Response:
    """Join with the code; the cookie lets this device reconnect."""
    session = await request.app[COMPANIONS].find(request.match_info["id"])
    body = await body_as(request, JoiningCode)
    await _check_code(request, session, body.code)
    given = await request.app[COMPANIONS].admit(session, body.code)
    response = ok(shaped(JoinedSession, {"id": session.id, "kind": session.kind, "username": session.user.username}))
    https, life_s = request.app[ADDRESSES].is_https(request), int(LIFE.total_seconds())
    response.set_cookie(_cookie(request, session), given, path="/", max_age=life_s, httponly=True, samesite="Lax", secure=https)
    return response


async def socket(request: web.Request) -> web.StreamResponse:
    """The socket of a companion session: what one device sends, all devices get."""
    companions = request.app[COMPANIONS]
    try:
        session = await companions.find(request.match_info["id"])
        user = await _visitor(request, session, query_as(request, DeviceQuery).code)
        connected = await companions.connected(str(session.id))
    except (Refused, Missing) as refused:
        return await Channel.refuse(request, CODES.get(type(refused), NOT_ALLOWED))
    if connected.is_full:
        companions.left(connected)  # all its devices may be at other servers
        return await Channel.refuse(request, TOO_MANY)
    with request.app[PRESENCE].registered(channel_of(request, user, connected.rate)) as channel:
        connected.enter(channel)
        try:
            async with channel:
                async for kind, said in channel.messages():
                    await _hear(request.app, connected, channel, kind, said)
        finally:
            connected.leave(channel)
            companions.left(connected)
    return channel.response


async def _visitor(request: web.Request, session: CompanionSession, code: str | None) -> User | None:
    """The owner, or None for a device that has the pass or the code. Raises NotSignedIn, NotAllowed, WrongCode, TooMany."""
    if await request.app[COMPANIONS].is_pass(session, cookies_of(request, _cookie(request, session))):
        return None
    if code is not None:
        await _check_code(request, session, code)
        return None
    user = await current_user(request)
    if user.id != session.user_id:
        raise NotAllowed
    return user


async def _check_code(request: web.Request, session: CompanionSession, code: str) -> None:
    """Whether this is the session's code. An address may guess so often. Raises WrongCode, TooMany."""
    address = request.app[ADDRESSES].client(request)
    await request.app[RATE_LIMIT].guess(address)
    if not is_code(session, code):
        raise WrongCode
    await request.app[RATE_LIMIT].guessed(address)


async def _hear(app: web.Application, connected: ConnectedCompanions, channel: Channel, kind: str, said: dict[str, Any]) -> None:
    """Handle a message. What is wrong with it is told to its sender only."""
    shape = FROM_DEVICES.get(kind)
    if shape is None:
        channel.unknown(kind)
        return
    if shape.kind != connected.kind:
        channel.error("wrong_kind", f"This code is for {connected.kind}, and {kind} for another kind.")
        return
    try:
        message = message_from(shape, said)
    except BadRequest:
        channel.error("bad_message", shape.invalid)
        return
    if isinstance(message, RemoteCommand) and message.action in MUTING:  # enforced by the server, for whatever client sends
        await _mute(app, connected, MUTING[message.action])
    cue = _pass_on(app, connected, message)
    if cue is not None and not await app[PRESENCE].elsewhere.cue(connected.owner_id, connected.username, *cue):
        await keep(app, connected.username, *cue)


Cue = tuple[float, Literal["chord", "practice"], str]  # at_s, kind, text


def _pass_on(app: web.Application, connected: ConnectedCompanions, message: ClientMessage) -> Cue | None:
    """Tell all devices. Returns the cue that the message makes where the owner is live, else None."""
    match message:
        case ChordChange(chord=chord):
            at_s = _position_s(app, connected.username)
            connected.tell(ChordHeard(chord=chord, at_s=at_s))
            return None if at_s is None else (at_s, "chord", chord)
        case PracticeStart(timestamp=timestamp) | PracticeEnd(timestamp=timestamp):
            status: Literal["started", "ended"] = "started" if isinstance(message, PracticeStart) else "ended"
            connected.tell(PracticeUpdate(status=status, timestamp=timestamp))
            at_s = _position_s(app, connected.username)
            return None if at_s is None else (at_s, "practice", status)
        case RemoteCommand(action=action):
            connected.tell(RemoteAction(action=action))
    return None


async def _mute(app: web.Application, connected: ConnectedCompanions, muted: bool) -> None:
    if not await app[PRESENCE].elsewhere.mute(connected.owner_id, connected.username, muted):
        with suppress(NotLive):
            app[SWITCHBOARD].own(connected.username).controls.mute(muted)


def _position_s(app: web.Application, username: str) -> float | None:
    """The time since the broadcast began; None where the user is not live."""
    status = app[PRESENCE].status(username, own=False)
    return float(status["duration_s"]) if status["live"] else None


async def keep(app: web.Application, username: str, at_s: float, kind: Literal["chord", "practice"], text: str) -> None:
    """Send a cue to the listeners and store it as a chapter of the recording."""
    app[PRESENCE].cue(username, at_s, kind, text)
    status: dict[str, Any] = app[SWITCHBOARD].status(username, names=False)
    recording = status["recording"]["id"]
    if recording is not None:
        await app[ARCHIVE].chapter(recording, max(0.0, at_s - app[SWITCHBOARD].recorded_from_s(username)), kind, text)


def _cookie(request: web.Request, session: CompanionSession) -> str:
    return named_for(request, f"hushcast-join-{session.id}")


def _drawn(url: str) -> bytes:
    import segno  # here, on the thread that draws: a server without companions does not load it

    drawn = io.BytesIO()
    segno.make(url, error="m", micro=False).save(drawn, kind="svg", scale=8, border=4, dark="#141312", light="#ffffff")
    return drawn.getvalue()
