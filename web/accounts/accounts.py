"""Accounts and their logins."""

import asyncio
import logging
from functools import partial
from typing import Annotated

from aiohttp import web
from msgspec import Meta

from db import friendships, invites, logins, ownership, revocation, users
from db.errors import Clash, Missing
from db.revocation import Revoked
from db.tables import Login, User
from sfu.errors import BadCredentials, BadRequest, NotAllowed, Refused
from web.accounts.claims import is_by_its_host, nonce_claimed
from web.auth.downloads import DOWNLOADS
from web.auth.identity import current_login, current_user, link_grant, sign_in, sign_out, signed_out, token_grant
from web.auth.passwords import PASSWORDS
from web.auth.rate_limit import RATE_LIMIT
from web.auth.secret import digest
from web.events.presence import PRESENCE
from web.http.json_body import body_as, query_as
from web.http.origin import ADDRESSES
from web.http.paging import ListPage
from web.http.responses import created, id_of, nothing, ok, stamped
from web.http.shapes import Answer, AnyPassword, Body, NewPassword, Timestamp, Username
from web.keys import CONFIG, DB, SWITCHBOARD
from web.live.companion_session import COMPANIONS
from web.recordings.archive import ARCHIVE

logger = logging.getLogger(__name__)
LinkOrCode = Annotated[str, Meta(min_length=1, max_length=2000)]


class RegistrationClosed(Refused):
    """New accounts are made by invitation here. Ask a friend for a link."""

    status, code = 403, "registration_closed"


class NewAccount(Body, frozen=True, kw_only=True):
    """invite, claim: the code of an invite and the secret of the claim link, or the whole link."""

    username: Username
    password: NewPassword
    invite: LinkOrCode | None = None
    claim: LinkOrCode | None = None


class LoginBody(Body, frozen=True, kw_only=True):
    """A name and a password that are compared with what is kept."""

    username: Annotated[str, Meta(min_length=1, max_length=200)]
    password: AnyPassword


class PasswordChange(Body, frozen=True, kw_only=True):
    """revoke: whether the tokens and listen links end too."""

    old: AnyPassword
    new: NewPassword
    revoke: bool | None = None


class PasswordProof(Body, frozen=True, kw_only=True):
    """The password once more, for what cannot be undone."""

    password: AnyPassword


class SignedIn(Answer, frozen=True, kw_only=True):
    """The name as the account spells it."""

    username: str


class Me(Answer, frozen=True, kw_only=True):
    """The account that asks; owner: of this server."""

    username: str
    live: bool
    owner: bool
    created_at: Timestamp


class LoginRow(Answer, frozen=True, kw_only=True):
    """A browser that is signed in; current: the one that asks."""

    id: int
    current: bool
    created_at: Timestamp
    seen_at: Timestamp
    address: str
    agent: str


async def register(request: web.Request) -> web.Response:
    """Make an account and sign in."""
    body = await body_as(request, NewAccount)
    username, password = body.username, body.password
    request.app[PASSWORDS].weak.check(username, password)
    code = None if body.invite is None else digest(_invite_code(body.invite))
    nonce = None if body.claim is None else await nonce_claimed(request, body.claim)
    await _check_open(request, username, code, claiming=nonce is not None)
    if nonce is None:
        request.app[RATE_LIMIT].join(request.app[ADDRESSES].client(request))
    kept = await request.app[PASSWORDS].hash(password)
    user = await _create(request, username, kept, code, nonce)
    await sign_in(request, user)
    return created(SignedIn(username=user.username))


async def login(request: web.Request) -> web.Response:
    """Sign in."""
    body = await body_as(request, LoginBody)
    user = await _verified(request, body.username, body.password)
    await sign_in(request, user)
    return ok(SignedIn(username=user.username))


async def logout(request: web.Request) -> web.Response:
    """Sign out: the cookie is invalid from now on; sockets, broadcasts and listening of this login end."""
    ended = await current_login(request)
    await sign_out(request)
    await request.app[DB].run(logins.remove_digest, ended.digest)  # first, so that nothing new can begin with this login
    await signed_out(request.app, [ended.id])
    return nothing()


async def me(request: web.Request) -> web.Response:
    """The account that is signed in."""
    user = await current_user(request)
    live = request.app[SWITCHBOARD].live_since(user.username) is not None
    owner = await request.app[DB].read(ownership.owner_id) == user.id
    return ok(Me(username=user.username, live=live, owner=owner, created_at=stamped(user.created_at)))


async def change_password(request: web.Request) -> web.Response:
    """Set a new password. All other logins and all companion sessions end; with `revoke` tokens and listen links too."""
    mine = await current_login(request)
    body = await body_as(request, PasswordChange)
    request.app[PASSWORDS].weak.check(mine.user.username, body.new, "new")
    user = await _verified(request, mine.user.username, body.old)
    kept = await request.app[PASSWORDS].hash(body.new)
    ended = await request.app[DB].run(revocation.change_password, user, kept, mine.id, bool(body.revoke))
    await request.app[COMPANIONS].end_of(mine.user_id)
    await signed_out(request.app, ended.logins)
    await request.app[SWITCHBOARD].revoke(await asyncio.to_thread(_grants, ended))
    return nothing()


async def sessions(request: web.Request) -> web.Response:
    """List the logins of the account, one per signed-in browser."""
    mine = await current_login(request)
    rows = await request.app[DB].read(logins.of_user, mine.user_id, *query_as(request, ListPage).part)
    return ok(_login_row(row, mine) for row in rows)


async def end_session(request: web.Request) -> web.Response:
    """End one login of the account."""
    mine = await current_login(request)
    await request.app[DB].run(logins.remove, mine.user_id, id_of(request))
    await signed_out(request.app, [id_of(request)])
    return nothing()


async def delete_account(request: web.Request) -> web.Response:
    """Delete the account with its rows and recordings; its broadcast and its listening end."""
    mine = await current_login(request)
    body = await body_as(request, PasswordProof)
    await _verified(request, mine.user.username, body.password)
    await remove_account(request.app, mine.user)
    await sign_out(request)
    return nothing()


async def remove_account(app: web.Application, user: User) -> None:
    """End the user's broadcast and listening, delete the rows, end what has begun meanwhile, delete the files."""
    await app[SWITCHBOARD].clear(user.username)
    friends = await _friends(app, user)
    ended = await app[DB].read(logins.ids_of, user.id)
    owned = await app[DB].read(ownership.owner_id) == user.id
    folders = await app[DB].run(users.remove, user.id)
    if owned:
        logger.warning("nobody owns this server any more; its next start prints a claim link")
    await app[SWITCHBOARD].clear(user.username)
    for place, friend in enumerate(friends):
        app[PRESENCE].unfriended(user.username, friend)
        if place % 100 == 99:
            await asyncio.sleep(0)  # accounts from before the caps can have many more friends
    app[PRESENCE].signed_out(ended)
    app[DOWNLOADS].of_account(user.id)
    await app[COMPANIONS].end_of(user.id)
    await app[ARCHIVE].forget(folders)


async def _friends(app: web.Application, user: User) -> list[str]:
    """The names of all of a user's friends, page by page."""
    names: list[str] = []
    while page := await app[DB].read(friendships.friends_of, user.id, names[-1] if names else None):
        names += [friend.username for friend in page]
    return names


async def _verified(request: web.Request, username: str, password: str) -> User:
    """The user with this name and password. Raises BadCredentials, TooMany. An unknown name takes as long as a known one."""
    address = request.app[ADDRESSES].client(request)
    request.app[RATE_LIMIT].begin(username, address)
    user = await request.app[DB].read(users.find, username)
    right = await request.app[PASSWORDS].verify(None if user is None else user.password_hash, password)
    if user is None or not right:
        request.app[RATE_LIMIT].failed(address)
        raise BadCredentials
    request.app[RATE_LIMIT].succeeded(username, address)
    return user


async def _check_open(request: web.Request, username: str, code: str | None, *, claiming: bool) -> None:
    """Refuse before the costly hash is computed. claiming: the owner-to-be may always register.

    Raises RegistrationClosed, BadRequest, Clash.
    """
    invited = code is not None and await request.app[DB].read(invites.find, code) is not None
    if not invited and not claiming and request.app[CONFIG].accounts.registration != "open":
        nobodys = await request.app[DB].read(ownership.owner_id) is None
        raise RegistrationClosed("Nobody owns this server yet. Whoever hosts it has the link for that." if nobodys else "")
    if code is not None and not invited:
        raise BadRequest({"invite": "is used up, expired or unknown"})
    if await request.app[DB].read(users.find, username) is not None:
        raise Clash("username_taken")


async def _create(request: web.Request, username: str, kept: str, code: str | None, nonce: str | None) -> User:
    """Create the account, with friendship and ownership where an invite or a claim gives them. The host's first account is the owner."""
    join = partial(users.join, invite=code, claim=nonce, here=is_by_its_host(request))
    try:
        user, inviter = await request.app[DB].run(join, username, kept)
    except Missing:
        raise NotAllowed("Somebody else has just used that invitation up.") from None
    if inviter is not None:
        request.app[PRESENCE].befriended(user.username, inviter.username)
    return user


def _login_row(row: Login, mine: Login) -> LoginRow:
    times = {"created_at": stamped(row.created_at), "seen_at": stamped(row.seen_at)}
    return LoginRow(id=row.id, current=row.id == mine.id, address=row.address, agent=row.agent, **times)


def _grants(ended: Revoked) -> set[str]:
    """The grants of the revoked tokens and links. Not for the event loop: accounts from before the caps can have very many."""
    return {token_grant(each) for each in ended.tokens} | {link_grant(each) for each in ended.links}


def _invite_code(invite: str) -> str:
    """The code, also where the whole link was pasted."""
    return invite.strip().rpartition("=")[2]
