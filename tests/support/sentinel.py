"""Real Sentinels before a real Redis with a replica, with the files of `deploy/`, all on 127.0.0.1."""

import asyncio
import re
import secrets
import shlex
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from tests.support.redis import PROGRAM, START_S, RedisServer
from tests.support.running import ROOT, free_port

NAME = "Hush_cast"  # what they call the Redis that they watch; capitals and signs have to get through
DOWN_MS = 500  # without an answer for so long, a Redis is down
FILES = ROOT / "deploy" / "redis"
PASSWORD = secrets.token_hex(16)


class Sentinel:
    """One process that watches."""

    def __init__(self, folder: Path, password: str = "", tls: Sequence[str] = ()) -> None:
        """tls: lines of its file, where it speaks TLS alone."""
        self.port = free_port()
        self.url = f"redis://{f':{password}@' if password else ''}127.0.0.1:{self.port}"
        self._folder = folder
        self._more = [f"dir {folder}", *([f"requirepass {password}"] if password else []), *tls]
        if tls:
            self._more += ["port 0", f"tls-port {self.port}", "tls-replication yes"]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, watched: RedisServer, quorum: int) -> None:
        assert PROGRAM is not None
        self._folder.mkdir()
        text = (FILES / "sentinel.conf").read_text()
        for found, instead in (
            ("bind 10.0.77.1\n", "bind 127.0.0.1\n"),
            ("port 26379", f"port {self.port}"),
            ("monitor hushcast 10.0.77.1 6379 2", f"monitor hushcast 127.0.0.1 {watched.port} {quorum}"),
            ("milliseconds hushcast 2000", f"milliseconds hushcast {DOWN_MS}"),
            ("timeout hushcast 10000", f"timeout hushcast {2 * DOWN_MS}"),  # so that a vote that is split is soon held again
            ("CHANGE-ME\n", f"{PASSWORD}\n"),
        ):
            assert text.count(found) == 1, f"{found!r} in deploy/redis/sentinel.conf"
            text = text.replace(found, instead)
        text = text.replace(" hushcast ", f" {NAME} ")
        text += "\n".join([*self._more, ""])
        file = self._folder / "sentinel.conf"  # it is written to
        file.write_text(text)
        with (self._folder / "sentinel.log").open("ab") as log:
            self._process = subprocess.Popen([PROGRAM, str(file), "--sentinel"], stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    async def watched(self) -> dict[str, Any]:
        """What it knows of the Redis; {} while it does not answer."""
        from redis.exceptions import ConnectionError as NotThere

        async with Redis.from_url(self.url, decode_responses=True) as client:
            try:
                found: dict[str, Any] = (await client.sentinel_masters())[NAME]
            except NotThere:
                return {}
        return found


def guarded(folder: Path, *options: str) -> RedisServer:
    """A Redis with the settings of `deploy/redis/redis.conf`, at another address."""
    lines = [line for line in (FILES / "redis.conf").read_text().splitlines() if re.match(r"[a-z]", line)]
    settings = [shlex.split(line.replace("CHANGE-ME", PASSWORD)) for line in lines if not line.startswith(("bind ", "port ", "dir "))]
    assert len(lines) - len(settings) == 3, "deploy/redis/redis.conf has changed"
    server = RedisServer(folder, *(word for key, *values in settings for word in (f"--{key}", *values)), *options)
    server.url = server.url.replace("redis://", f"redis://:{PASSWORD}@")
    return server


@asynccontextmanager
async def watched(folder: Path, count: int = 3) -> AsyncIterator[tuple[RedisServer, RedisServer, list[Sentinel]]]:
    """A Redis, its replica, and so many Sentinels that know of each other and of both."""
    folder.mkdir()
    primary = guarded(folder / "primary")
    with ExitStack() as ends:
        await primary.start()
        ends.callback(primary.kill)
        replica = guarded(folder / "replica", "--replicaof", "127.0.0.1", str(primary.port))
        await replica.start()
        ends.callback(replica.kill)
        async with asyncio.timeout(START_S):
            while b"state=online" not in await primary.do("INFO", "replication"):
                await asyncio.sleep(0.02)
        sentinels = [Sentinel(folder / f"sentinel{number}") for number in range(count)]
        for each in sentinels:
            each.start(primary, count // 2 + 1)
            ends.callback(each.kill)
        async with asyncio.timeout(START_S):
            while not all([_ready(await each.watched(), count) for each in sentinels]):
                await asyncio.sleep(0.05)
        yield primary, replica, sentinels


def _ready(known: dict[str, Any], count: int) -> bool:
    return bool(known) and (known["num-other-sentinels"], known["num-slaves"]) == (count - 1, 1)


def urls(sentinels: Sequence[Sentinel]) -> tuple[str, ...]:
    return tuple(each.url for each in sentinels)
