"""Whether those who are connected still may be: accounts also go by the command line, which tells a running server nothing."""

import asyncio
import logging
from collections.abc import AsyncIterator

from aiohttp import web

from db import logins, users
from web.keys import DB, PRESENCE, SWITCHBOARD

logger = logging.getLogger(__name__)

EVERY_S = 5.0


async def rounds(app: web.Application) -> AsyncIterator[None]:
    """Cleanup context: looks round while the app runs."""
    task = asyncio.create_task(_for_ever(app), name="rounds")
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _for_ever(app: web.Application) -> None:
    while True:
        await asyncio.sleep(EVERY_S)
        try:
            await look_round(app)
        except Exception:
            logger.exception("nobody was looked after; again in %s s", EVERY_S)


async def look_round(app: web.Application) -> None:
    """End the sockets whose login is gone, and what those send and hear whose account is."""
    if signed_in := app[PRESENCE].logins():
        app[PRESENCE].signed_out(await app[DB].run(logins.gone, signed_in))
    if heard := app[SWITCHBOARD].people():
        for username in await app[DB].run(users.unknown, heard):
            await app[SWITCHBOARD].clear(username)
