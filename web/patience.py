"""How long a client may take to say what it wants, and how long it may leave an answer lying."""

import asyncio

from aiohttp import web

from sfu.errors import Refused

HEAD_S = 150.0  # from one answer, or the connection, to the next request's whole head; aiohttp's own hour invites collectors
BODY_S = 20.0  # for a body, which has at most 64 KiB
STALLED_S = 180.0  # for a piece of a recording, of 4 MB at most; then its place is another's, and a player that goes on asks for the rest


class TooSlow(Refused):
    """The body took too long."""

    status, code = 408, "too_slow"


async def body_of(request: web.Request) -> bytes:
    """The whole body. Raises TooSlow; HTTPRequestEntityTooLarge above the application's limit. aiohttp then closes the connection."""
    try:
        async with asyncio.timeout(BODY_S):
            return await request.read()
    except TimeoutError:
        raise TooSlow from None
