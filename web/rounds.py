"""Whether those who are connected still may be: accounts also go by the command line, which tells a running server nothing."""

import asyncio
import logging
from collections.abc import AsyncIterator

from aiohttp import web

from db import logins, tokens, users
from web.keys import COMPANIONS, DB, PRESENCE, SWITCHBOARD
from web.session import ids_in, signed_out, token_grant

logger = logging.getLogger(__name__)

EVERY_S = 5.0
LOOK_S = 60.0  # for one round: where the end of one broadcast hangs on a dead disk, others must still be looked after


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
            async with asyncio.timeout(LOOK_S):
                await look_round(app)
        except Exception:
            logger.exception("nobody was looked after; again in %s s", EVERY_S)


async def look_round(app: web.Application) -> None:
    """End the sockets, and what is sent and heard, of logins, tokens, companion sessions and accounts that are gone."""
    grants = app[SWITCHBOARD].grants
    if signed_in := app[PRESENCE].logins() | ids_in(grants, "login"):
        await signed_out(app, await app[DB].run(logins.gone, signed_in))
    if used := ids_in(grants, "token"):
        await app[SWITCHBOARD].revoke({token_grant(each) for each in await app[DB].run(tokens.gone, used)})
    await app[COMPANIONS].look_round()
    if heard := app[SWITCHBOARD].people():
        for username in await app[DB].run(users.unknown, heard):
            await app[SWITCHBOARD].clear(username)
