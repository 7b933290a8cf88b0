"""Companion sessions: their HTTP handlers and their socket, with chords, practice marks and remote commands from another device."""

import asyncio
import io
from contextlib import suppress
from typing import Annotated, Any, Literal

from aiohttp import web
from msgspec import Meta

from db.companions import LIFE
from db.errors import Missing
from db.tables import CompanionSession, User
from sfu.errors import BadRequest, NotAllowed, NotLive, NotSignedIn, Refused
from web.auth.cookies import cookies_of, named_for
from web.auth.identity import channel_of, current_user
from web.events.channel import NO_SUCH_THING, NOT_ALLOWED, NOT_SIGNED_IN, TOO_MANY, Channel
from web.events.presence import PRESENCE
from web.http.fields import message_from
from web.http.json_body import body_as
from web.http.origin import ADDRESSES
from web.http.responses import created, nothing, ok, shaped, stamped
from web.http.shapes import Answer, Body, Message, Timestamp
from web.keys import SWITCHBOARD
from web.live.companion_messages import (
    SAID,
    ChordChange,
    ChordHeard,
    PracticeMark,
    PracticeUpdate,
    RemoteAction,
    RemoteCommand,
)
from web.live.companion_session import COMPANIONS, ConnectedCompanions, WrongCode, is_code
from web.recordings.archive import ARCHIVE

Kind = Literal["practice", "remote"]
MUTING = {"mute": True, "unmute": False}
CODES: dict[type[Exception], int] = {NotSignedIn: NOT_SIGNED_IN, Missing: NO_SUCH_THING}


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


class JoinedSession(Answer, frozen=True, kw_only=True):
    """The session that one has joined, and whose it is."""

    id: str
    kind: Kind
    username: str


async def make(request: web.Request) -> web.Response:
    """Make a companion session; the answer says where to join it."""
    user = await current_user(request)
    body = await body_as(request, NewCompanionSession)
    user = await current_user(request)  # again: the body may have taken its time, and the login have ended
    companions = request.app[COMPANIONS]
    session = await companions.open(user, body.kind)
    return created(CompanionSessionMade(id=session.id, join_url=companions.join_url(session), expires_at=stamped(session.expires_at)))


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
    return nothing()


async def join(request: web.Request) -> web.Response:
    """Join with the code; the cookie lets this device reconnect."""
    session = await request.app[COMPANIONS].find(request.match_info["id"])
    body = await body_as(request, JoiningCode)
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
        user = await _visitor(request, session)
        pairing = companions.connected(await companions.find(str(session.id)))  # it may have ended meanwhile
    except (Refused, Missing) as refused:
        return await Channel.refuse(request, CODES.get(type(refused), NOT_ALLOWED))
    if pairing.is_full:
        return await Channel.refuse(request, TOO_MANY)
    with request.app[PRESENCE].kept(channel_of(request, user, pairing.pace)) as channel:
        pairing.enter(channel)
        try:
            async with channel:
                async for kind, said in channel.messages():
                    await _hear(request.app, pairing, channel, kind, said)
        finally:
            pairing.leave(channel)
            companions.left(pairing)
    return channel.response


async def _visitor(request: web.Request, session: CompanionSession) -> User | None:
    """The owner, or None for a device that has the pass or the code. Raises NotSignedIn, NotAllowed, WrongCode."""
    if await request.app[COMPANIONS].is_pass(session, cookies_of(request, _cookie(request, session))):
        return None
    if "code" in request.query:
        if not is_code(session, request.query["code"]):
            raise WrongCode
        return None
    user = await current_user(request)
    if user.id != session.user_id:
        raise NotAllowed
    return user


async def _hear(app: web.Application, pairing: ConnectedCompanions, channel: Channel, kind: str, said: dict[str, Any]) -> None:
    """Handle a message. What is wrong with it is told to its sender only."""
    if kind not in SAID:
        channel.unknown(kind)
        return
    shape, why = SAID[kind]
    try:
        heard = message_from(shape, said)
    except BadRequest:
        channel.error("bad_message", why)
        return
    cue = _pass_on(app, pairing, kind, heard)
    if cue is not None:
        await _keep(app, pairing.username, *cue)


Cue = tuple[float, str, str]  # at_s, kind, text


def _pass_on(app: web.Application, pairing: ConnectedCompanions, kind: str, said: Message) -> Cue | None:
    """Tell all devices. Returns the cue that the message makes where the owner is live, else None."""
    match said:
        case ChordChange(chord=chord):
            at_s = _position_s(app, pairing.username)
            pairing.tell("chord_change", ChordHeard(chord=chord, at_s=at_s))
            return None if at_s is None else (at_s, "chord", chord)
        case PracticeMark(timestamp=timestamp):
            status: Literal["started", "ended"] = "started" if kind == "practice_start" else "ended"
            pairing.tell("practice_update", PracticeUpdate(status=status, timestamp=timestamp))
            at_s = _position_s(app, pairing.username)
            return None if at_s is None else (at_s, "practice", status)
        case RemoteCommand(action=action):
            if action in MUTING:  # enforced by the server, for whatever client sends; the rest is the page's
                with suppress(NotLive):
                    app[SWITCHBOARD].own(pairing.username).mute(MUTING[action])
            pairing.tell("remote", RemoteAction(action=action))
    return None


def _position_s(app: web.Application, username: str) -> float | None:
    """The time since the broadcast began; None where the user is not live."""
    status: dict[str, Any] = app[SWITCHBOARD].status(username, names=False)
    return float(status["duration_s"]) if status["live"] else None


async def _keep(app: web.Application, username: str, at_s: float, kind: str, text: str) -> None:
    """Send a cue to the listeners and store it as a chapter of the recording."""
    app[PRESENCE].cue(username, at_s, kind, text)
    status: dict[str, Any] = app[SWITCHBOARD].status(username, names=False)
    recording = status["recording"]["id"]
    if recording is not None:
        await app[ARCHIVE].chapter(recording, at_s, kind, text)


def _cookie(request: web.Request, session: CompanionSession) -> str:
    return named_for(request, f"hushcast-join-{session.id}")


def _drawn(url: str) -> bytes:
    import segno  # here, on the thread that draws: a server without companions does not load it

    drawn = io.BytesIO()
    segno.make(url, error="m", micro=False).save(drawn, kind="svg", scale=8, border=4, dark="#141312", light="#ffffff")
    return drawn.getvalue()
