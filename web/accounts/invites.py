"""Invites: links by which somebody makes an account and is a friend at once."""

from aiohttp import web

from db import invites, ownership
from sfu.errors import NotAllowed
from web.auth.identity import current_user, write_signed_in
from web.auth.secret import digest, fresh
from web.http.json_body import optional_fields_of
from web.http.paging import page_of
from web.http.responses import created, id_of, nothing, ok, stamp
from web.keys import CONFIG, DB

MOST_USES = 1000


async def make(request: web.Request) -> web.Response:
    """A new invite. Where registration is closed only the owner may."""
    user = await current_user(request)
    closed = request.app[CONFIG].accounts.registration == "closed"
    if closed and await request.app[DB].read(ownership.owner_id) != user.id:
        raise NotAllowed("Only the owner of this server invites here.")
    fields = await optional_fields_of(request)
    uses, expires_at = fields.optional_count("uses", MOST_USES), fields.optional_moment()
    fields.check()
    secret = fresh()
    invite = await write_signed_in(request, invites.add, user.id, digest(secret), uses, expires_at)
    return created({"id": invite.id, "url": f"/register?invite={secret}"})


async def listed(request: web.Request) -> web.Response:
    """One's invites and how often they were used."""
    user = await current_user(request)
    return ok(
        [
            {
                "id": invite.id,
                "uses": invite.uses,
                "used": invite.used,
                "created_at": stamp(invite.created_at),
                "expires_at": stamp(invite.expires_at),
            }
            for invite in await request.app[DB].read(invites.of_user, user.id, *page_of(request))
        ]
    )


async def revoke(request: web.Request) -> web.Response:
    """Nobody joins by it from here on."""
    user = await current_user(request)
    await request.app[DB].run(invites.remove, user.id, id_of(request))
    return nothing()
