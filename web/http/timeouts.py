"""Time limits of clients: for sending a request, and for reading the answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from sfu.standstill import StandstillDetector
from web.errors import ClientTooSlow

HEAD_S = 150.0  # from accept, or from the last answer, to the end of the next request's head; aiohttp's default is an hour
BODY_S = 20.0  # for a body of at most 64 KiB
STALLED_S = 180.0  # to take 4 MB of a recording, or any byte of an answer; a player that continues later asks for the rest
LOOK_S = 0.5  # between checks whether the client is still connected; aiohttp does not tell handlers


STANDSTILL = web.AppKey("STANDSTILL", StandstillDetector)


async def body_of(request: web.Request) -> bytes:
    """The whole body. Raises ClientTooSlow; HTTPRequestEntityTooLarge above the application's limit. aiohttp then closes the connection."""
    try:
        async with request.app[STANDSTILL].timeout(BODY_S):
            return await request.read()
    except TimeoutError:
        raise ClientTooSlow from None


def hang_up(request: web.Request) -> None:
    """Abort the connection: an answer that has begun cannot become an error."""
    if request.transport is not None:
        request.transport.abort()


@asynccontextmanager
async def while_there(request: web.Request) -> AsyncIterator[None]:
    """Cancel the block within LOOK_S after the client has disconnected, and raise ConnectionResetError."""
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
