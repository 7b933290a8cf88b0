"""Who is asking: the login behind a cookie, or the token behind an Authorization header; or whom another node has found so."""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple, ParamSpec, TypeVar

from aiohttp import hdrs, web
from aiohttp_session import get_session, new_session

from db import friendships, links, logins, tokens, users
from db.errors import Unavailable
from db.locks import hold_users
from db.tables import ListenLink, Login, Token, User, now
from sfu.errors import NotSignedIn
from web.auth.downloads import DOWNLOADS
from web.auth.lately import LATELY
from web.auth.secret import digest
from web.errors import NoSuchUser, NotFriends, Suspended, WrongScope
from web.events.channel import Channel
from web.events.message_rate import MessageRate
from web.events.presence import PRESENCE
from web.http.relayed import RELAYED, Relayed
from web.keys import DB, PRIVATE_SWITCHBOARD, SWITCHBOARD

LOGIN = web.RequestKey("LOGIN", Login)
TOKEN = web.RequestKey("TOKEN", Token)
P = ParamSpec("P")
T = TypeVar("T")


async def current_user(request: web.Request, scope: str | None = None) -> User:
    """The user who sends the request, by the Authorization header if there is one, else by the cookie.

    scope: the scope that a token needs; None: tokens are refused. Raises NotSignedIn, WrongScope, Suspended.
    """
    if (relayed := request.get(RELAYED)) is not None:
        return _relayed_user(relayed, scope)
    if hdrs.AUTHORIZATION in request.headers:
        return await _token_user(request, scope)
    return (await current_login(request)).user


async def current_login(request: web.Request, *, also_suspended: bool = False) -> Login:
    """The login behind the cookie, with its user. Raises NotSignedIn, Suspended; WrongScope for a token, which cannot do this.

    Each call reads the database, so a handler that has waited can call again to see whether the login still holds.
    """
    if RELAYED in request:
        raise NotSignedIn  # the other node keeps the login
    if hdrs.AUTHORIZATION in request.headers:
        await _token_user(request, None)
    known: Login | None = request.get(LOGIN)
    await get_session(request)  # which reads the cookie the first time
    login = request.get(LOGIN) if known is None else await request.app[LATELY].read(logins.find, known.digest)
    if login is None:
        raise NotSignedIn
    if login.user.suspended and not also_suspended:
        raise Suspended
    return login


async def write_signed_in(request: web.Request, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `function` on the database in one transaction with a check that the login found by `current_user` still exists.

    For writes that outlast the login: one that ends while the write is queued writes nothing. Raises NotSignedIn.
    """
    login_id, user_id = request[LOGIN].id, request[LOGIN].user_id

    def write() -> T:
        hold_users(user_id)  # so that a new password or a suspension comes before the check, or after the end
        if logins.gone([login_id]):
            raise NotSignedIn
        return function(*args, **kwargs)

    return await request.app[DB].run(write)


async def user_named(request: web.Request) -> User:
    """The user named in the path. Raises NoSuchUser."""
    user = await request.app[LATELY].read(users.find, request.match_info["username"])
    if user is None:
        raise NoSuchUser
    return user


async def friend_named(request: web.Request, user: User) -> User:
    """The user named in the path, who is `user` or a friend. Raises NoSuchUser, NotFriends."""
    named = await user_named(request)
    if named.id != user.id and not await request.app[LATELY].read(friendships.are_friends, user.id, named.id):
        raise NotFriends
    return named


class Hearing(NamedTuple):
    """Who hears whom. listener: a username, or `link:ID` for the bearer of a listen link; until: None for no end."""

    broadcaster: User
    listener: str
    until: datetime | None
    grant: str


async def hearing(request: web.Request) -> Hearing:
    """By what right the request may hear the user in the path. Raises NotSignedIn, WrongScope, NoSuchUser, NotFriends."""
    if (relayed := request.get(RELAYED)) is not None:
        return _relayed_hearing(relayed)
    link = await link_of(request)
    if link is None:
        listener = await current_user(request, "listen")
        return Hearing(await friend_named(request, listener), listener.username, None, grant_of(request))
    named = await user_named(request)
    if named.id != link.user_id:
        raise NotFriends("The link is somebody else's.")
    return Hearing(named, f"link:{link.id}", link.expires_at, link_grant(link.id))


def grant_of(request: web.Request) -> str:
    """The grant by which `current_user` has accepted this request: `login:ID` or `token:ID`."""
    relayed: Relayed | None = request.get(RELAYED)
    if relayed is not None:
        return relayed.grant
    token: Token | None = request.get(TOKEN)
    return login_grant(request[LOGIN].id) if token is None else token_grant(token.id)


def login_id_of(request: web.Request) -> int | None:
    """The login by which `current_user` has accepted this request; None: by a token."""
    return next(iter(ids_in([grant_of(request)], "login")), None)


def login_grant(login_id: int) -> str:
    return f"login:{login_id}"


def token_grant(token_id: int) -> str:
    return f"token:{token_id}"


def link_grant(link_id: int) -> str:
    return f"link:{link_id}"


def ids_in(grants: Iterable[str], kind: str) -> set[int]:
    """The ids of the logins, tokens or links among these grants."""
    return {int(identity) for each, _, identity in (grant.partition(":") for grant in grants) if each == kind}


async def link_of(request: web.Request) -> ListenLink | None:
    """The listen link whose secret is in the Authorization header, with its user; None where there is none."""
    secret = bearer_of(request)
    if secret is None:
        return None
    try:
        return await request.app[LATELY].read(links.find, digest(secret))
    except Unavailable:
        if request.app[LATELY].knows(tokens.find, digest(secret)):  # a token's, so it is no link's
            return None
        raise


def bearer_of(request: web.Request) -> str | None:
    """The secret in `Authorization: Bearer SECRET`."""
    kind, _, secret = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return secret.strip() if kind.lower() == "bearer" and secret.strip() else None


def channel_of(request: web.Request, user: User | None, rate: MessageRate | None = None) -> Channel:
    """A socket for this user (None: a device without a login), which ends with the login. Pass it to `Presence.registered`, then enter it.

    rate: the limit of messages a second that it shares with other sockets; None: its own.
    """
    login: Login | None = request.get(LOGIN)
    return Channel(request, "" if user is None else user.username, None if login is None else login.id, rate)


async def sign_in(request: web.Request, user: User) -> None:
    """Begin a login with a new cookie. The login of the request's cookie ends once the new one is stored."""
    await get_session(request)  # which reads the old cookie
    session = await new_session(request)
    session["user"], session["password_hash"] = user.id, user.password_hash


async def sign_out(request: web.Request) -> None:
    """End the login of this request, if there is one."""
    (await get_session(request)).invalidate()


async def signed_out(app: web.Application, login_ids: Collection[int]) -> None:
    """These logins have ended: end their sockets, downloads and media sessions."""
    app[LATELY].forget({login_grant(each) for each in login_ids})
    app[DOWNLOADS].signed_out(login_ids)
    app[PRESENCE].signed_out(login_ids)
    await end_granted(app, {login_grant(each) for each in login_ids})


async def end_granted(app: web.Application, grants: Collection[str]) -> None:
    """What is sent and heard by these grants ends, where people hear themselves too."""
    for key in (SWITCHBOARD, PRIVATE_SWITCHBOARD):
        await app[key].revoke(grants)


async def end_all_of(app: web.Application, username: str) -> None:
    """All that this user sends and hears ends, hearing oneself too."""
    for key in (SWITCHBOARD, PRIVATE_SWITCHBOARD):
        await app[key].clear(username)


def _relayed_user(relayed: Relayed, scope: str | None) -> User:
    """Whom another node has found, as far as a row is known without asking for it. Raises NotSignedIn, WrongScope."""
    if not relayed.user_id:
        raise NotSignedIn
    if relayed.scope and relayed.scope != scope:
        raise WrongScope
    return User(id=relayed.user_id, username=relayed.username)


def _relayed_hearing(relayed: Relayed) -> Hearing:
    """Raises NotSignedIn where the other node says nothing of a broadcaster."""
    if not relayed.about_id or not relayed.grant:
        raise NotSignedIn
    listener = relayed.username or relayed.grant  # `link:ID` is the name of a listen link's bearer, and its grant
    until = None if relayed.lasts_s is None else now() + timedelta(seconds=relayed.lasts_s)
    return Hearing(User(id=relayed.about_id, username=relayed.about), listener, until, relayed.grant)


async def _token_user(request: web.Request, scope: str | None) -> User:
    secret = bearer_of(request)
    token = None if secret is None else await request.app[LATELY].read(tokens.find, digest(secret))
    if token is None:
        raise NotSignedIn
    if token.user.suspended:
        raise Suspended
    if tokens.is_stale(token):
        await request.app[DB].note(tokens.touch, token.id)
    if scope is None or scope not in token.scopes:
        raise WrongScope
    request[TOKEN] = token
    return token.user
