"""Companion sessions over HTTP and their socket: chords, practice marks and a remote control from the phone beside the PC."""

import asyncio
import io
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, Literal

from aiohttp import web
from msgspec import Meta

from db.companions import LIFE
from db.errors import Missing
from db.tables import CompanionSession, User
from sfu.errors import NotAllowed, NotLive, NotSignedIn, Refused
from web.auth.cookies import cookies_of, named_for
from web.auth.identity import channel_of, current_user
from web.events.channel import NO_SUCH_THING, NOT_ALLOWED, NOT_SIGNED_IN, TOO_MANY, Channel
from web.http.json_body import body_as
from web.http.responses import created, nothing, ok, shaped, stamped
from web.http.shapes import Answer, Body, Moment
from web.http.texts import is_showable
from web.keys import ADDRESSES, ARCHIVE, COMPANIONS, PRESENCE, SWITCHBOARD
from web.live.companion_session import ConnectedCompanions, WrongCode, is_code

Kind = Literal["practice", "remote"]
MUTING = {"mute": True, "unmute": False}
ACTIONS = ("stop", "mute", "unmute", "denoise_on", "denoise_off")
CODES: dict[type[Exception], int] = {NotSignedIn: NOT_SIGNED_IN, Missing: NO_SUCH_THING}


class NewCompanionSession(Body, frozen=True, kw_only=True):
    """practice: chords and marks. remote: commands to the broadcaster's page."""

    kind: Kind


class CompanionSessionMade(Answer, frozen=True, kw_only=True):
    """join_url: a path of this site with the code behind its #."""

    id: str
    join_url: str
    expires_at: Moment


class JoiningCode(Body, frozen=True, kw_only=True):
    """The code that the owner's page shows."""

    code: Annotated[str, Meta(min_length=1, max_length=100)]


class Joined(Answer, frozen=True, kw_only=True):
    """The session that one has joined, and whose it is."""

    id: str
    kind: Kind
    username: str


async def make(request: web.Request) -> web.Response:
    """A new companion session and where to join it."""
    user = await current_user(request)
    body = await body_as(request, NewCompanionSession)
    user = await current_user(request)  # again: the body may have taken its time, and the login have ended
    companions = request.app[COMPANIONS]
    session = await companions.open(user, body.kind)
    return created(CompanionSessionMade(id=session.id, join_url=companions.join_url(session), expires_at=stamped(session.expires_at)))


async def qr(request: web.Request) -> web.Response:
    """The link to join as a QR code."""
    user = await current_user(request)
    session = await request.app[COMPANIONS].own(request.match_info["id"], user)
    site = await asyncio.to_thread(request.app[ADDRESSES].public_site, request)
    url = site + request.app[COMPANIONS].join_url(session)
    return web.Response(body=await asyncio.to_thread(_drawn, url), content_type="image/svg+xml")


async def end(request: web.Request) -> web.Response:
    """End it; its devices are disconnected."""
    user = await current_user(request)
    await request.app[COMPANIONS].end(await request.app[COMPANIONS].own(request.match_info["id"], user))
    return nothing()


async def join(request: web.Request) -> web.Response:
    """Join by the code; the cookie lets this device come back."""
    session = await request.app[COMPANIONS].find(request.match_info["id"])
    body = await body_as(request, JoiningCode)
    given = await request.app[COMPANIONS].admit(session, body.code)
    response = ok(shaped(Joined, {"id": session.id, "kind": session.kind, "username": session.user.username}))
    https, life_s = request.app[ADDRESSES].is_https(request), int(LIFE.total_seconds())
    response.set_cookie(_cookie(request, session), given, path="/", max_age=life_s, httponly=True, samesite="Lax", secure=https)
    return response


async def socket(request: web.Request) -> web.StreamResponse:
    """The devices' socket: what one says, all hear."""
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
    """Pass a message on, if it is one; what is wrong with it is told to who sent it only."""
    if kind not in HEARD:
        channel.unknown(kind)
        return
    is_good, why, pass_on = HEARD[kind]
    if not is_good(said):
        channel.error("bad_message", why)
        return
    cue = pass_on(app, pairing, said)
    if cue is not None:
        await _keep(app, pairing.username, *cue)


Cue = tuple[float, str, str]  # at_s, kind, text


def _chord(app: web.Application, pairing: ConnectedCompanions, said: dict[str, Any]) -> Cue | None:
    at_s = _position_s(app, pairing.username)
    pairing.tell("chord_change", {"chord": said["chord"], "at_s": at_s})
    return None if at_s is None else (at_s, "chord", said["chord"])


def _practice(status: str) -> Callable[[web.Application, ConnectedCompanions, dict[str, Any]], Cue | None]:
    def pass_on(app: web.Application, pairing: ConnectedCompanions, said: dict[str, Any]) -> Cue | None:
        pairing.tell("practice_update", {"status": status, "timestamp": said["timestamp"]})
        at_s = _position_s(app, pairing.username)
        return None if at_s is None else (at_s, "practice", status)

    return pass_on


def _remote(app: web.Application, pairing: ConnectedCompanions, said: dict[str, Any]) -> Cue | None:
    """Mute is done here, for whatever client sends; the rest is the page's."""
    action = said["action"]
    if action in MUTING:
        with suppress(NotLive):
            app[SWITCHBOARD].own(pairing.username).mute(MUTING[action])
    pairing.tell("remote", {"action": action})
    return None


def _is_chord(said: dict[str, Any]) -> bool:
    chord = said.get("chord")
    return isinstance(chord, str) and 1 <= len(chord) <= 16 and is_showable(chord)


def _is_timed(said: dict[str, Any]) -> bool:
    moment = said.get("timestamp")
    if isinstance(moment, str):
        return 1 <= len(moment) <= 64 and is_showable(moment)
    return isinstance(moment, int | float) and not isinstance(moment, bool)


def _is_action(said: dict[str, Any]) -> bool:
    return said.get("action") in ACTIONS if isinstance(said.get("action"), str) else False


NO_TIME = "A practice mark has a timestamp."
# type -> is it well said, what to answer if not, what becomes of it
HEARD: dict[
    str, tuple[Callable[[dict[str, Any]], bool], str, Callable[[web.Application, ConnectedCompanions, dict[str, Any]], Cue | None]]
] = {
    "chord_change": (_is_chord, "A chord has 1 to 16 characters.", _chord),
    "practice_start": (_is_timed, NO_TIME, _practice("started")),
    "practice_end": (_is_timed, NO_TIME, _practice("ended")),
    "remote": (_is_action, f"An action is one of {', '.join(ACTIONS)}.", _remote),
}


def _position_s(app: web.Application, username: str) -> float | None:
    """Where the broadcast is, or None where nobody is live."""
    status: dict[str, Any] = app[SWITCHBOARD].status(username, names=False)
    return float(status["duration_s"]) if status["live"] else None


async def _keep(app: web.Application, username: str, at_s: float, kind: str, text: str) -> None:
    """Tell the broadcast's listeners of a mark and keep it as a chapter of the recording."""
    app[PRESENCE].cue(username, at_s, kind, text)
    status: dict[str, Any] = app[SWITCHBOARD].status(username, names=False)
    recording = status["recording"]["id"]
    if recording is not None:
        await app[ARCHIVE].chapter(recording, at_s, kind, text)


def _cookie(request: web.Request, session: CompanionSession) -> str:
    return named_for(request, f"hushcast-join-{session.id}")


def _drawn(url: str) -> bytes:
    import segno  # here, on the thread that draws: a server that nobody pairs with does without

    drawn = io.BytesIO()
    segno.make(url, error="m", micro=False).save(drawn, kind="svg", scale=8, border=4, dark="#141312", light="#ffffff")
    return drawn.getvalue()
