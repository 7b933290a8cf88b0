"""The connection to Redis (or Valkey): every question has a time limit, and after a failure the connection is made again with back-off.

With Sentinel the connection after a failure is one to the Redis that takes writes by then.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

from sfu.errors import HushcastError
from sfu.tasks import cancel_and_wait, start_task
from web.nodes.redis_clients import RedisClients

logger = logging.getLogger(__name__)

ASK_S = 1.0  # for one question
AT_ONCE = 32  # questions, each on a connection of its own; further ones wait for their turn
BLOCK_S = 1.0  # how long a reader of a stream waits in Redis for the next entry
FIRST_RETRY_S, LAST_RETRY_S = 0.1, 2.0

Part = str | bytes | int | float


class RedisAway(HushcastError):
    """Redis does not answer now."""


class RedisRefused(HushcastError):
    """Redis refused one command, as for a key of another type."""


class RedisConnection:
    """Owns the connections to one Redis and the task that makes them again. `ask` fails at once while Redis is away: nobody waits for it.

    on_up: called in their order whenever there is a new connection, also the first; on_down: when it is lost.
    """

    def __init__(self, url: str, sentinels: Sequence[str] = ()) -> None:
        """url: `redis://` or `rediss://`; sentinels: as of RedisClients. Raises ConfigError."""
        self.on_up: list[Callable[[], Awaitable[object]]] = []
        self.on_down: list[Callable[[], object]] = []
        self.up = False
        self.refused = self.losses = 0
        self._clients = RedisClients(url, sentinels)
        self._why = "it has not answered yet"
        self._said = ""  # the reason that was logged last, until Redis answers
        self._lost = asyncio.Event()
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._redis = self._clients.client(ASK_S)
        self._reader = self._clients.client(BLOCK_S + ASK_S)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = start_task(self._keep(), "connection to Redis")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._task is not None:
            await cancel_and_wait(self._task)
        self.up = False
        await self._disconnect(for_good=True)

    @property
    def trouble(self) -> str | None:
        """Why Redis is away, in words; None where it is there."""
        return None if self.up else f"Redis at {self._clients.place} is away: {self._why}"

    async def ask(self, *command: Part) -> Any:
        """The answer to one command. Raises RedisAway, RedisRefused."""
        async with self._turn:
            return await self._limited(lambda: self._redis.execute_command(*command), ASK_S)

    async def run(self, script: str, keys: Sequence[str], *arguments: Part) -> Any:
        """The answer of a script. Raises RedisAway, RedisRefused."""
        return await self.ask("EVAL", script, len(keys), *keys, *arguments)

    async def ask_all(self, commands: Sequence[Sequence[Part]]) -> list[Any]:
        """The answers to several commands; RedisRefused stands for one that was refused. Raises RedisAway."""
        pipeline = self._redis.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        async with self._turn:
            answers = await self._limited(lambda: pipeline.execute(raise_on_error=False), ASK_S)
        for answer in answers:
            if isinstance(answer, _away()):
                self._lose(answer)
                raise RedisAway(self.trouble) from answer
        return [self._refusal(each) if isinstance(each, Exception) else each for each in answers]

    async def next_entries(self, cursors: dict[str, str], most: int) -> Any:
        """Entries of streams behind these ids, at most `most` of each; waits BLOCK_S for the first. Raises RedisAway, RedisRefused."""
        command = ("XREAD", "COUNT", most, "BLOCK", int(BLOCK_S * 1000), "STREAMS", *cursors, *cursors.values())
        return await self._limited(lambda: self._reader.execute_command(*command), BLOCK_S + ASK_S)

    async def _limited(self, question: Callable[[], Awaitable[Any]], limit_s: float) -> Any:
        from redis.exceptions import RedisError

        if not self.up:
            raise RedisAway(self.trouble)
        try:
            async with asyncio.timeout(limit_s):
                return await question()
        except _away() as error:
            self._lose(error)
            raise RedisAway(self.trouble) from error
        except RedisError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: Exception) -> RedisRefused:
        self.refused += 1
        return RedisRefused(str(error))

    def _lose(self, error: Exception) -> None:
        if self.up:
            self.up = False
            self.losses += 1
            self._say(error)
            for each in self.on_down:
                each()
        self._lost.set()

    def _say(self, error: Exception) -> None:
        """Log why Redis is away, unless that was the last line."""
        self._why = _reason(error)
        if self._why != self._said:
            self._said = self._why
            logger.warning("%s; what is on air goes on", self.trouble)

    async def _keep(self) -> None:
        """Connect, wait until the connection is lost, and again."""
        wait_s = FIRST_RETRY_S
        while True:
            await self._connect()
            self._lost.clear()
            self.up = True
            try:
                for each in self.on_up:
                    await each()
            except Exception as error:
                if not isinstance(error, RedisAway | RedisRefused):
                    logger.exception("what follows a connection to Redis failed")
                self._lose(error)
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, LAST_RETRY_S)
            else:
                wait_s, self._said = FIRST_RETRY_S, ""
                logger.info("Redis at %s answers", self._clients.place)
                await self._lost.wait()

    async def _disconnect(self, *, for_good: bool = False) -> None:
        """Close all connections; raises nothing, for they may be broken."""
        from redis.exceptions import RedisError

        ends = [client.aclose if for_good else client.connection_pool.disconnect for client in (self._redis, self._reader)]
        for end in (*ends, partial(self._clients.disconnect, for_good=for_good)):
            try:
                async with asyncio.timeout(ASK_S):
                    await end()
            except (RedisError, OSError) as error:  # TimeoutError is an OSError
                logger.debug("a connection to Redis at %s was not closed: %s", self._clients.place, error)

    async def _connect(self) -> None:
        from redis.exceptions import RedisError

        wait_s = FIRST_RETRY_S
        while True:
            await self._disconnect()
            try:
                await self._clients.prepare()
                async with asyncio.timeout(self._clients.patience_s + ASK_S):
                    await self._redis.execute_command("PING")
            except (RedisError, OSError, RuntimeError) as error:  # the last one: uvloop, where the connection is lost at once
                self._say(error)
            else:
                return
            await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))
            wait_s = min(2 * wait_s, LAST_RETRY_S)


def _away() -> tuple[type[Exception], ...]:
    """What is raised where there is no Redis, or one that takes no writes, as after a failover."""
    from redis import exceptions

    return exceptions.ConnectionError, exceptions.TimeoutError, exceptions.ReadOnlyError, exceptions.MasterDownError, OSError


def _reason(error: Exception) -> str:
    match type(error).__name__:
        case "TimeoutError":
            return "it does not answer in time"
        case "ReadOnlyError":
            return "it is a replica, and takes no writes"
        case "MasterNotFoundError":
            return "no Sentinel that answers names one of that name that is there"
    return str(error).rstrip(".") or type(error).__name__
