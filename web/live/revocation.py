"""Whether those who are connected still may be: accounts also go by the command line, which tells a running server nothing."""

import asyncio
import logging
from collections.abc import AsyncIterator

from aiohttp import web

from db import friendships, links, logins, recordings, tokens, users
from db.errors import Unavailable
from web.auth.downloads import DOWNLOADS
from web.auth.identity import end_all_of, end_granted, ids_in, link_grant, signed_out, token_grant
from web.auth.lately import LATELY
from web.events.presence import PRESENCE
from web.keys import DB, PRIVATE_SWITCHBOARD, SWITCHBOARD
from web.live.companion_session import COMPANIONS

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
        except Unavailable:
            pass  # which the database has said; in EVERY_S it is asked again
        except Exception:
            logger.exception("nobody was looked after; again in %s s", EVERY_S)


async def look_round(app: web.Application) -> None:
    """End sockets and downloads, and what is sent and heard, of logins, tokens, links, companion sessions, accounts that are gone."""
    grants = app[SWITCHBOARD].grants | app[PRIVATE_SWITCHBOARD].grants
    rights = app[DOWNLOADS].rights()
    if signed_in := app[PRESENCE].logins() | ids_in(grants, "login") | {right.login_id for right in rights}:
        await signed_out(app, await app[DB].read(logins.gone, signed_in))
    if used := ids_in(grants, "token"):
        await end_granted(app, {token_grant(each) for each in await app[DB].read(tokens.gone, used)})
    if opened := ids_in(grants, "link") | app[PRESENCE].links():
        gone = await app[DB].read(links.gone, opened)
        app[PRESENCE].unlinked(gone)
        await end_granted(app, {link_grant(each) for each in gone})
    if rights:
        app[DOWNLOADS].deleted(await app[DB].read(recordings.gone, {right.recording_id for right in rights}))
        for pair in await app[DB].read(friendships.parted, {(right.listener_id, right.owner_id) for right in rights}):
            app[DOWNLOADS].unfriended(*pair)
    await app[COMPANIONS].look_round()
    if heard := app[SWITCHBOARD].people() | app[PRIVATE_SWITCHBOARD].people():
        for username in await app[DB].read(users.unknown, heard):
            await end_all_of(app, username)
    await app[LATELY].look_round()  # last: it ends nothing that goes on, and knows many
