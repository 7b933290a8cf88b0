"""An id for each request: in the header X-Request-ID of its answer, and in every log line about it."""

import re
import secrets
from contextvars import ContextVar

from aiohttp import web

from web.http.origin import ADDRESSES

HEADER = "X-Request-ID"
FORM = re.compile(r"[A-Za-z0-9._-]{1,64}")  # of a proxy's id: no space, quote or line break
# What a request starts (a broadcast, say) goes on in tasks, whose lines carry the id too.
_REQUEST: ContextVar[str] = ContextVar("request", default="")


def request_id() -> str:
    """The id of the request that is being answered; empty outside of one."""
    return _REQUEST.get()


def begin_request(request: web.Request) -> None:
    """Give the request its id. The one that a trusted proxy has given counts; anybody else's is ignored."""
    told = request.headers.getall(HEADER, [])
    known = len(told) == 1 and FORM.fullmatch(told[0]) and request.app[ADDRESSES].is_trusted(request.remote or "")
    _REQUEST.set(told[0] if known else secrets.token_hex(6))


async def tell_request_id(request: web.Request, response: web.StreamResponse) -> None:
    """Signal handler: put the id into the answer, those of sockets and streams included."""
    response.headers[HEADER] = request_id()
