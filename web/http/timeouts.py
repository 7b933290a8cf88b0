"""How long a client may take to say what it wants, and how long it may leave an answer lying."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from sfu.errors import Refused
from sfu.standstill import Awake

HEAD_S = 150.0  # from one answer, or the connection, to the next request's whole head; aiohttp's own hour invites collectors
BODY_S = 20.0  # for a body, which has at most 64 KiB
STALLED_S = 180.0  # for a piece of a recording, of 4 MB at most; then its place is another's, and a player that goes on asks for the rest
LOOK_S = 0.5  # how often it is looked whether a client still waits for what takes long; aiohttp tells a handler nothing


AWAKE = web.AppKey("AWAKE", Awake)


class ClientTooSlow(Refused):
    """The body took too long."""

    status, code = 408, "too_slow"


async def body_of(request: web.Request) -> bytes:
    """The whole body. Raises TooSlow; HTTPRequestEntityTooLarge above the application's limit. aiohttp then closes the connection."""
    try:
        async with request.app[AWAKE].timeout(BODY_S):
            return await request.read()
    except TimeoutError:
        raise ClientTooSlow from None


def hang_up(request: web.Request) -> None:
    """End the connection as it is: an answer that has begun can only be broken off."""
    if request.transport is not None:
        request.transport.abort()


@asynccontextmanager
async def while_there(request: web.Request) -> AsyncIterator[None]:
    """What is done inside is cancelled soon after the client has hung up; raises ConnectionResetError then."""
    loop = asyncio.get_running_loop()

    next_look = loop.call_later(LOOK_S, lambda: look())

    def look() -> None:
        nonlocal next_look
        if request.transport is None:
            inside.reschedule(loop.time())
        else:
            next_look = loop.call_later(LOOK_S, look)

    try:
        async with asyncio.timeout(None) as inside:
            yield
    except TimeoutError:
        if not inside.expired():
            raise
        raise ConnectionResetError("the client has hung up") from None
    finally:
        next_look.cancel()
