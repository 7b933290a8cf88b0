"""Invites: links with which somebody makes an account and becomes a friend of the inviter."""

from typing import Annotated

from aiohttp import web
from msgspec import Meta

from db import invites, ownership
from db.tables import Invite
from sfu.errors import NotAllowed
from web.auth.identity import current_user, write_signed_in
from web.auth.secret import digest, fresh
from web.http.json_body import body_as, query_as
from web.http.paging import ListPage
from web.http.responses import created, id_of, nothing, ok, stamp, stamped
from web.http.shapes import Answer, Lifetime, OptionalBody, Timestamp, moment_in
from web.keys import CONFIG, DB

MOST_USES = 1000


class NewInvite(OptionalBody, frozen=True, kw_only=True):
    """How often it can be used, and how long; null: no limit."""

    uses: Annotated[int, Meta(ge=1, le=MOST_USES)] | None = None
    expires_s: Lifetime | None = None


class InviteMade(Answer, frozen=True, kw_only=True):
    """url: a path of this site, shown in this answer only."""

    id: int
    url: str


class InviteRow(Answer, frozen=True, kw_only=True):
    """An invite and how often it was used; uses null: no limit."""

    id: int
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
    body, secret = await body_as(request, NewInvite), fresh()
    invite = await write_signed_in(request, invites.add, user.id, digest(secret), body.uses, moment_in(body.expires_s))
    return created(InviteMade(id=invite.id, url=f"/register?invite={secret}"))


async def listed(request: web.Request) -> web.Response:
    """List the own invites."""
    user = await current_user(request)
    rows = await request.app[DB].read(invites.of_user, user.id, *query_as(request, ListPage).part)
    return ok(_row(row) for row in rows)


async def revoke(request: web.Request) -> web.Response:
    """Revoke an invite: nobody can register with it any more."""
    user = await current_user(request)
    await request.app[DB].run(invites.remove, user.id, id_of(request))
    return nothing()


def _row(row: Invite) -> InviteRow:
    return InviteRow(id=row.id, uses=row.uses, used=row.used, created_at=stamped(row.created_at), expires_at=stamp(row.expires_at))
