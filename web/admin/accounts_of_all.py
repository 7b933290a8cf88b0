"""Everybody's accounts: the list, and what the owner does to one of them."""

import logging
from functools import partial
from typing import Annotated

from aiohttp import web
from msgspec import Meta

from db import ownership, people
from db.tables import User
from sfu.rfc3339 import rfc3339
from web.accounts.accounts import remove_account
from web.admin.owner import the_owner
from web.auth.identity import end_all_of, signed_out, user_named
from web.auth.secret import digest, fresh
from web.errors import Oneself
from web.events.presence import PRESENCE
from web.http.json_body import body_as, query_as
from web.http.paging import ListPage
from web.http.responses import created, nothing, ok
from web.http.shapes import Answer, Body, Timestamp
from web.keys import DB
from web.live.companion_session import COMPANIONS
from web.live.revocation import look_round

logger = logging.getLogger(__name__)


class AccountsPage(ListPage, frozen=True, kw_only=True):
    """q: a part of the name."""

    q: Annotated[str, Meta(max_length=100)] = ""


class AccountRow(Answer, frozen=True, kw_only=True):
    """An account; its id is for `before`. seen_at: when a login was used last, to the hour. recordings, used_bytes: with the trash."""

    id: int
    username: str
    created_at: Timestamp
    seen_at: Timestamp | None
    owner: bool
    suspended: bool
    live: bool
    recordings: int
    used_bytes: int


class ResetMade(Answer, frozen=True, kw_only=True):
    """url: a path of this site; good for one day, and for one use."""

    url: str


class Suspension(Body, frozen=True, kw_only=True):
    """Whether the account is suspended."""

    suspended: bool


class NextOwner(Body, frozen=True, kw_only=True):
    """Who is to own the server."""

    username: Annotated[str, Meta(min_length=1, max_length=200)]


async def listed(request: web.Request) -> web.Response:
    """List the accounts, newest first, or those with a part of a name."""
    owner, query = await the_owner(request), query_as(request, AccountsPage)
    rows = await request.app[DB].read(people.listed, query.q.strip(), *query.part)
    ids = [row.id for row in rows]
    held, seen = await request.app[DB].read(people.holdings, ids), await request.app[DB].read(people.last_seen, ids)
    friends = request.app[PRESENCE].friends
    return ok(
        AccountRow(
            id=row.id,
            username=row.username,
            created_at=rfc3339(row.created_at),
            seen_at=rfc3339(seen.get(row.id)),
            owner=row.id == owner.id,
            suspended=row.suspended,
            live=friends.row(row.username).live,
            recordings=held[row.id].recordings if row.id in held else 0,
            used_bytes=held[row.id].used_bytes if row.id in held else 0,
        )
        for row in rows
    )


async def make_reset(request: web.Request) -> web.Response:
    """Make a link that sets a new password of an account, once and within a day. The link before it is void."""
    owner, user = await the_owner(request), await user_named(request)
    secret = fresh()
    await request.app[DB].run(people.reset_link, owner, user.username, digest(secret))
    return created(ResetMade(url=f"/reset#{secret}"))


async def suspend(request: web.Request) -> web.Response:
    """Suspend an account, or lift that. What it sends and hears ends at once, and its sockets close."""
    owner, user = await the_owner(request), await user_named(request)
    body = await body_as(request, Suspension)
    if body.suspended:
        _check_other(owner, user)
    await request.app[DB].run(people.suspend, owner, user.username, body.suspended)
    if body.suspended:
        await request.app[COMPANIONS].end_of(user.id)
        await end_all_of(request.app, user.username)
        await look_round(request.app)
        request.app[PRESENCE].rights_over()
    return nothing()


async def log_out(request: web.Request) -> web.Response:
    """End all logins of an account."""
    owner, user = await the_owner(request), await user_named(request)
    await signed_out(request.app, await request.app[DB].run(people.log_out, owner, user.username))
    request.app[PRESENCE].rights_over()
    return nothing()


async def remove(request: web.Request) -> web.Response:
    """Delete an account with its rows and recordings."""
    owner, user = await the_owner(request), await user_named(request)
    _check_other(owner, user)
    await remove_account(request.app, user, partial(people.remove, owner, user.username))
    return nothing()


async def hand_over(request: web.Request) -> web.Response:
    """Make another account the owner of the server. Only the new owner can undo it."""
    owner = await the_owner(request)
    body = await body_as(request, NextOwner)
    if body.username.lower() == owner.username.lower():
        raise Oneself
    await request.app[DB].run(people.hand_over, owner, body.username)
    successor = await request.app[DB].read(ownership.owner_id)
    logger.info("the server was handed over to account %s", successor)
    return nothing()


def _check_other(owner: User, user: User) -> None:
    """Raises Oneself."""
    if owner.id == user.id:
        raise Oneself("That is you. Hand the server over first.")
