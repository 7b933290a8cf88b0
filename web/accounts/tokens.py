"""Bearer tokens for programs. The secret is shown once, when it is made."""

from typing import Annotated, Literal

from aiohttp import web
from msgspec import Meta

from db import tokens
from db.tables import Token
from sfu.rfc3339 import rfc3339
from web.auth.identity import current_user, end_granted, token_grant, write_signed_in
from web.auth.lately import LATELY
from web.auth.secret import digest, fresh
from web.events.presence import PRESENCE
from web.http.json_body import body_as, query_as
from web.http.paging import ListPage
from web.http.responses import created, id_of, nothing, ok
from web.http.shapes import Answer, Body, Timestamp, shown
from web.keys import DB

Scope = Literal["publish", "listen", "metrics"]


class NewToken(Body, frozen=True, kw_only=True):
    """What it is called, and what may be done with it."""

    name: Annotated[str, Meta(min_length=1, max_length=100, extra={"read": shown})]
    scopes: Annotated[list[Scope], Meta(min_length=1)]


class TokenMade(Answer, frozen=True, kw_only=True):
    """token: the secret, shown in this answer only."""

    id: int
    token: str


class TokenRow(Answer, frozen=True, kw_only=True):
    """A token, without its secret."""

    id: int
    name: str
    scopes: list[Scope]
    created_at: Timestamp
    last_used_at: Timestamp | None


async def make(request: web.Request) -> web.Response:
    """Make a token; its secret is in this answer only."""
    user = await current_user(request)
    body, secret = await body_as(request, NewToken), fresh()
    token = await write_signed_in(request, tokens.add, user.id, body.name, list(body.scopes), digest(secret))
    return created(TokenMade(id=token.id, token=secret))


async def listed(request: web.Request) -> web.Response:
    """List the own tokens, without their secrets."""
    user = await current_user(request)
    rows = await request.app[DB].read(tokens.of_user, user.id, *query_as(request, ListPage).part)
    return ok(_row(row) for row in rows)


async def revoke(request: web.Request) -> web.Response:
    """Revoke a token; broadcasts and listening that used it end."""
    user = await current_user(request)
    await request.app[DB].run(tokens.remove, user.id, id_of(request))
    request.app[LATELY].forget({token_grant(id_of(request))})
    await end_granted(request.app, {token_grant(id_of(request))})
    request.app[PRESENCE].rights_over()
    return nothing()


def _row(row: Token) -> TokenRow:
    used_at = rfc3339(row.last_used_at)
    return TokenRow(id=row.id, name=row.name, scopes=row.scopes, created_at=rfc3339(row.created_at), last_used_at=used_at)
