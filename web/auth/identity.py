"""Who is asking: the login behind a cookie, or the token behind an Authorization header."""

from collections.abc import Callable, Collection, Iterable
from contextlib import nullcontext
from datetime import datetime
from typing import Any, NamedTuple, ParamSpec, TypeVar

from aiohttp import hdrs, web
from aiohttp_session import AbstractStorage, Session, get_session, new_session

from db import friendships, links, logins, tokens, users
from db.connection import Database
from db.tables import ListenLink, Login, Token, User
from sfu.errors import BadCredentials, NoSuchUser, NotFriends, NotSignedIn, WrongScope
from web.auth.cookies import cookies_of, named_for, secrets_in, with_neighbours
from web.auth.downloads import DOWNLOADS
from web.auth.secret import digest, fresh
from web.events.channel import Channel
from web.events.message_rate import MessageRate
from web.events.presence import PRESENCE
from web.http.origin import ADDRESSES
from web.http.texts import showable
from web.keys import DB, SWITCHBOARD

LOGIN = web.RequestKey("LOGIN", Login)
TOKEN = web.RequestKey("TOKEN", Token)
P = ParamSpec("P")
T = TypeVar("T")
COOKIE = "hushcast"
MAX_AGE_S = int(logins.IDLE.total_seconds())


async def current_user(request: web.Request, scope: str | None = None) -> User:
    """Who is asking. A token is taken where `scope` names one; with an Authorization header the cookie does not count.

    Raises NotSignedIn, WrongScope.
    """
    if hdrs.AUTHORIZATION in request.headers:
        return await _token_user(request, scope)
    return (await current_login(request)).user


async def current_login(request: web.Request) -> Login:
    """The login behind the cookie, with its user. Raises NotSignedIn; WrongScope for a token, which cannot do this.

    Each call asks the rows: a request that had to wait for something asks again before it acts.
    """
    if hdrs.AUTHORIZATION in request.headers:
        await _token_user(request, None)
    known: Login | None = request.get(LOGIN)
    await get_session(request)  # which reads the cookie the first time
    login = request.get(LOGIN) if known is None else await request.app[DB].read(logins.find, known.digest)
    if login is None:
        raise NotSignedIn
    return login


async def write_signed_in(request: web.Request, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Write what outlasts the login that `current_user` has found, in one transaction with the proof that it has not ended.

    Whoever is signed out by a new password while her writing waits for its turn leaves nothing behind. Raises NotSignedIn.
    """
    login_id = request[LOGIN].id

    def write() -> T:
        if logins.gone([login_id]):
            raise NotSignedIn
        return function(*args, **kwargs)

    return await request.app[DB].run(write)


async def user_named(request: web.Request) -> User:
    """The user named in the path. Raises NoSuchUser."""
    user = await request.app[DB].read(users.find, request.match_info["username"])
    if user is None:
        raise NoSuchUser
    return user


async def friend_named(request: web.Request, user: User) -> User:
    """The user named in the path, who is `user` or a friend. Raises NoSuchUser, NotFriends."""
    named = await user_named(request)
    if named.id != user.id and not await request.app[DB].read(friendships.are_friends, user.id, named.id):
        raise NotFriends
    return named


class Hearing(NamedTuple):
    """Who is heard, by whom (a name, or `link:ID` for the bearer of a listen link), until when (None: no end), and by what grant."""

    broadcaster: User
    listener: str
    until: datetime | None
    grant: str


async def hearing(request: web.Request) -> Hearing:
    """What the request allows to hear of the user in the path. Raises NotSignedIn, WrongScope, NoSuchUser, NotFriends."""
    link = await link_of(request)
    if link is None:
        listener = await current_user(request, "listen")
        return Hearing(await friend_named(request, listener), listener.username, None, grant_of(request))
    named = await user_named(request)
    if named.id != link.user_id:
        raise NotFriends("The link is somebody else's.")
    return Hearing(named, f"link:{link.id}", link.expires_at, link_grant(link.id))


def grant_of(request: web.Request) -> str:
    """By what `current_user` has let this request in: `login:ID` or `token:ID`."""
    token: Token | None = request.get(TOKEN)
    return login_grant(request[LOGIN].id) if token is None else token_grant(token.id)


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
    """The listen link whose secret the request bears, with its user; None for everything else."""
    secret = bearer_of(request)
    return None if secret is None else await request.app[DB].read(links.find, digest(secret))


def bearer_of(request: web.Request) -> str | None:
    """The secret in `Authorization: Bearer SECRET`."""
    kind, _, secret = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return secret.strip() if kind.lower() == "bearer" and secret.strip() else None


def channel_of(request: web.Request, user: User | None, pace: MessageRate | None = None) -> Channel:
    """A socket for this user (None: a guest), which will end with the login that opened it. To be kept by presence, then entered.

    pace: the bucket of messages that it shares with others.
    """
    login: Login | None = request.get(LOGIN)
    return Channel(request, "" if user is None else user.username, None if login is None else login.id, pace)


async def sign_in(request: web.Request, user: User) -> None:
    """Begin a login with a new cookie; the one that came with the request ends when the new one is there."""
    await get_session(request)  # which reads the old cookie
    session = await new_session(request)
    session["user"], session["password_hash"] = user.id, user.password_hash


async def sign_out(request: web.Request) -> None:
    """End the login of this request, if there is one."""
    (await get_session(request)).invalidate()


async def signed_out(app: web.Application, login_ids: Collection[int]) -> None:
    """These logins have ended: so do their sockets, their downloads, and what they send and hear."""
    app[DOWNLOADS].signed_out(login_ids)
    app[PRESENCE].signed_out(login_ids)
    await app[SWITCHBOARD].revoke({login_grant(each) for each in login_ids})


async def _replaced(app: web.Application, old: Login, new: Login) -> None:
    """Somebody signed in where somebody was signed in. The same person's voice goes on, under the new login."""
    handing = app[SWITCHBOARD].hand_over(login_grant(old.id), login_grant(new.id)) if old.user_id == new.user_id else nullcontext()
    with handing:
        await app[DB].run(logins.remove_digest, old.digest)
    await signed_out(app, [old.id])


async def _token_user(request: web.Request, scope: str | None) -> User:
    secret = bearer_of(request)
    token = None if secret is None else await request.app[DB].read(tokens.find, digest(secret))
    if token is None:
        raise NotSignedIn
    if tokens.is_stale(token):
        await request.app[DB].note(tokens.touch, token.id)
    if scope is None or scope not in token.scopes:
        raise WrongScope
    request[TOKEN] = token
    return token.user


class LoginStorage(AbstractStorage):
    """Sessions are rows of the table of logins; the cookie is a secret of which the row keeps the digest. Where it is sent over
    HTTPS it has another name than over plain HTTP: the two are two logins.

    Of several secrets that come the good one counts: a stale cookie may be beside it, and another server's secret within it.
    """

    def __init__(self) -> None:
        super().__init__(cookie_name=COOKIE)

    async def load_session(self, request: web.Request) -> Session:
        digests = [digest(secret) for secret in self._secrets(request)]
        login = await _database(request).read(first_of, digests) if digests else None
        if login is None:
            return await self.new_session()
        request[LOGIN] = login
        # The age is the row's business: hence no max_age, by which aiohttp-session would judge it again.
        session = Session(login.digest, data={"session": {"user": login.user_id}}, new=False)
        if logins.is_stale(login):
            session.changed()
        return session

    async def save_session(self, request: web.Request, response: web.StreamResponse, session: Session) -> None:
        if session.empty:
            if session.identity is not None:
                await _database(request).run(logins.remove_digest, session.identity)
            self._remember(request, response, "")
        elif session.new:
            secret = fresh()
            agent = showable(request.headers.get(hdrs.USER_AGENT, "")[:200])
            address = request.app[ADDRESSES].client(request)
            row = (session["user"], digest(secret), address, agent, session["password_hash"])
            old = request.get(LOGIN)
            added = await _database(request).run(logins.add, *row, None if old is None else old.id)
            if added is None:
                raise BadCredentials("The password has just been changed.")
            await signed_out(request.app, added.ended)
            if old is not None:
                await _replaced(request.app, old, added.login)
            self._remember(request, response, secret)
        elif await _database(request).note(logins.touch, str(session.identity)):
            good = [secret for secret in self._secrets(request) if digest(secret) == session.identity]
            self._remember(request, response, *good)

    def _secrets(self, request: web.Request) -> list[str]:
        return secrets_in(cookies_of(request, named_for(request, COOKIE)))

    def _remember(self, request: web.Request, response: web.StreamResponse, secret: str) -> None:
        """secret: this server's, "" to forget it. What else is in the cookie is other servers', but for the login that was."""
        known: Login | None = request.get(LOGIN)
        others = [other for other in self._secrets(request) if known is None or digest(other) != known.digest]
        name, https = named_for(request, COOKIE), request.app[ADDRESSES].is_https(request)
        where: dict[str, Any] = {"path": "/", "httponly": True, "samesite": "Lax", "secure": https}
        if value := with_neighbours(secret, others):
            response.set_cookie(name, value, max_age=MAX_AGE_S, **where)
        else:
            response.del_cookie(name, **where)


def first_of(digests: Iterable[str]) -> Login | None:
    """The first of these logins that there is. For the database's thread."""
    return next(filter(None, map(logins.find, digests)), None)


def _database(request: web.Request) -> Database:
    return request.app[DB]
