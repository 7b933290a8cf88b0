"""Invites: links with which somebody becomes a friend of the inviter, and makes an account first where there is none."""

from typing import Annotated

from aiohttp import web
from msgspec import Meta

from db import invites, ownership
from db.tables import Invite
from sfu.errors import NotFound
from sfu.rfc3339 import rfc3339
from web.auth.identity import bearer_of, current_user, write_signed_in
from web.auth.link_secrets import LINK_SECRETS
from web.auth.secret import digest
from web.errors import NotAllowed
from web.events.presence import PRESENCE
from web.http.json_body import body_as, query_as
from web.http.paging import ListPage
from web.http.responses import created, id_of, nothing, ok
from web.http.shapes import Answer, Body, Lifetime, LinkOrCode, OptionalBody, Timestamp, moment_in
from web.keys import CONFIG, DB

MOST_USES = 1000


class NewInvite(OptionalBody, frozen=True, kw_only=True):
    """How often it can be used, and how long; null: no limit."""

    uses: Annotated[int, Meta(ge=1, le=MOST_USES)] | None = None
    expires_s: Lifetime | None = None


class InviteMade(Answer, frozen=True, kw_only=True):
    """url: a path of this site."""

    id: int
    url: str


class InviteUse(Body, frozen=True, kw_only=True):
    """The code of an invite, or the whole link."""

    invite: LinkOrCode


class Inviter(Answer, frozen=True, kw_only=True):
    """Who has made an invite."""

    username: str


class InviteRow(Answer, frozen=True, kw_only=True):
    """An invite and how often it was used; uses null: no limit. url null: made by an older version, and shown once only."""

    id: int
    url: str | None
    uses: int | None
    used: int
    created_at: Timestamp
    expires_at: Timestamp | None


async def make(request: web.Request) -> web.Response:
    """Make an invite. Where registration is closed only the owner may."""
    user = await current_user(request)
    closed = request.app[CONFIG].accounts.registration == "closed"
    if closed and await request.app[DB].read(ownership.owner_id) != user.id:
        raise NotAllowed("Only the owner of this server invites here.")
    body, made = await body_as(request, NewInvite), request.app[LINK_SECRETS].fresh()
    invite = await write_signed_in(request, invites.add, user.id, made.digest, body.uses, moment_in(body.expires_s), made.nonce)
    return created(InviteMade(id=invite.id, url=_url(made.secret)))


async def listed(request: web.Request) -> web.Response:
    """List the own invites."""
    user = await current_user(request)
    rows = await request.app[DB].read(invites.of_user, user.id, *query_as(request, ListPage).part)
    return ok(_row(row, request.app[LINK_SECRETS].again(row.nonce, row.digest)) for row in rows)


async def revoke(request: web.Request) -> web.Response:
    """Revoke an invite: nobody can register with it any more."""
    user = await current_user(request)
    await request.app[DB].run(invites.remove, user.id, id_of(request))
    return nothing()


async def whose(request: web.Request) -> web.Response:
    """Who has made the invite whose code is in the Authorization header. The page of the invite asks this first."""
    code = bearer_of(request)
    invite = None if code is None else await request.app[DB].read(invites.find, digest(code))
    if invite is None:
        raise NotFound("This invite is used up, expired or unknown.")
    return ok(Inviter(username=invite.user.username))


async def use(request: web.Request) -> web.Response:
    """Become a friend of the inviter, with an account that there is."""
    user = await current_user(request)
    code = code_in((await body_as(request, InviteUse)).invite)
    inviter = await write_signed_in(request, invites.accept, user.id, digest(code))
    request.app[PRESENCE].friends.befriended(user.username, inviter.username)
    return ok(Inviter(username=inviter.username))


def code_in(invite: str) -> str:
    """The code, also where the whole link was pasted."""
    return invite.strip().rpartition("=")[2]


def _url(secret: str) -> str:
    return f"/register?invite={secret}"


def _row(row: Invite, secret: str | None) -> InviteRow:
    url = None if secret is None else _url(secret)
    return InviteRow(
        id=row.id, url=url, uses=row.uses, used=row.used, created_at=rfc3339(row.created_at), expires_at=rfc3339(row.expires_at)
    )
