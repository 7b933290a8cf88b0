"""Listen links: whoever has one can listen to the user's live broadcast without an account."""

from aiohttp import web

from db import links
from sfu.errors import NotSignedIn
from web.auth.identity import current_user, link_grant, link_of, write_signed_in
from web.auth.secret import digest, fresh
from web.http.json_body import body_as, query_as
from web.http.paging import ListPage
from web.http.responses import created, id_of, nothing, ok, shaped, stamp, stamped
from web.http.shapes import Answer, Lifetime, OptionalBody, Timestamp, moment_in
from web.keys import DB, SWITCHBOARD


class NewListenLink(OptionalBody, frozen=True, kw_only=True):
    """How long it can be used; null: until it is deleted."""

    expires_s: Lifetime | None = None


class ListenLinkMade(Answer, frozen=True, kw_only=True):
    """url: a path of this site, shown in this answer only."""

    id: int
    url: str


class ListenLinkRow(Answer, frozen=True, kw_only=True):
    """A listen link, without its secret."""

    id: int
    created_at: Timestamp
    expires_at: Timestamp | None


class Linked(Answer, frozen=True, kw_only=True):
    """Whom a listen link lets one hear, and whether there is something to hear."""

    username: str
    live: bool
    title: str | None
    since: Timestamp | None


async def make(request: web.Request) -> web.Response:
    """Make a listen link."""
    user = await current_user(request)
    body, secret = await body_as(request, NewListenLink), fresh()
    link = await write_signed_in(request, links.add, user.id, digest(secret), moment_in(body.expires_s))
    return created(ListenLinkMade(id=link.id, url=f"/l/{secret}"))


async def listed(request: web.Request) -> web.Response:
    """List the own listen links."""
    user = await current_user(request)
    rows = await request.app[DB].read(links.of_user, user.id, *query_as(request, ListPage).part)
    return ok(ListenLinkRow(id=row.id, created_at=stamped(row.created_at), expires_at=stamp(row.expires_at)) for row in rows)


async def revoke(request: web.Request) -> web.Response:
    """Revoke a listen link; whoever listens with it is disconnected."""
    user = await current_user(request)
    await request.app[DB].run(links.remove, user.id, id_of(request))
    await request.app[SWITCHBOARD].revoke({link_grant(id_of(request))})
    return nothing()


async def whose(request: web.Request) -> web.Response:
    """Whose broadcast the listen link in the Authorization header opens. The page of the link asks this first."""
    link = await link_of(request)
    if link is None:
        raise NotSignedIn("This link is not good, or no longer.")
    status = request.app[SWITCHBOARD].status(link.user.username, names=False)
    return ok(shaped(Linked, {name: status[name] for name in Linked.__struct_fields__}))
