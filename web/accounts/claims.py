"""The claim link: it makes whoever opens it the owner of a server that has none.

The link is derived from a nonce in the database with a key in a file beside it. So it stays the same after a restart, and a copy of the
database alone is not enough to make it. The transaction that sets the owner deletes the nonce, and the link with it. Only the start of the
server prints the link.
"""

import asyncio
import base64
import hashlib
import hmac
import logging
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from aiohttp import HttpVersion11, web
from msgspec import Meta

from db import ownership
from db.connection import Database
from sfu.config.schema import Config, HttpConfig
from web.auth.identity import bearer_of, current_user, write_signed_in
from web.auth.rate_limit import RATE_LIMIT
from web.auth.secret import kept_key
from web.errors import BadClaim
from web.http.addresses import in_url, is_loopback, reached_at
from web.http.json_body import body_as
from web.http.origin import ADDRESSES, is_from_this_machine
from web.http.responses import nothing
from web.http.shapes import Body
from web.keys import CONFIG, DB

logger = logging.getLogger(__name__)

KEY = "keys/claim"  # from storage.path


class ClaimUse(Body, frozen=True, kw_only=True):
    """The claim link, or its secret alone."""

    claim: Annotated[str, Meta(min_length=1, max_length=2000)]


class Claims:
    """Derives and checks the claim link's secret. key: None where the server had an owner at the start, so that no link was printed."""

    def __init__(self, database: Database, key: bytes | None) -> None:
        self._database, self._key = database, key

    @classmethod
    async def opened(cls, database: Database, storage: Path, shared: str = "") -> "Claims":
        """With the key from the storage folder. The key is made where it is missing and nobody owns the server.

        shared: the secret of several servers.
        """
        if await database.read(ownership.open_nonce) is None:
            return cls(database, None)
        try:
            return cls(database, await asyncio.to_thread(kept_key, storage / KEY, shared))
        except OSError as error:
            logger.warning("nobody owns this server, and it can make no claim link: %s: %s", storage / KEY, error.strerror)
            return cls(database, None)

    async def secret(self) -> str | None:
        """The secret of the claim link, 43 characters; None where somebody owns the server."""
        nonce = await self._database.read(ownership.open_nonce)
        return None if nonce is None or self._key is None else _secret(self._key, nonce)

    async def nonce_of(self, secret: str) -> str:
        """The nonce from which this secret is derived. Raises BadClaim."""
        nonce = await self._database.read(ownership.open_nonce)
        if nonce is None:
            raise BadClaim("This server has an owner already; the claim link is used up.")
        if self._key is None or not hmac.compare_digest(_secret(self._key, nonce).encode(), secret.encode("utf-8", "replace")):
            raise BadClaim
        return nonce


CLAIMS = web.AppKey("CLAIMS", Claims)


def is_by_its_host(request: web.Request) -> bool:
    """Whether the request comes from the server's own machine: then the first account becomes the owner without a claim.

    With a public URL there is a proxy in front of the server. A proxy that adds no headers looks like this machine; nginx's default
    HTTP/1.0 gives it away. A page of another site, open in a browser here, passes the general guard with any Authorization header:
    so the origin is checked too.
    """
    public = urlsplit(request.app[CONFIG].http.public_url).hostname
    here = is_from_this_machine(request) and request.version >= HttpVersion11 and request.app[ADDRESSES].is_own_origin(request)
    return here and (public is None or is_loopback(public))


async def nonce_claimed(request: web.Request, claim: str) -> str:
    """The nonce of a claim, which is the whole link or its secret. Counts against the rate limit of joining. Raises BadClaim, TooMany."""
    await request.app[RATE_LIMIT].join(request.app[ADDRESSES].client(request))
    return await request.app[CLAIMS].nonce_of(claim.strip().rpartition("=")[2])


async def look(request: web.Request) -> web.Response:
    """Whether the bearer of this claim link can still become the owner."""
    await nonce_claimed(request, bearer_of(request) or "")
    return nothing()


async def use(request: web.Request) -> web.Response:
    """The account that is signed in becomes the owner, by the claim link."""
    user = await current_user(request)
    body = await body_as(request, ClaimUse)
    await write_signed_in(request, ownership.claim, user.id, await nonce_claimed(request, body.claim))
    return nothing()


async def told_at_start(app: web.Application, config: Config, port: int, *, secure: bool) -> list[str]:
    """The lines that a start prints about the owner: none where there is one, else the claim link and how it goes with registration."""
    secret = await app[CLAIMS].secret()
    if secret is None:
        return []
    site = await asyncio.to_thread(_site, config.http, port, secure=secure)
    lines = [f"claim this server: {site}/register?claim={secret}"]
    if config.accounts.registration != "open":
        or_here = ", or by `python3 run.py user add NAME`" if await app[DB].read(ownership.is_empty) else ""
        closed = f'accounts.registration = "{config.accounts.registration}"'
        lines.insert(0, f"{closed}: the owner's account is made by the claim link below all the same{or_here}")
    return lines


def _site(http: HttpConfig, port: int, *, secure: bool) -> str:
    """The site of the claim link, as other machines reach it: on this machine the first account needs no link."""
    if http.public_url:
        return http.public_url.rstrip("/")
    return f"{'https' if secure else 'http'}://{in_url(reached_at(http.host))}:{port}"


def _secret(key: bytes, nonce: str) -> str:
    return base64.urlsafe_b64encode(hmac.digest(key, nonce.encode(), hashlib.sha256)).decode().rstrip("=")
