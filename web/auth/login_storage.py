"""The storage of aiohttp-session: a login is a database row, and its cookie holds a secret of which the row has the digest."""

from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

from aiohttp import hdrs, web
from aiohttp_session import AbstractStorage, Session

from db import logins
from db.connection import Database
from db.tables import Login
from web.auth.cookies import cookies_of, named_for, secrets_in, with_neighbours
from web.auth.identity import LOGIN, login_grant, signed_out
from web.auth.lately import LATELY
from web.auth.secret import digest, fresh
from web.errors import BadCredentials
from web.events.node_messages import LoginReplaced
from web.events.presence import PRESENCE
from web.http.origin import ADDRESSES
from web.http.texts import showable
from web.keys import DB, SWITCHBOARD

COOKIE = "hushcast"
MAX_AGE_S = int(logins.IDLE.total_seconds())


class LoginStorage(AbstractStorage):
    """Loads, makes and ends the login behind a request's cookie. The cookie's name differs between HTTPS and plain HTTP, so a browser has
    one login for each.

    A request may bring several secrets: a stale cookie, or those of other servers on the same host. The first that has a row counts.
    """

    def __init__(self) -> None:
        super().__init__(cookie_name=COOKIE)

    async def load_session(self, request: web.Request) -> Session:
        digests = tuple(digest(secret) for secret in self._secrets(request))
        login = await request.app[LATELY].read(first_of, digests) if digests else None
        if login is None:
            return await self.new_session()
        request[LOGIN] = login
        # The database judges the login's age. With a max_age aiohttp-session would judge it a second time.
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
            if added.ended:
                request.app[PRESENCE].rights_over()
            if old is not None:
                await _replaced(request.app, old, added.login)
            self._remember(request, response, secret)
        elif await _database(request).note(logins.touch, str(session.identity)):
            good = [secret for secret in self._secrets(request) if digest(secret) == session.identity]
            self._remember(request, response, *good)

    def _secrets(self, request: web.Request) -> list[str]:
        return secrets_in(cookies_of(request, named_for(request, COOKIE)))

    def _remember(self, request: web.Request, response: web.StreamResponse, secret: str) -> None:
        """Set the cookie. secret: this server's, "" for none; other servers' secrets in it stay, the previous login's does not."""
        known: Login | None = request.get(LOGIN)
        others = [other for other in self._secrets(request) if known is None or digest(other) != known.digest]
        name, https = named_for(request, COOKIE), request.app[ADDRESSES].is_https(request)
        where: dict[str, Any] = {"path": "/", "httponly": True, "samesite": "Lax", "secure": https}
        if value := with_neighbours(secret, others):
            response.set_cookie(name, value, max_age=MAX_AGE_S, **where)
        else:
            response.del_cookie(name, **where)


def first_of(digests: Iterable[str]) -> Login | None:
    """The login of the first digest that has one. Runs on the database's thread."""
    return next(filter(None, map(logins.find, digests)), None)


def _database(request: web.Request) -> Database:
    return request.app[DB]


async def _replaced(app: web.Application, old: Login, new: Login) -> None:
    """End the login that a new one replaces in the same browser. A broadcast of the same user goes on under the new login."""
    handing = app[SWITCHBOARD].hand_over(login_grant(old.id), login_grant(new.id)) if old.user_id == new.user_id else nullcontext()
    if old.user_id == new.user_id:
        app[PRESENCE].others.tell(LoginReplaced(old=old.id, new=new.id))
    with handing:
        await app[DB].run(logins.remove_digest, old.digest)
    await signed_out(app, [old.id])
    app[PRESENCE].rights_over()
