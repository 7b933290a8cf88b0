"""Accounts and their logins."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Annotated

from aiohttp import web
from msgspec import Meta

from db import friendships, invites, logins, ownership, people, revocation, users
from db.errors import Clash, Missing
from db.revocation import Revoked
from db.tables import Login, User
from sfu.rfc3339 import rfc3339
from web.accounts.claims import is_by_its_host, nonce_claimed
from web.accounts.invites import code_in
from web.auth.downloads import DOWNLOADS
from web.auth.identity import current_login, current_user, end_all_of, end_granted, link_grant, sign_in, sign_out, signed_out, token_grant
from web.auth.lately import LATELY
from web.auth.passwords import PASSWORDS
from web.auth.rate_limit import RATE_LIMIT
from web.auth.secret import digest
from web.errors import BadCredentials, BadRequest, NotAllowed, RegistrationClosed, Suspended
from web.events.presence import PRESENCE
from web.http.json_body import body_as, query_as
from web.http.origin import ADDRESSES
from web.http.paging import ListPage
from web.http.responses import created, id_of, nothing, ok
from web.http.shapes import Answer, AnyPassword, Body, LinkOrCode, NewPassword, Timestamp, Username
from web.keys import CONFIG, DB
from web.live.companion_session import COMPANIONS
from web.recordings.archive import ARCHIVE

logger = logging.getLogger(__name__)


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
    """revoke: whether the tokens, listen links, invites and recovery codes end too."""

    old: AnyPassword
    new: NewPassword
    revoke: bool | None = None


class AccountEnd(Body, frozen=True, kw_only=True):
    """The password once more. next_owner: who owns the server then, from its owner, where there are other accounts."""

    password: AnyPassword
    next_owner: Username | None = None


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
    code = None if body.invite is None else digest(code_in(body.invite))
    nonce = None if body.claim is None else await nonce_claimed(request, body.claim)
    await _check_open(request, username, code, claiming=nonce is not None)
    if nonce is None:
        await request.app[RATE_LIMIT].join(request.app[ADDRESSES].client(request))
    kept = await request.app[PASSWORDS].hash(password)
    user = await _create(request, username, kept, code, nonce)
    await sign_in(request, user)
    return created(SignedIn(username=user.username))


async def login(request: web.Request) -> web.Response:
    """Sign in."""
    body = await body_as(request, LoginBody)
    user = await verified(request, body.username, body.password)
    if user.suspended:
        raise Suspended
    await sign_in(request, user)
    return ok(SignedIn(username=user.username))


async def logout(request: web.Request) -> web.Response:
    """Sign out: the cookie is invalid from now on; sockets, broadcasts and listening of this login end."""
    ended = await current_login(request, also_suspended=True)
    await sign_out(request)
    await request.app[DB].run(logins.remove_digest, ended.digest)  # first, so that nothing new can begin with this login
    await signed_out(request.app, [ended.id])
    request.app[PRESENCE].rights_over()
    return nothing()


async def me(request: web.Request) -> web.Response:
    """The account that is signed in."""
    user = await current_user(request)
    live = request.app[PRESENCE].friends.row(user.username).live
    owner = await request.app[LATELY].read(ownership.owner_id) == user.id
    return ok(Me(username=user.username, live=live, owner=owner, created_at=rfc3339(user.created_at)))


async def change_password(request: web.Request) -> web.Response:
    """Set a new password. Other logins, companion sessions and a reset link end; `revoke`: tokens, listen links, invites, codes too."""
    mine = await current_login(request)
    body = await body_as(request, PasswordChange)
    request.app[PASSWORDS].weak.check(mine.user.username, body.new, "new")
    user = await verified(request, mine.user.username, body.old)
    kept = await request.app[PASSWORDS].hash(body.new)
    ended = await request.app[DB].run(revocation.change_password, user, kept, mine.id, bool(body.revoke))
    request.app[LATELY].forget({f"user:{mine.user_id}"})
    await request.app[COMPANIONS].end_of(mine.user_id)
    await signed_out(request.app, ended.logins)
    request.app[PRESENCE].unlinked(set(ended.links))
    await end_granted(request.app, await asyncio.to_thread(_grants, ended))
    request.app[PRESENCE].rights_over()
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
    request.app[PRESENCE].rights_over()
    return nothing()


async def delete_account(request: web.Request) -> web.Response:
    """Delete the account with its rows and recordings; its broadcast and its listening end."""
    mine = await current_login(request)
    body = await body_as(request, AccountEnd)
    await verified(request, mine.user.username, body.password)
    await request.app[DB].run(people.check_leaving, mine.user, body.next_owner)
    await remove_account(request.app, mine.user, partial(people.leave, mine.user, body.next_owner))
    await sign_out(request)
    return nothing()


async def remove_account(app: web.Application, user: User, remove: Callable[[], list[str]]) -> None:
    """End the user's broadcast and listening, delete the rows, end what has begun meanwhile, delete the files.

    remove: deletes the rows and returns the folders of the recordings.
    """
    await end_all_of(app, user.username)
    friends = await _friends(app, user)
    ended = await app[DB].read(logins.ids_of, user.id)
    owned = await app[DB].read(ownership.owner_id) == user.id
    folders = await app[DB].run(remove)
    app[LATELY].forget({f"user:{user.id}", f"friends:{user.id}"})
    if owned and await app[DB].read(ownership.owner_id) is None:
        logger.warning("nobody owns this server any more; its next start prints a claim link")
    await end_all_of(app, user.username)
    for place, friend in enumerate(friends):
        app[PRESENCE].friends.unfriended(user.username, friend)
        if place % 100 == 99:
            await asyncio.sleep(0)  # accounts from before the caps can have many more friends
    app[PRESENCE].signed_out(ended)
    app[PRESENCE].rights_over()
    app[DOWNLOADS].of_account(user.id)
    await app[COMPANIONS].end_of(user.id)
    await app[ARCHIVE].forget(folders)


async def _friends(app: web.Application, user: User) -> list[str]:
    """The names of all of a user's friends, page by page."""
    names: list[str] = []
    while page := await app[DB].read(friendships.friends_of, user.id, names[-1] if names else None):
        names += [friend.username for friend in page]
    return names


async def verified(request: web.Request, username: str, password: str) -> User:
    """The user with this name and password. Raises BadCredentials, TooMany. An unknown name takes as long as a known one."""
    address = request.app[ADDRESSES].client(request)
    await request.app[RATE_LIMIT].begin(username, address)
    user = await request.app[DB].read(users.find, username)
    right = await request.app[PASSWORDS].verify(None if user is None else user.password_hash, password)
    if user is None or not right:
        request.app[RATE_LIMIT].failed(address)
        raise BadCredentials
    await request.app[RATE_LIMIT].succeeded(username, address)
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
        request.app[PRESENCE].friends.befriended(user.username, inviter.username)
    return user


def _login_row(row: Login, mine: Login) -> LoginRow:
    times = {"created_at": rfc3339(row.created_at), "seen_at": rfc3339(row.seen_at)}
    return LoginRow(id=row.id, current=row.id == mine.id, address=row.address, agent=row.agent, **times)


def _grants(ended: Revoked) -> set[str]:
    """The grants of the revoked tokens and links. Not for the event loop: accounts from before the caps can have very many."""
    return {token_grant(each) for each in ended.tokens} | {link_grant(each) for each in ended.links}
