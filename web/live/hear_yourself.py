"""Hear yourself: a private broadcast of some seconds through the server's own worker, before one goes live.

It has a switchboard of its own, whose broadcasts are recorded and announced by nobody: no friend sees or hears one.
"""

import asyncio
import secrets
from types import TracebackType
from typing import Annotated, Self

from aiohttp import web
from msgspec import Meta

from sfu.broadcast.switchboard import Switchboard
from sfu.errors import NotFound
from sfu.tasks import start_task
from web.auth.identity import current_user
from web.errors import TooMany
from web.events.stream_status import StreamStatus
from web.http.responses import created, ok, shaped
from web.http.shapes import Answer
from web.keys import NODE, SWITCHBOARD

LIFE_S = 15.0  # from the request to the end; the page needs five seconds of sound, and some to connect
MOST = 8  # at once, of all users
AFTER_S = 2.0  # an offer that was being answered at the end has been answered by then

Ticket = Annotated[str, Meta(max_length=100, description="of POST /api/hear-yourself")]


class HearYourselfMade(Answer, frozen=True, kw_only=True):
    """Where to send one's voice by WHIP, and where to hear it by WHEP: add `&variant=original` or `&variant=denoised`."""

    whip: str
    whep: str


class HearYourself:
    """Owns the switchboard of private broadcasts, and one task a user that ends theirs. Async context manager."""

    def __init__(self, switchboard: Switchboard) -> None:
        """switchboard: for these broadcasts alone; it is opened and closed here."""
        self.switchboard = switchboard
        self._tickets: dict[str, str] = {}  # user -> ticket
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        await self.switchboard.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await self.switchboard.__aexit__(kind, error, trace)

    async def begin(self, username: str) -> str:
        """A ticket with which this user may send and hear for LIFE_S; the one before ends. Raises TooMany."""
        if len(self._tickets.keys() - {username}) >= MOST:
            raise TooMany("Others are trying their microphones; wait a little.", retry_after_s=LIFE_S)
        ticket = self._tickets[username] = secrets.token_urlsafe(12)
        if (before := self._tasks.pop(username, None)) is not None:
            before.cancel()
        self._tasks[username] = start_task(self._ended(username, ticket), name="hear yourself")
        await self.switchboard.clear(username)
        return ticket

    def check(self, username: str, ticket: str) -> None:
        """Raises NotFound unless this is the user's ticket and its time is not over."""
        if self._tickets.get(username) != ticket:
            raise NotFound("That is over. Begin again.")

    async def _ended(self, username: str, ticket: str) -> None:
        """End what was begun with a ticket when its time is over; once more for an offer that was being answered meanwhile."""
        await asyncio.sleep(LIFE_S)
        if self._tickets.get(username) == ticket:
            del self._tickets[username]
        await self.switchboard.clear(username)
        await asyncio.sleep(AFTER_S)
        await self.switchboard.clear(username)
        if self._tasks.get(username) is asyncio.current_task():
            del self._tasks[username]


HEAR_YOURSELF = web.AppKey("HEAR_YOURSELF", HearYourself)


def switchboard_for(request: web.Request, broadcaster: str, asker: str, ticket: str) -> Switchboard:
    """Where an offer goes: to the asker's own private broadcast where it brings a ticket. Raises NotFound, also for somebody else's."""
    if not ticket:
        return request.app[SWITCHBOARD]
    ticket = ticket.rpartition(".")[2]  # of several servers, without the name of this one
    if broadcaster != asker:
        raise NotFound("Nobody hears another one's microphone before it is live.")
    request.app[HEAR_YOURSELF].check(asker, ticket)
    return request.app[HEAR_YOURSELF].switchboard


async def begin(request: web.Request) -> web.Response:
    """Hear one's own voice, raw and clean, as the server would send it; nobody else hears or sees it. It ends after 15 s."""
    user = await current_user(request)
    ticket = await request.app[HEAR_YOURSELF].begin(user.username)
    query = f"{user.username}?hear_yourself={f'{request.app[NODE]}.' if NODE in request.app else ''}{ticket}"
    return created(HearYourselfMade(whip=f"/whip/{query}", whep=f"/whep/{query}"))


async def status(request: web.Request) -> web.Response:
    """The state of one's private broadcast, as of a live one: whether it is cleaned, and why not."""
    user = await current_user(request)
    return ok(shaped(StreamStatus, request.app[HEAR_YOURSELF].switchboard.status(user.username, names=True)))
