"""This server among others: says every RENEW_S that it is there, and does what the others tell. Without `redis.url` nothing of it runs."""

import asyncio
import logging
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime

from aiohttp import web

from db.connection import Database
from db.errors import Unavailable
from sfu.broadcast.switchboard import Switchboard
from sfu.config.schema import Config
from sfu.tasks import BackgroundTasks, cancel_and_wait, start_task
from web.auth.identity import login_grant
from web.events.node_messages import FriendshipOver, LoginReplaced, NodeMessage, RightsOver
from web.events.presence import Presence
from web.http.metrics import Sample
from web.nodes.companion_store import CompanionStore
from web.nodes.directory import NODE_S, RENEW_S, Directory, Figures
from web.nodes.event_log import AirTold, EventLog, NodeTold, Told
from web.nodes.leases import Leases, now_s
from web.nodes.record_seal import RecordSeal
from web.nodes.records import CompanionDevices, CompanionText, NodeRecord
from web.nodes.redis_connection import RedisAway, RedisConnection, RedisRefused
from web.nodes.rubbish import CheckedReader
from web.nodes.shared_limits import SharedLimits
from web.nodes.snapshot import Snapshot

logger = logging.getLogger(__name__)

READ_ALL_EVERY = 15  # renewals, after which the whole directory is read, so that nothing wrong stays
LOOK_S = 0.2  # rights that end within this time are looked after in one round


class NodeMembership:
    """Owns the connection to Redis and what is built on it; implements `NodeLink`, by which presence sees the other nodes.

    Made before the media plane, and run when all is open: a node is not told of before it can serve.
    """

    def __init__(self, config: Config, figures: Figures) -> None:
        """Raises ConfigError."""
        seal = RecordSeal(config.node.secret)
        self._named = seal.on(NodeRecord(name=config.node.name, url=config.node.url.rstrip("/"), boot=secrets.token_hex(8)))
        self._is_single = not config.database.url
        self._up_s = now_s()
        self._refusal: str | None = None  # why Redis refused the last renewal
        self._leases: Leases | None = None
        self._kept: dict[str, int] = {}  # epochs of the broadcasts that the last run has left, until the leases have them
        self._ends = BackgroundTasks()
        self._rights_over = asyncio.Event()
        self.redis = RedisConnection(config.redis.url, config.redis.sentinels)
        self.reader = CheckedReader(seal)
        self.events = EventLog(self.redis, self.reader, lambda: self._named)
        self.directory = Directory(self.redis, self.reader, self._named, figures, self.events)
        self.limits = SharedLimits(self.redis)
        self.companions = CompanionStore(self.redis, self.events, self.directory.is_there, self._named.name)
        self.redis.on_up.append(self._come)
        self.redis.on_down.append(self.events.pause)

    # --- what presence sees

    def live_since(self, username: str) -> datetime | None:
        """Since when the user is on air at another node; None: not there."""
        record = self.directory.elsewhere(username)
        return None if record is None else _moment(record.since)

    def tell(self, message: NodeMessage) -> None:
        """Tell all other nodes, soon; without Redis, when it is back."""
        self.events.tell(message)

    def on_air(self, username: str) -> None:
        """The user's broadcast here has begun, changed or ended."""
        if self._leases is not None:
            self._leases.note(username)

    # --- what writes about broadcasts

    async def take(self, username: str, tape: str) -> int | None:
        """The epoch of the user's broadcast here, which is taken now if it has none. Raises Unavailable, Missing."""
        broadcast = _broadcast_of(tape)
        return self._kept.get(broadcast) if self._leases is None else await self._leases.take(username, broadcast)

    def kept(self, broadcast: str, epoch: int) -> None:
        """Before the restart this node had the broadcast with this epoch."""
        self._kept[broadcast] = epoch

    def hold(self, username: str, broadcast: str, epoch: int) -> None:
        """This node has taken the broadcast over from another one, with this epoch."""
        if self._leases is not None:
            self._leases.hold(username, broadcast, epoch)

    def expect(self, broadcast: str) -> None:
        """Another node gives the broadcast up; if it goes on here, that is with a new epoch."""
        if self._leases is not None:
            self._leases.expect(broadcast)

    def epoch_of(self, tape: str) -> int | None:
        """The epoch with which this node has a broadcast, or had it last."""
        broadcast = _broadcast_of(tape)
        return self._kept.get(broadcast) if self._leases is None else self._leases.epoch_of(broadcast)

    async def is_leaving(self, node: str) -> bool:
        """Whether another node drains: by Redis, or as known here while that is away."""
        with suppress(RedisAway, RedisRefused):
            await self.directory.refresh(complete=False)
        found = self.directory.nodes().get(node)
        return found is not None and found.state == "draining"

    async def say_how_it_is(self) -> None:
        """Tell all nodes at once how this one is now: it leaves, say. While Redis is away nobody is told."""
        if self._leases is not None:
            with suppress(RedisAway, RedisRefused):
                await self._renew(self._leases)
            self.events.tell(NodeTold(record=self.directory.own))

    def stale(self, tape: str) -> None:
        """The database has refused that epoch."""
        if self._leases is not None:
            self._leases.stale(_broadcast_of(tape))

    # --- its life

    @asynccontextmanager
    async def joined(
        self, database: Database, switchboard: Switchboard, presence: Presence, look_round: Callable[[], Awaitable[object]]
    ) -> AsyncIterator[None]:
        """Be a node among the others. look_round: ends what hangs on rights that are over. Raises Unavailable."""
        self._leases = leases = Leases(database, self.directory, switchboard, self._kept)
        snapshot = Snapshot(database, self.directory, presence, switchboard, self._unsettled_s)
        self.directory.on_changed = presence.friends.tell_live
        self.events.hear = lambda told: self._hear(told, presence, switchboard)
        self.events.on_gap = snapshot.want
        self.redis.on_up.append(snapshot.ask)
        async with AsyncExitStack() as opening:
            opening.push_async_callback(self._ends.wait)
            for part in (snapshot, leases, self.events, self.redis):
                await opening.enter_async_context(part)
            opening.push_async_callback(self.directory.leave)
            for task in (start_task(self._renew_all(leases), "node renewal"), start_task(self._look_round(look_round), "rights over")):
                opening.push_async_callback(cancel_and_wait, task)
            yield

    async def _come(self) -> None:
        """There is a new connection: whatever stood in Redis may be lost, and others have missed what was told meanwhile."""
        self._up_s = now_s()
        await self.events.begin_here()
        assert self._leases is not None
        await self._renew(self._leases)
        self.events.tell(NodeTold(record=self.directory.own))
        self.companions.count_again()
        await self.directory.announce_all()

    def _unsettled_s(self) -> float:
        """For how long others may still be about to write what Redis has lost."""
        return self._up_s + NODE_S - now_s()

    async def _renew_all(self, leases: Leases) -> None:
        turn = 0
        while True:
            await asyncio.sleep(RENEW_S)
            turn += 1
            try:
                if not await self._renew(leases):
                    logger.warning("Redis has lost its contents; all is announced again")
                    await self._come()
                complete = self._unsettled_s() <= 0
                await self.directory.refresh(complete=complete)
                if turn % READ_ALL_EVERY == 0 and complete:
                    await self.directory.read_all(complete=True)
                await self.events.look_behind()
                self._refusal = None
            except RedisAway:
                pass  # which it has said
            except RedisRefused as error:
                if self._refusal is None:
                    logger.warning("Redis refuses what this server has to write: %s", error)
                self._refusal = str(error)
            except Exception:
                logger.exception("not renewed")

    async def _renew(self, leases: Leases) -> bool:
        """False where Redis has lost this node's record."""
        begun_s = now_s()
        try:
            await leases.check()
        except Unavailable:
            return await self.directory.renew(())  # whether the broadcasts are still this node's is not known now
        there = await self.directory.renew(leases.held)
        leases.renewed(begun_s)
        return there

    # --- what the others tell

    def _hear(self, told: Told, presence: Presence, switchboard: Switchboard) -> None:
        match told:
            case AirTold(record=record):
                self.directory.take(record)
            case NodeTold(record=node):
                self.directory.meet(node)
            case LoginReplaced(old=old, new=new):
                with switchboard.hand_over(login_grant(old), login_grant(new)):
                    pass
            case CompanionText() | CompanionDevices():
                self.companions.hear(told)
            case RightsOver():
                self._rights_over.set()
            case FriendshipOver(one=one, other=other):
                presence.friends.hear(told)
                self._ends.start(switchboard.drop_listener(one, other))
                self._ends.start(switchboard.drop_listener(other, one))
            case _:
                presence.friends.hear(told)

    async def _look_round(self, look_round: Callable[[], Awaitable[object]]) -> None:
        while True:
            await self._rights_over.wait()
            self._rights_over.clear()
            try:
                await look_round()
            except Unavailable:
                pass  # the rounds look again
            except Exception:
                logger.exception("nobody was looked after")
            await asyncio.sleep(LOOK_S)

    # --- what operators see

    @property
    def trouble(self) -> str | None:
        """What is missing, in words; None where nothing is."""
        if self.redis.trouble is not None:
            return self.redis.trouble
        if self._refusal is not None:
            return f"Redis refuses what this server has to write: {self._refusal}"
        others = [name for name in self.directory.nodes() if name != self._named.name]
        if self._is_single and others:
            return f"there are other servers ({', '.join(others)}), and this one has a database of its own: set database.url"
        if self.directory.is_double:
            return f"another server is called {self._named.name} too: give each another node.name"
        return None

    def samples(self) -> Iterable[Sample]:
        """For /metrics."""
        yield Sample("hushcast_redis_up", "gauge", "Whether Redis answers.", self.redis.up)
        yield Sample("hushcast_redis_losses_total", "counter", "How often the connection to Redis was lost.", self.redis.losses)
        yield Sample("hushcast_redis_refused_total", "counter", "Commands that Redis has refused.", self.redis.refused)
        yield Sample("hushcast_nodes", "gauge", "Servers in the directory, this one included.", len(self.directory.nodes()))
        for why, count in self.reader.ignored.items():
            yield Sample("hushcast_redis_ignored_total", "counter", "What was ignored in Redis.", count, {"reason": why})
        yield Sample("hushcast_node_events_total", "counter", "Messages heard of other servers.", self.events.heard)
        yield Sample("hushcast_node_events_dropped_total", "counter", "Own messages given up while Redis was away.", self.events.dropped)
        yield Sample("hushcast_node_events_gaps_total", "counter", "Gaps in what other servers told.", self.events.gaps)
        yield Sample("hushcast_node_events_waiting", "gauge", "Own messages that are not told yet.", self.events.waiting)
        yield Sample("hushcast_node_events_behind_seconds", "gauge", "Age of what was read last.", self.events.behind_s)


MEMBERSHIP = web.AppKey("MEMBERSHIP", NodeMembership)


def name_of(host: str, port: int) -> str:
    """A node's name made of its host's name and its port: `[a-z0-9-]{1,32}`."""
    end = f"-{port}"
    return (re.sub(r"[^a-z0-9]+", "-", host.lower()).strip("-") or "node")[: 32 - len(end)] + end


def _broadcast_of(tape: str) -> str:
    """The broadcast's id, of which the names of its recordings are made."""
    return tape.partition(".")[0]


def _moment(text: str | None) -> datetime | None:
    """The moment that RFC 3339 writes so; another one where it is no such text, for the user is on air in any case."""
    try:
        return datetime.fromisoformat(text or "")
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
