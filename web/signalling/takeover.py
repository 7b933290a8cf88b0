"""A broadcast whose node leaves or does not answer goes on here: same id, title, mute and denoising, and a higher epoch."""

import asyncio
import logging
from weakref import WeakValueDictionary

from aiohttp import web

from db import broadcasts
from db.tables import User
from web.keys import DB, NODE, SWITCHBOARD
from web.live.logbook import LOGBOOK
from web.nodes.directory import DIRECTORY
from web.nodes.membership import MEMBERSHIP
from web.nodes.records import AirRecord
from web.recordings.archive import ARCHIVE

logger = logging.getLogger(__name__)

TURNS: web.AppKey["WeakValueDictionary[str, asyncio.Lock]"] = web.AppKey("TURNS", WeakValueDictionary)  # by user; gone when nobody waits


async def take_over(app: web.Application, user: User) -> None:
    """Resume here, parked, what another node has on air of this user by the directory. Its broadcaster's offer, which is answered next,
    makes it live. Nothing where there is none; a row alone, of which no node has told lately, is of a broadcast long gone. Raises
    Unavailable, NotLive.

    Of a node that leaves it stays until the offer's first packet has come: the epoch is taken, and the broadcast told of, only then.

    What the other node has recorded stays there for now; here the recording goes on with a part of its own, which is taken with the epoch.
    """
    air = app[DIRECTORY].air(user.username)
    if air is None or air.node == app[NODE] or app[SWITCHBOARD].holds(user.username):
        return
    async with app[TURNS].setdefault(user.username, asyncio.Lock()):  # two offers at once take it over once
        await _resume(app, user, air)


async def _resume(app: web.Application, user: User, air: AirRecord) -> None:
    if app[SWITCHBOARD].holds(user.username):
        return  # another offer has come first
    row = await app[DB].read(broadcasts.of_user, user.id)
    if row is None or row.id != air.broadcast or row.node == app[NODE]:
        return
    moves = app[SWITCHBOARD].moves
    if moves.is_expected(user.username) or await app[MEMBERSHIP].is_leaving(air.node):  # also where the one that leaves dies meanwhile
        await moves.expect(await app[LOGBOOK].given_up(row))
        if moves.is_expected(user.username):  # it has not begun meanwhile, and been given its epoch
            app[MEMBERSHIP].expect(row.id)
        return
    epoch, left = await app[LOGBOOK].take_over(row)
    if left.tape is not None:
        app[ARCHIVE].epochs.begun(left.tape[0], left.snapshot.tape)
    has_begun_anew = await moves.standing(user.username) is not None  # one that still ends here, or was given up, makes way
    if not has_begun_anew:
        await app[SWITCHBOARD].restore([left])
    if has_begun_anew or not app[SWITCHBOARD].holds(user.username):  # or it could not be resumed
        if left.tape is not None:
            await app[ARCHIVE].give_up(left.tape[0])
        return
    app[MEMBERSHIP].hold(user.username, row.id, epoch)  # before anything else runs: it is announced with this epoch
    app[SWITCHBOARD].await_returns(user.username)
    logger.info("%s: taken over from node %s", row.id, air.node)
