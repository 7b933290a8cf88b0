"""Listen links: whoever has one can listen to the user's live broadcast without an account."""

from aiohttp import web

from db import links
from db.tables import ListenLink
from sfu.errors import NotSignedIn
from sfu.rfc3339 import rfc3339
from web.auth.identity import current_user, link_grant, link_of, write_signed_in
from web.auth.lately import LATELY
from web.auth.link_secrets import LINK_SECRETS
from web.events.presence import PRESENCE
from web.http.json_body import body_as, query_as
from web.http.paging import ListPage
from web.http.responses import created, id_of, nothing, ok, shaped
from web.http.shapes import Answer, Lifetime, OptionalBody, Timestamp, moment_in
from web.keys import DB, SWITCHBOARD
from web.live.broadcast_control import states_of


class NewListenLink(OptionalBody, frozen=True, kw_only=True):
    """How long it can be used; null: until it is deleted."""

    expires_s: Lifetime | None = None


class ListenLinkMade(Answer, frozen=True, kw_only=True):
    """url: a path of this site."""

    id: int
    url: str


class ListenLinkRow(Answer, frozen=True, kw_only=True):
    """A listen link. url: a path of this site; null for a link of an older version, which was shown once only."""

    id: int
    url: str | None
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
    body, made = await body_as(request, NewListenLink), request.app[LINK_SECRETS].fresh()
    link = await write_signed_in(request, links.add, user.id, made.digest, moment_in(body.expires_s), made.nonce)
    return created(ListenLinkMade(id=link.id, url=_url(made.secret)))


async def listed(request: web.Request) -> web.Response:
    """List the own listen links."""
    user = await current_user(request)
    rows = await request.app[DB].read(links.of_user, user.id, *query_as(request, ListPage).part)
    return ok(_row(row, request.app[LINK_SECRETS].again(row.nonce, row.digest)) for row in rows)


async def revoke(request: web.Request) -> web.Response:
    """Revoke a listen link; whoever listens with it is disconnected."""
    user = await current_user(request)
    await request.app[DB].run(links.remove, user.id, id_of(request))
    request.app[LATELY].forget({link_grant(id_of(request))})
    request.app[PRESENCE].unlinked({id_of(request)})
    await request.app[SWITCHBOARD].revoke({link_grant(id_of(request))})
    request.app[PRESENCE].rights_over()
    return nothing()


async def whose(request: web.Request) -> web.Response:
    """Whose broadcast the listen link in the Authorization header opens. The page of the link asks this first."""
    link = await link_of(request)
    if link is None:
        raise NotSignedIn("This link is not good, or no longer.")
    status = (await states_of(request.app, {link.user.username: False}))[0]
    return ok(shaped(Linked, {name: status[name] for name in Linked.__struct_fields__}))


def _url(secret: str) -> str:
    return f"/l/{secret}"


def _row(row: ListenLink, secret: str | None) -> ListenLinkRow:
    url = None if secret is None else _url(secret)
    return ListenLinkRow(id=row.id, url=url, created_at=rfc3339(row.created_at), expires_at=rfc3339(row.expires_at))
