"""Listen links: whoever has one hears this user's live broadcast, without an account."""

from aiohttp import web

from db import links
from sfu.errors import NotSignedIn
from web.auth.identity import current_user, link_grant, link_of, write_signed_in
from web.auth.secret import digest, fresh
from web.http.json_body import optional_fields_of
from web.http.paging import page_of
from web.http.responses import created, id_of, nothing, ok, stamp
from web.keys import DB, SWITCHBOARD


async def make(request: web.Request) -> web.Response:
    """A new link."""
    user = await current_user(request)
    fields = await optional_fields_of(request)
    expires_at = fields.optional_moment()
    fields.check()
    secret = fresh()
    link = await write_signed_in(request, links.add, user.id, digest(secret), expires_at)
    return created({"id": link.id, "url": f"/l/{secret}"})


async def listed(request: web.Request) -> web.Response:
    """One's links that were not revoked."""
    user = await current_user(request)
    rows = await request.app[DB].read(links.of_user, user.id, *page_of(request))
    return ok([{"id": link.id, "created_at": stamp(link.created_at), "expires_at": stamp(link.expires_at)} for link in rows])


async def revoke(request: web.Request) -> web.Response:
    """The link opens nothing from here on; who listens by it is dropped."""
    user = await current_user(request)
    await request.app[DB].run(links.remove, user.id, id_of(request))
    await request.app[SWITCHBOARD].revoke({link_grant(id_of(request))})
    return nothing()


async def whose(request: web.Request) -> web.Response:
    """Whom the link in the Authorization header lets one hear: what the page of the link asks first."""
    link = await link_of(request)
    if link is None:
        raise NotSignedIn("This link is not good, or no longer.")
    status = request.app[SWITCHBOARD].status(link.user.username, names=False)
    return ok({name: status[name] for name in ("username", "live", "title", "since")})
