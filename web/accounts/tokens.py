"""Bearer tokens for programs: made once, shown once."""

from aiohttp import web

from db import tokens
from web.auth.identity import current_user, token_grant, write_signed_in
from web.auth.secret import digest, fresh
from web.http.json_body import fields_of
from web.http.paging import page_of
from web.http.responses import created, id_of, nothing, ok, stamp
from web.keys import DB, SWITCHBOARD

SCOPES = ("publish", "listen", "metrics")


async def make(request: web.Request) -> web.Response:
    """A new token, shown in this answer only."""
    user = await current_user(request)
    fields = await fields_of(request)
    name, scopes = fields.shown("name", 100), fields.choices("scopes", SCOPES)
    fields.check()
    secret = fresh()
    token = await write_signed_in(request, tokens.add, user.id, name, scopes, digest(secret))
    return created({"id": token.id, "token": secret})


async def listed(request: web.Request) -> web.Response:
    """One's tokens, without their secrets."""
    user = await current_user(request)
    return ok(
        [
            {
                "id": token.id,
                "name": token.name,
                "scopes": token.scopes,
                "created_at": stamp(token.created_at),
                "last_used_at": stamp(token.last_used_at),
            }
            for token in await request.app[DB].read(tokens.of_user, user.id, *page_of(request))
        ]
    )


async def revoke(request: web.Request) -> web.Response:
    """The token is good for nothing from here on; what is sent and heard by it ends."""
    user = await current_user(request)
    await request.app[DB].run(tokens.remove, user.id, id_of(request))
    await request.app[SWITCHBOARD].revoke({token_grant(id_of(request))})
    return nothing()
