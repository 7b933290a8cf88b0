"""What a node may have missed while it heard nothing of the others: the directory and the database say how things are now."""

import asyncio
import logging
from collections.abc import Callable
from types import TracebackType
from typing import Self

from db import friendships, users
from db.connection import Database
from db.errors import Unavailable
from sfu.broadcast.switchboard import Switchboard
from sfu.tasks import cancel_and_wait, start_task
from web.events.node_messages import FriendAsked
from web.events.presence import Presence
from web.nodes.directory import NODE_S, Directory
from web.nodes.redis_connection import RedisAway, RedisRefused

logger = logging.getLogger(__name__)

AGAIN_S = 2.0  # after Redis or the database was away
REST_EVERY = 50  # users, after which other work of the loop has its turn


class Snapshot:
    """Owns the task that takes it: at once when asked, and again when others have had the time to write what Redis had lost."""

    def __init__(
        self, database: Database, directory: Directory, presence: Presence, switchboard: Switchboard, unsettled_s: Callable[[], float]
    ) -> None:
        """unsettled_s: for how long others may still be writing what Redis has lost, which may be again while it is taken."""
        self.taken = 0
        self._unsettled_s = unsettled_s
        self._database, self._directory, self._presence, self._switchboard = database, directory, presence, switchboard
        self._newest_request = 0
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """What was asked for until now is not missed: sockets open later than this. Raises Unavailable."""
        self._newest_request = await self._database.read(friendships.newest_request)
        self._task = start_task(self._take_all(), "snapshot")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._task is not None:
            await cancel_and_wait(self._task)

    async def ask(self) -> None:
        """Redis is there again."""
        self.want()

    def want(self) -> None:
        """Take it soon."""
        self._wanted.set()

    async def _take_all(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                await self._directory.read_all(complete=False)
                await self._compare_friends()
                await self._compare_listeners()
                wait_s: float = NODE_S
                while wait_s > 0:  # then each node has written what Redis had lost
                    await asyncio.sleep(wait_s)
                    wait_s = self._unsettled_s()
                await self._directory.read_all(complete=True)
                self.taken += 1
            except RedisAway:
                pass  # it is wanted again when Redis is back
            except (RedisRefused, Unavailable) as error:
                logger.info("the snapshot is taken again in %s s: %s", AGAIN_S, error)
                await asyncio.sleep(AGAIN_S)
                self._wanted.set()
            except Exception:
                logger.exception("the snapshot could not be taken")
                await asyncio.sleep(AGAIN_S)

    async def _compare_friends(self) -> None:
        """Tell presence sockets of friendships and requests that they have not heard of."""
        sockets = self._presence.friends
        for place, username in enumerate(list(sockets.users)):
            user = await self._database.read(users.find, username)
            if user is not None:
                friends = await self._database.read(friendships.friends_of, user.id)
                sockets.compare(username, [friend.username for friend in friends])
            if place % REST_EVERY == REST_EVERY - 1:
                await asyncio.sleep(0)
        for request in await self._database.read(friendships.asked_after, self._newest_request):
            self._newest_request = max(self._newest_request, request.id)
            sockets.hear(FriendAsked(asked=request.asked.username, asker=request.asker.username, request=request.id))

    async def _compare_listeners(self) -> None:
        """End the sockets and the listening of those who are no longer friends of whom they hear."""
        heard = {name: set(broadcasters) for name, broadcasters in self._presence.heard_by().items()}
        for broadcaster, listener in self._switchboard.hearing():
            heard.setdefault(listener, set()).add(broadcaster)
        for listener, broadcasters in heard.items():
            user = await self._database.read(users.find, listener)
            if user is None:
                continue  # the rounds end what an account has left
            friends = {each.username for each in await self._database.read(friendships.among, user.id, broadcasters)}
            for broadcaster in broadcasters - friends:
                self._presence.friends.part(listener, broadcaster)
                await self._switchboard.drop_listener(broadcaster, listener)
