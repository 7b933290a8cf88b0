"""Broadcasts that move from one server to another while they are on air, without a gap.

The broadcaster sends to both for a while: `expect` at the new server, `give_up` at the one before, which serves its listeners until they
have followed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from sfu.broadcast.broadcast import Broadcast
from sfu.broadcast.snapshots import ResumableBroadcast
from sfu.broadcast.states import BroadcastState

Open = Callable[[str, str], Awaitable[Broadcast]]


class Moves:
    """Which broadcasts are this server's while some move. The switchboard owns them."""

    def __init__(self, broadcasts: Mapping[str, Broadcast], tasks: Mapping[str, asyncio.Task[None]], open_one: Open) -> None:
        """tasks: what holds each open; open_one(identity, username): open a broadcast."""
        self._broadcasts, self._tasks = broadcasts, tasks
        self._open_one = open_one
        self.leaving = False  # this server ends soon, and has asked its broadcasters to offer elsewhere

    async def expect(self, resumable: ResumableBroadcast) -> None:
        """Another server gives this broadcast up: open it for the offer that follows. Nothing where that was done for another offer.

        Raises NotLive.
        """
        snapshot = resumable.snapshot
        if await self.standing(snapshot.username) is None:
            (await self._open_one(snapshot.id, snapshot.username)).expect(snapshot)

    async def standing(self, username: str) -> Broadcast | None:
        """The user's broadcast that takes offers here, the expected one included. One that was given up is ended, for it tells nothing
        any more. Where it is None, the place is free until the caller waits for something else.
        """
        while (there := self._broadcasts.get(username)) is not None:
            if there.is_given_up:
                there.over.set()
            if not there.over.is_set():
                return there
            await asyncio.wait({self._tasks[username]})  # the previous one is still closing its files
        return None

    def is_expected(self, username: str) -> bool:
        """Whether the user's broadcast waits here for its first packet, to be gone on with."""
        broadcast = self._broadcasts.get(username)
        return broadcast is not None and not broadcast.here and broadcast.state is BroadcastState.WAITING

    def give_up(self, username: str) -> None:
        """The user's broadcast goes on at another server."""
        if (broadcast := self._broadcasts.get(username)) is not None:
            broadcast.give_up()

    def here(self, username: str) -> Broadcast | None:
        """The user's broadcast, unless it is one of another server."""
        broadcast = self._broadcasts.get(username)
        return broadcast if broadcast is not None and broadcast.here else None

    def on_air(self, username: str) -> Broadcast | None:
        """The user's broadcast where it is this server's, on air, and not just ending."""
        broadcast = self.here(username)
        return broadcast if broadcast is not None and broadcast.on_air and not broadcast.over.is_set() else None

    @property
    def unmoved(self) -> list[str]:
        """The users whose broadcasts are still to move, or whose listeners are still to follow. Who has left, or only waits for
        a broadcaster who has, needs no move.
        """
        return [name for name, each in self._broadcasts.items() if not each.over.is_set() and self._is_unmoved(each)]

    def _is_unmoved(self, broadcast: Broadcast) -> bool:
        if broadcast.here:
            return broadcast.state in (BroadcastState.WAITING, BroadcastState.LIVE)
        return broadcast.on_air and bool(broadcast.audience.listeners)

    def told(self, broadcast: Broadcast | None, node: str) -> dict[str, object]:
        """What the status says of the server: its name, and whether it leaves; nothing where it has no broadcast on air."""
        on_air = broadcast is not None and broadcast.on_air
        return {"node": node if on_air else "", "leaving": on_air and self.leaving}
