"""Which nodes there are, and who is on air at which: announced in Redis, and cached here, so that nobody waits for Redis.

Keys: `node:NAME`, which lapses NODE_S after its node wrote it last, and `air:USER`. Nodes hold the truth; Redis may lose all of it.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

import msgspec
from aiohttp import web

from web.nodes.event_log import AIR_S, EventLog, announcing
from web.nodes.records import AirRecord, NodeRecord
from web.nodes.redis_connection import RedisAway, RedisConnection, RedisRefused
from web.nodes.rubbish import CheckedReader

logger = logging.getLogger(__name__)

RENEW_S = 2.0
NODE_S = 6  # a node's record lapses so long after it was written last
MOST_AIRS = 20_000  # cached at once; with one more the one that was heard of longest ago is forgotten
MOST_NODES = 100
DOUBLE = 2  # renewals in turn that found another run's record under our name
CHUNK = 200  # keys asked for at once

R = TypeVar("R", NodeRecord, AirRecord)
Figures = Callable[[NodeRecord], NodeRecord]  # adds to this node's record how it is now


class Directory:
    """The cached copy, and this node's own entries. Owns no task: `web.nodes.membership` renews and refreshes it.

    on_changed: called with a username whose broadcast at another node began or ended; on_lost: with a record of a higher epoch than the
    own broadcast's of that user.
    """

    def __init__(self, redis: RedisConnection, reader: CheckedReader, named: NodeRecord, figures: Figures, events: EventLog) -> None:
        """named: this node's record, sealed, as it stays."""
        self._redis = redis
        self._reader = reader
        self._named, self._figures = named, figures
        self._events = events
        self._nodes: dict[str, NodeRecord] = {}
        self._airs: OrderedDict[str, tuple[AirRecord, float]] = OrderedDict()  # with the time when it was heard of
        self._mine: dict[str, AirRecord] = {}  # announced by this node
        self._odd: dict[str, float] = {}  # nodes at whose keys there is rubbish, with the time when it was seen first
        self._announced = 0
        self._others_runs = 0
        self.on_changed: Callable[[str], object] = lambda username: None
        self.on_lost: Callable[[AirRecord], object] = lambda newer: None

    # --- what is cached

    @property
    def own(self) -> NodeRecord:
        """This node as it is now, which takes time in proportion to its broadcasts."""
        return self._figures(self._named)

    def nodes(self) -> Mapping[str, NodeRecord]:
        """All nodes by name, this one included, as Redis said last. While Redis is away, those that were there."""
        return self._nodes | {self._named.name: self.own}

    def is_there(self, node: str) -> bool:
        """Whether it is one of `nodes`."""
        return node == self._named.name or node in self._nodes

    def air(self, username: str) -> AirRecord | None:
        """The user's broadcast as cached, wherever it is; None where there is none. Its node may have gone: `nodes` tells."""
        found = self._cached(username)
        return None if found is None or found.state == "ended" else found

    def elsewhere(self, username: str) -> AirRecord | None:
        """The user's broadcast where it is on air at another node that is there."""
        found = self._cached(username)
        there = found is not None and found.node in self._nodes and found.node != self._named.name
        return found if there and found is not None and found.state in ("live", "parked") else None

    def _cached(self, username: str) -> AirRecord | None:
        return self._airs[username][0] if username in self._airs else None

    # --- questions

    async def look_up(self, username: str) -> AirRecord | None:
        """The user's broadcast by Redis, or as cached where Redis is away or has rubbish. Waits for Redis no longer than its time limit."""
        try:
            found = self._read(AirRecord, f"air:{username}", await self._redis.ask("GET", f"air:{username}"))
        except (RedisAway, RedisRefused):
            found = None
        if found is not None:
            self.take(found)
        return self.air(username)

    # --- announcements

    async def announce(self, record: AirRecord) -> bool:
        """Write a broadcast of this node, and tell all nodes in the same step. False where a higher epoch stands there: it is not
        this node's any more. While Redis is away the record is kept, and written when Redis is back.
        """
        newest = self._cached(record.username)
        if newest is not None and newest.epoch > record.epoch:
            return False
        self._announced += 1
        record = msgspec.structs.replace(record, boot=self._named.boot, sequence=self._announced)
        self._mine[record.username] = record
        self.take(record)
        return await self._tell_again(record)

    async def withdraw(self, username: str, epoch: int) -> None:
        """The broadcast of this epoch has ended here. A higher epoch stays as it is."""
        record = self._mine.get(username)
        if record is not None and record.epoch == epoch and record.state != "ended":
            await self.announce(msgspec.structs.replace(record, state="ended"))

    async def announce_all(self) -> None:
        """Write and tell all of this node anew, also what has ended meanwhile: Redis may have lost it, and others have missed it."""
        records = list(self._mine.values())
        for at in range(0, len(records), CHUNK):
            await asyncio.gather(*map(self._tell_again, records[at : at + CHUNK]))

    async def renew(self, usernames: Collection[str]) -> bool:
        """Write this node and its broadcasts of these users again. False where Redis has lost the node's record.

        Raises RedisAway, RedisRefused.
        """
        own, mine = self.own, [self._mine[username] for username in usernames if username in self._mine]
        key, text = f"node:{own.name}", msgspec.json.encode(own)
        before, written = await self._redis.ask_all([("GET", key), ("SET", key, text, "EX", NODE_S)])
        if isinstance(written, RedisRefused):
            raise written
        self._note_double(self._read(NodeRecord, key, before))
        for at in range(0, len(mine), CHUNK):
            part = mine[at : at + CHUNK]
            for record, stands in zip(part, await self._redis.ask_all([announcing(each) for each in part]), strict=True):
                self._is_lost(record, stands)
        return before is not None

    async def leave(self) -> None:
        """This node ends: its record goes at once."""
        try:
            await self._redis.ask("DEL", f"node:{self._named.name}")
        except (RedisAway, RedisRefused):
            pass  # it lapses

    async def _tell_again(self, record: AirRecord) -> bool:
        try:
            stands = await self._events.announce(record)
        except (RedisAway, RedisRefused):
            return True
        if self._is_lost(record, stands):
            return False
        if record.state == "ended" and self._mine.get(record.username) is record:
            del self._mine[record.username]
        return True

    def _note_double(self, before: NodeRecord | None) -> None:
        """Count how often in turn our record was another run's: once is that of before a restart, more is another node of our name."""
        ours = before is None or before.boot == self._named.boot
        self._others_runs = 0 if ours else self._others_runs + 1
        if self._others_runs == DOUBLE:
            logger.error("another server is called %s too: give each another node.name", self._named.name)

    @property
    def is_double(self) -> bool:
        """Whether another server has the same name."""
        return self._others_runs >= DOUBLE

    def _is_lost(self, record: AirRecord, stands: object) -> bool:
        """Whether a record of a higher epoch stands in Redis."""
        newer = self._read(AirRecord, f"air:{record.username}", stands)
        if newer is None or newer.epoch <= record.epoch:
            return False
        self.take(newer)
        return True

    # --- the cached copy

    def take(self, record: AirRecord) -> None:
        """Cache what a node has told, unless something newer is cached. A higher epoch than that of an own broadcast ends this one."""
        cached, mine = self._cached(record.username), self._mine.get(record.username)
        if cached is not None and not cached.is_older_than(record):
            return
        lost = mine is not None and mine.epoch < record.epoch and record.node != self._named.name
        if lost:
            del self._mine[record.username]
        before = self.elsewhere(record.username)
        self._airs[record.username] = (record, time.monotonic())
        self._airs.move_to_end(record.username)
        if len(self._airs) > MOST_AIRS:
            self._reader.ignore("too_many", "air:*", f"more than {MOST_AIRS}")
            self._airs.popitem(last=False)
        self._tell(record.username, before)
        if lost:
            logger.warning("%s: node %s has it with a newer epoch", record.broadcast, record.node)
            self.on_lost(record)

    def meet(self, record: NodeRecord) -> None:
        """Cache a node, if it is one."""
        if not self._reader.is_genuine(record):
            return
        if record.name not in self._nodes and len(self._nodes) >= MOST_NODES:
            self._reader.ignore("too_many", "node:*", f"more than {MOST_NODES}")
        else:
            self._replace_nodes(self._nodes | {record.name: record})

    async def refresh(self, *, complete: bool) -> None:
        """Ask after the known nodes: how loaded they are, and which are there still. Raises RedisAway.

        complete: whether what is missing in Redis is gone; else it may be written again.
        """
        names = [name for name in self._nodes if name != self._named.name]
        self._note_nodes(await self._get(NodeRecord, [f"node:{name}" for name in names]), asked=names if complete else ())
        self._forget()

    async def read_all(self, *, complete: bool) -> None:
        """Read the whole directory anew: all nodes, all broadcasts. complete: as for `refresh`. Raises RedisAway."""
        known = list(self._nodes), list(self._airs)  # what is heard of meanwhile may be missing in the answers
        keys = await self._keys()
        complete = complete and f"node:{self._named.name}" in keys  # else Redis has just lost all, the others' records too
        named = dict.fromkeys([*(f"node:{name}" for name in known[0]), *(key for key in keys if key.startswith("node:"))])
        self._note_nodes(await self._get(NodeRecord, list(named)[: 2 * MOST_NODES]), asked=known[0] if complete else ())
        airs = await self._get(AirRecord, [key for key in keys if key.startswith("air:")])
        for turn, record in enumerate(filter(None, airs.values())):
            self.take(record)
            await _others_in_turn(turn)
        for turn, username in enumerate([name for name in known[1] if complete and f"air:{name}" not in airs]):
            if username in self._airs and username not in self._mine:
                before = self.elsewhere(username)
                del self._airs[username]
                self._tell(username, before)
            await _others_in_turn(turn)

    async def _keys(self) -> list[str]:
        keys: set[str] = set()
        for pattern in ("node:*", "air:*"):
            cursor = b""
            while cursor != b"0":
                cursor, found = await self._redis.ask("SCAN", cursor or b"0", "MATCH", pattern, "COUNT", 1000)
                keys |= {key.decode("utf-8", "replace") for key in found}
                if len(keys) > 2 * MOST_AIRS:
                    self._reader.ignore("too_many", "air:*", f"more than {2 * MOST_AIRS} keys")
                    return sorted(keys)[:MOST_AIRS]
        return sorted(keys)

    async def _get(self, kind: type[R], keys: list[str]) -> dict[str, R | None]:
        """What stands at these keys, of those that there are; None: rubbish."""
        found: dict[str, R | None] = {}
        for asked in (keys[at : at + CHUNK] for at in range(0, len(keys), CHUNK)):
            answers = await self._redis.ask_all([("GET", key) for key in asked])
            found |= {key: self._read(kind, key, answer) for key, answer in zip(asked, answers, strict=True) if answer is not None}
        return found

    def _note_nodes(self, answered: Mapping[str, NodeRecord | None], asked: Collection[str]) -> None:
        """Cache these. Of those that were asked for the missing ones are gone; rubbish in their place may be replaced within NODE_S."""
        now, found = time.monotonic(), {each.name: each for each in [*filter(None, answered.values())][:MOST_NODES]}
        self._odd = {name: self._odd.get(name, now) for name in self._nodes if answered.get(f"node:{name}", name) is None}
        gone = {name for name in asked if name not in found and now - self._odd.get(name, -NODE_S) >= NODE_S}
        self._replace_nodes({name: each for name, each in self._nodes.items() if name not in gone} | found)

    def _replace_nodes(self, nodes: dict[str, NodeRecord]) -> None:
        came_or_went = nodes.keys() ^ self._nodes.keys()
        touched = [name for name, (record, _) in self._airs.items() if record.node in came_or_went] if came_or_went else []
        before = {name: self.elsewhere(name) for name in touched}
        self._nodes = nodes
        for name in touched:
            self._tell(name, before[name])

    def _forget(self) -> None:
        """Forget what has ended, and what was at nodes that are gone, after AIR_S."""
        old = time.monotonic() - AIR_S
        for name, (record, heard) in list(self._airs.items()):
            if heard < old and (record.state == "ended" or record.node not in self._nodes):
                del self._airs[name]

    def _tell(self, username: str, before: AirRecord | None) -> None:
        after = self.elsewhere(username)
        if (before is None) != (after is None) or (before and after and before.since != after.since):
            self.on_changed(username)

    def _read(self, kind: type[R], key: str, answer: object) -> R | None:
        """The record in an answer for this key; None where there is none, or rubbish."""
        record = self._reader.read(kind, key, answer)
        if record is not None and key != (f"node:{record.name}" if isinstance(record, NodeRecord) else f"air:{record.username}"):
            self._reader.ignore("rubbish", key, "it is about somebody else")
            return None
        if isinstance(record, NodeRecord) and not self._reader.is_genuine(record):
            return None
        return record


async def _others_in_turn(turn: int) -> None:
    """Let other tasks run now and then."""
    if turn % CHUNK == CHUNK - 1:
        await asyncio.sleep(0)


DIRECTORY = web.AppKey("DIRECTORY", Directory)
