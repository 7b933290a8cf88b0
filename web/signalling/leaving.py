"""The end of one of several servers: what is on air here goes on at the others before it closes."""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress

from aiohttp import web

from web.events.presence import PRESENCE
from web.keys import SWITCHBOARD
from web.nodes.directory import DIRECTORY
from web.nodes.membership import MEMBERSHIP
from web.nodes.placement import takes_new

logger = logging.getLogger(__name__)

LOOK_S = 0.05  # between two looks at what is left


async def leave(app: web.Application, within_s: float, at_once: asyncio.Event) -> None:
    """Ask the pages to offer elsewhere, and wait until all broadcasts have moved and their listeners have followed.

    No longer than `within_s`, and not where no other server takes anything, or once `at_once` is set. What is left then is parked, as at
    the end of one server alone. The app counts as draining already.
    """
    moves = app[SWITCHBOARD].moves
    moves.leaving = True
    await app[MEMBERSHIP].say_how_it_is()  # first: the offers that follow are placed by it
    asked = moves.unmoved
    for username in asked:
        app[PRESENCE].on_status(username)
    try:
        async with asyncio.timeout(within_s):
            while moves.unmoved and _is_another_there(app) and not at_once.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await at_once.wait()
    except TimeoutError:
        logger.warning("after %g s still here: %s", within_s, _list(moves.unmoved))
    else:
        if asked:
            logger.info("moved: %s", _list(set(asked).difference(moves.unmoved)))


def _is_another_there(app: web.Application) -> bool:
    own = app[DIRECTORY].own
    return any(takes_new(node, own) for name, node in app[DIRECTORY].nodes().items() if name != own.name)


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nobody"
