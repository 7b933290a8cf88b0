"""What nodes tell each other: one Redis Stream, written in order by one task, and read from where the snapshot was taken.

Each node numbers what it tells. A number that is missing, or a stream that was trimmed before it was read, is a gap: then the snapshot is
taken again. So nothing has to be kept for those who were away.
"""

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgspec

from sfu.tasks import cancel_and_wait, start_task
from web.events.node_messages import FriendAsked, FriendNotAsked, FriendshipMade, FriendshipOver, LoginReplaced, RightsOver
from web.nodes.records import AirRecord, CompanionDevices, CompanionText, Count, NodeName, NodeRecord
from web.nodes.redis_connection import Part, RedisAway, RedisConnection, RedisRefused
from web.nodes.rubbish import CheckedReader
from web.nodes.scripts import ANNOUNCE, COUNT_DEVICES, TELL

logger = logging.getLogger(__name__)

STREAM = "hushcast:events"
MOST_KEPT = 10_000  # entries in Redis, about
MOST_WAITING = 1_000  # messages while Redis is away; further ones push out the oldest, which the others notice as a gap
AT_ONCE = 200  # messages written, or read, in one go
MOST_SENDERS = 1_000  # whose numbers are remembered
AGAIN_S = 1.0  # after what should not happen
AIR_S = 60  # how long a broadcast's record lasts after it was written


class AirTold(msgspec.Struct, frozen=True, kw_only=True, tag="air"):
    """A broadcast has begun, changed or ended."""

    record: AirRecord


class NodeTold(msgspec.Struct, frozen=True, kw_only=True, tag="node"):
    """A node has come, or has something else to say of itself."""

    record: NodeRecord


AccountTold = FriendAsked | FriendNotAsked | FriendshipMade | FriendshipOver | LoginReplaced | RightsOver
PassingTold = CompanionText | CompanionDevices  # of no use later
Told = AirTold | NodeTold | AccountTold | PassingTold


class EventEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the stream. number: counts what this run of the node's process has told."""

    node: NodeName
    boot: str
    number: Count
    told: Told


class _Waiting(NamedTuple):
    told: Told
    answer: asyncio.Future[Any] | None  # of a broadcast's record: what stands in Redis, if it is newer


class EventLog:
    """Owns two tasks: one writes what waits, one reads. Who loses: messages beyond MOST_WAITING while Redis is away.

    hear: called for each message of another node; on_gap: where some may be missing.
    """

    def __init__(self, redis: RedisConnection, reader: CheckedReader, own: Callable[[], NodeRecord]) -> None:
        """own: this node's record."""
        self.hear: Callable[[Told], object] = lambda told: None
        self.on_gap: Callable[[], object] = lambda: None
        self.dropped = self.gaps = self.heard = 0
        self.behind_s = 0.0  # how old what was read last is, against the newest, by Redis' clock
        self._redis, self._reader, self._own = redis, reader, own
        self._waiting: deque[_Waiting] = deque()
        self._number = 0
        self._numbers: OrderedDict[tuple[str, str], int] = OrderedDict()  # by node and run, the last one read
        self._cursor = "0-0"
        self._wake, self._reading = asyncio.Event(), asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Begin to write, and to read once `begin_here` was called."""
        self._tasks = [start_task(self._write_all(), "node events out"), start_task(self._read_all(), "node events in")]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End both tasks; what waits is given up."""
        for task in self._tasks:
            await cancel_and_wait(task)
        while self._waiting:
            _give_up(self._waiting.popleft())

    @property
    def waiting(self) -> int:
        """How many messages wait to be written."""
        return len(self._waiting)

    # --- writing

    def tell(self, told: Told) -> None:
        """Tell all other nodes, soon. What would be of no use later is not kept while Redis is away."""
        if self._redis.up or not isinstance(told, PassingTold):
            self._put(_Waiting(told, None))

    async def announce(self, record: AirRecord) -> Any:
        """Write a broadcast's record and tell it. Returns the newer record that stands there, if one does. Raises RedisAway."""
        if not self._redis.up:
            raise RedisAway(self._redis.trouble)
        answer = asyncio.get_running_loop().create_future()
        self._put(_Waiting(AirTold(record=record), answer))
        return await answer

    def _put(self, waiting: _Waiting) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self.dropped += 1
            self._number += 1
            _give_up(self._waiting.popleft())
        self._waiting.append(waiting)
        self._wake.set()

    async def _write_all(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                while self._waiting:
                    await self._write_some()
            except RedisAway:
                pass  # `begin_here` wakes this task when Redis is back
            except Exception:
                logger.exception("node events could not be told")

    async def _write_some(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), AT_ONCE))]
        try:
            answers = await self._redis.ask_all([self._command(each.told) for each in batch])
        except BaseException as error:
            for each in batch:
                _give_up(each)
            if isinstance(error, RedisAway):
                kept = [each for each in batch if each.answer is None and not isinstance(each.told, PassingTold)]
                self._waiting.extendleft(reversed(kept))
            raise
        for each, answer in zip(batch, answers, strict=True):
            self.dropped += isinstance(answer, RedisRefused)
            if each.answer is not None and not each.answer.done():
                each.answer.set_result(answer)

    def _command(self, told: Told) -> Sequence[Part]:
        own = self._own()
        self._number += 1
        entry = msgspec.json.encode(EventEntry(node=own.name, boot=own.boot, number=self._number, told=told))
        match told:
            case AirTold(record=record):
                return announcing(record, entry)
            case CompanionDevices(session=session, node=node, devices=devices, life_s=life_s):
                return ("EVAL", COUNT_DEVICES, 2, devices_key(session), STREAM, node, devices, life_s, MOST_KEPT, entry)
        return ("EVAL", TELL, 1, STREAM, MOST_KEPT, entry)

    # --- reading

    async def begin_here(self) -> None:
        """Read on from the newest entry: call it before the snapshot is taken. Raises RedisAway, RedisRefused."""
        self._cursor = await self._newest()
        self._numbers.clear()
        self._reading.set()
        self._wake.set()

    def pause(self) -> None:
        """The connection is lost: read nothing until `begin_here`."""
        self._reading.clear()

    async def look_behind(self) -> None:
        """Measure how far reading is behind, and notice what was told and is no longer there to be read. Raises RedisAway, RedisRefused."""
        read = self._cursor
        told = await self._told_last()
        self.behind_s = max(0, _ms(told) - _ms(read)) / 1000
        if (
            _order(told) > _order(read)
            and not await self._redis.ask("XRANGE", STREAM, f"({read}", "+", "COUNT", 1)
            and read == self._cursor
        ):
            self._cursor = told
            self._gap("the stream was trimmed")

    async def _told_last(self) -> str:
        """The last entry that was ever written, also where it was trimmed since."""
        try:
            said = await self._redis.ask("XINFO", "STREAM", STREAM)
        except RedisRefused:
            return "0-0"  # there is no stream
        return str(said[said.index(b"last-generated-id") + 1].decode())

    async def _newest(self) -> str:
        newest = await self._redis.ask("XREVRANGE", STREAM, "+", "-", "COUNT", 1)
        return newest[0][0].decode() if newest else "0-0"

    async def _read_all(self) -> None:
        while True:
            await self._reading.wait()
            try:
                await self._read_some()
            except RedisAway:
                self._reading.clear()
            except RedisRefused as error:
                if str(error).startswith("WRONGTYPE"):  # the key is no stream; the next that is told replaces it
                    self._reader.ignore("wrong_type", STREAM, str(error))
                await asyncio.sleep(AGAIN_S)
            except Exception:
                logger.exception("node events could not be read")
                await asyncio.sleep(AGAIN_S)

    async def _read_some(self) -> None:
        cursor = self._cursor
        streams = await self._redis.next_entries({STREAM: cursor}, AT_ONCE)
        if cursor != self._cursor:
            return  # `begin_here` was called meanwhile
        entries = streams[0][1] if streams else []
        for identity, fields in entries:
            self._cursor = identity.decode()
            self._take(self._cursor, fields)
        if len(entries) == AT_ONCE:
            oldest = await self._redis.ask("XRANGE", STREAM, "-", "+", "COUNT", 1)
            if oldest and _order(oldest[0][0].decode()) > _order(self._cursor):
                self._gap("the stream was trimmed")

    def _take(self, identity: str, fields: Any) -> None:
        entry = self._reader.read(EventEntry, f"{STREAM} {identity}", fields[1] if len(fields) == 2 else 0)
        own = self._own()
        if entry is None or (entry.node == own.name and entry.boot == own.boot):
            return
        sender = (entry.node, entry.boot)
        last = self._numbers.get(sender)
        self._numbers[sender] = entry.number
        self._numbers.move_to_end(sender)
        if len(self._numbers) > MOST_SENDERS:
            self._numbers.popitem(last=False)
        self.heard += 1
        try:
            self.hear(entry.told)
        except Exception:
            logger.exception("a message of node %s could not be taken", entry.node)
        if last is not None and entry.number != last + 1:
            self._gap(f"of {entry.node} come {last} and {entry.number}")

    def _gap(self, why: str) -> None:
        self.gaps += 1
        logger.info("node events are missing (%s): the snapshot is taken again", why)
        self.on_gap()


def devices_key(session: str) -> str:
    """The key of a hash: how many devices of a companion session each node has."""
    return f"companion:{session}"


def announcing(record: AirRecord, event: bytes = b"") -> Sequence[Part]:
    """The command that writes a broadcast's record, and tells `event` in the same step."""
    return ("EVAL", ANNOUNCE, 2, f"air:{record.username}", STREAM, msgspec.json.encode(record), AIR_S, MOST_KEPT, event)


def _give_up(waiting: _Waiting) -> None:
    if waiting.answer is not None and not waiting.answer.done():
        waiting.answer.set_exception(RedisAway("Redis went away meanwhile"))


def _order(identity: str) -> tuple[int, int]:
    milliseconds, _, count = identity.partition("-")
    return int(milliseconds), int(count or 0)


def _ms(identity: str) -> int:
    return _order(identity)[0]
