"""This node's broadcasts as the others see them: each has an epoch of the database, and is announced when it begins, changes or ends.

A lease is the right to say "this broadcast is mine". It lapses when the directory was not renewed for LEASE_S, by this process' own
clock: then the database is asked whether the epoch is still the newest before anything more is announced.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Collection, Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self

from db import epochs, recording_parts, users
from db.connection import Database
from db.errors import Missing, StaleEpoch, Unavailable
from sfu.broadcast.switchboard import Switchboard
from sfu.errors import NotLive
from sfu.tasks import BackgroundTasks, cancel_and_wait, start_task
from web.nodes.directory import NODE_S, Directory
from web.nodes.records import AirRecord

logger = logging.getLogger(__name__)

LEASE_S = NODE_S
MOST_EPOCHS = 10_000
LAST_S = 1.0  # how long the end of the server waits for what other nodes have taken over
AGAIN_S = 1.0  # after the database was away


class Lease(NamedTuple):
    """A broadcast of this node, and the epoch with which the node has it."""

    broadcast: str
    epoch: int


class Leases:
    """Owns the task that announces, and those that end what another node has taken over."""

    def __init__(self, database: Database, directory: Directory, switchboard: Switchboard, kept: Mapping[str, int]) -> None:
        """kept: the epochs of the broadcasts that the last run has left, by broadcast."""
        self._database, self._directory, self._switchboard = database, directory, switchboard
        self._held: dict[str, Lease] = {}
        self._epochs = OrderedDict(kept)  # by broadcast, also of those that have ended: their rows are still written
        self._moved: set[str] = set()  # of those, what another node has had since
        self._taking = asyncio.Lock()
        self._told: dict[str, AirRecord] = {}  # as announced last
        self._due: set[str] = set()
        self._wake = asyncio.Event()
        self._checking = asyncio.Lock()
        self._renewed_s = now_s()
        self._ending = BackgroundTasks()
        self._task: asyncio.Task[None] | None = None
        directory.on_lost = self._lose

    async def __aenter__(self) -> Self:
        self._due |= self._switchboard.people()  # what the last run has left on air
        self._wake.set()
        self._task = start_task(self._settle_all(), "leases")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """What is on air stays announced until its record lapses."""
        if self._task is not None:
            await cancel_and_wait(self._task)
        try:
            async with asyncio.timeout(LAST_S):
                await self._ending.wait()
        except TimeoutError:
            logger.warning("broadcasts that other nodes have now have not ended in time")

    def note(self, username: str) -> None:
        """The user's broadcast here has begun, changed or ended."""
        self._due.add(username)
        self._wake.set()

    def hold(self, username: str, broadcast: str, epoch: int) -> None:
        """This node has the broadcast with this epoch from now on."""
        self._held[username] = Lease(broadcast, epoch)
        self._epochs[broadcast] = epoch
        self._epochs.move_to_end(broadcast)
        self._moved.discard(broadcast)
        if len(self._epochs) > MOST_EPOCHS:
            self._moved.discard(self._epochs.popitem(last=False)[0])
        self.note(username)

    def expect(self, broadcast: str) -> None:
        """Another node has the broadcast and gives it up: if it goes on here, that is with a new epoch. What this node still writes about
        the time when it had it itself is written, and refused, under the epoch of that time.
        """
        if broadcast in self._epochs:
            self._moved.add(broadcast)

    async def take(self, username: str, broadcast: str) -> int | None:
        """The epoch of the user's broadcast here, taken now if it has none; None for one that is not on air, or that the last run has
        left without an epoch: another node may have it, which `_begin` looks up first. Raises Unavailable, Missing.
        """
        async with self._taking:
            if (epoch := self._usable(broadcast)) is not None:
                return epoch
            status = self._status(username)
            if status["broadcast"] != broadcast or status["state"] == "parked":
                return None
            return (await self._take(username, broadcast)).epoch

    def epoch_of(self, broadcast: str) -> int | None:
        """The epoch with which this node has the broadcast, or had it last."""
        return self._epochs.get(broadcast)

    def _usable(self, broadcast: str) -> int | None:
        return None if broadcast in self._moved else self._epochs.get(broadcast)

    def stale(self, broadcast: str) -> None:
        """The database has refused the epoch of this broadcast: another node has it."""
        for username in [name for name, lease in self._held.items() if lease.broadcast == broadcast]:
            self._end(username, broadcast)

    @property
    def lapsed(self) -> bool:
        """Whether another node may have taken over meanwhile what is held here."""
        return now_s() - self._renewed_s >= LEASE_S

    def renewed(self, at_s: float) -> None:
        """The directory was renewed by a question that began at this time of `now_s`."""
        self._renewed_s = at_s

    @property
    def held(self) -> Collection[str]:
        """The users whose broadcasts are held here."""
        return self._held.keys()

    async def check(self) -> None:
        """Where the leases have lapsed, ask the database whether their epochs are the newest. Raises Unavailable."""
        async with self._checking:
            if not self.lapsed:
                return
            begun_s = now_s()
            for username, lease in list(self._held.items()):
                try:
                    await self._database.run(epochs.check, lease.broadcast, lease.epoch)
                except StaleEpoch:
                    self._end(username, lease.broadcast)
            self.renewed(begun_s)

    async def _settle_all(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            due, self._due = self._due, set()
            for username in due:
                try:
                    await self._settle(username)
                except Unavailable:
                    asyncio.get_running_loop().call_later(AGAIN_S, self.note, username)
                except Missing:
                    pass  # the account is gone; so will be its broadcast
                except Exception:
                    logger.exception("a broadcast could not be announced")

    async def _settle(self, username: str) -> None:
        """Announce what the user's broadcast is now, if that is news."""
        await self.check()
        status, lease = self._status(username), self._held.get(username)
        if self._switchboard.live_since(username) is None:  # also while it is closing, when its status is still `live`
            if lease is not None:
                del self._held[username]
                self._told.pop(username, None)
                await self._directory.withdraw(username, lease.epoch)
            return
        if lease is None or lease.broadcast != status["broadcast"]:
            lease = await self._begin(username, status)
            if lease is None:
                return
            if self._status(username)["broadcast"] != lease.broadcast:
                self.note(username)  # it has ended meanwhile
                return
            status = self._status(username)
        record = self._record(username, lease, status)
        if record != self._told.get(username):
            self._told[username] = record
            if not await self._directory.announce(record) and self._held.get(username) == lease:
                newer = self._directory.air(username)
                self._end(username, newer.broadcast if newer is not None else "")

    async def _begin(self, username: str, status: Mapping[str, Any]) -> Lease | None:
        """Take an epoch for a broadcast that has none; one that the last run has left keeps its own. None where another node has it:
        such a one may have moved."""
        if status["state"] == "parked":
            other = await self._directory.look_up(username)
            if other is not None and other.broadcast == status["broadcast"] and self._directory.elsewhere(username) is not None:
                self._lose(other)
                return None
        async with self._taking:
            held, kept = self._held.get(username), self._usable(status["broadcast"])
            if held is not None and held.broadcast == status["broadcast"]:
                return held
            return await (self._take(username, status["broadcast"]) if kept is None else self._keep(username, status["broadcast"], kept))

    async def _take(self, username: str, broadcast: str) -> Lease:
        user = await self._database.read(users.find, username)
        if user is None:
            raise Missing("no_such_user")
        epoch = await self._database.run(recording_parts.take, user.id, broadcast, self._directory.own.name)
        self.hold(username, broadcast, epoch)
        return self._held[username]

    async def _keep(self, username: str, broadcast: str, epoch: int) -> Lease | None:
        """Go on with the epoch from before the restart, unless another node has a newer one: then end it."""
        try:
            await self._database.run(epochs.check, broadcast, epoch)
        except StaleEpoch:
            self._end(username, broadcast)
            return None
        self.hold(username, broadcast, epoch)
        return self._held[username]

    def _record(self, username: str, lease: Lease, status: Mapping[str, Any]) -> AirRecord:
        return AirRecord(
            username=username,
            broadcast=lease.broadcast,
            node=self._directory.own.name,
            epoch=lease.epoch,
            since=status["since"],
            title=status["title"],
            state=status["state"],
        )

    def _status(self, username: str) -> dict[str, Any]:
        return self._switchboard.status(username, names=False)

    def _lose(self, newer: AirRecord) -> None:
        """Another node has a newer epoch."""
        self._end(newer.username, newer.broadcast)

    def _end(self, username: str, goes_on: str) -> None:
        """goes_on: the broadcast that another node has. A node that leaves serves its listeners until they have followed."""
        self._held.pop(username, None)
        self._told.pop(username, None)
        if self._switchboard.moves.leaving and self._status(username)["broadcast"] == goes_on:
            self._switchboard.moves.give_up(username)
        else:
            self._ending.start(self._stop(username))

    async def _stop(self, username: str) -> None:
        try:
            await self._switchboard.stop(username)
        except NotLive:
            pass  # it has ended by itself


def now_s() -> float:
    """Seconds by a clock that nobody sets, and that also counts while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
