"""A process full of listeners, told what to do by JSON lines on stdin. `python -m tests.bench.load`, started by `Loads`.

{"do": "join", "server", "count", "route", "red"} → {"join_ms": [...]}; {"do": "begin"} → {}; {"do": "end", "folder"} → {"late_s",
"unreadable"}, after which each server's folder/NAME.npz holds what its listeners heard; with "again": true the next window
has begun. The end of stdin ends it.
"""

import asyncio
import json
import os
import resource
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from tests.bench import janus
from tests.bench.lean import Fetching, Lean
from tests.support.running import ROOT

LINE_BYTES = 1 << 20


class Audience:
    """Its listeners, by server."""

    def __init__(self, http: aiohttp.ClientSession, opened: AsyncExitStack) -> None:
        self.listeners: dict[str, list[Lean]] = {}
        self.fetching = Fetching()
        self._http, self._opened = http, opened
        self._signalling: dict[str, janus.Signalling] = {}

    async def join(self, server: str, count: int, route: dict[str, Any]) -> dict[str, Any]:
        """One after the other, so that each join's time is its own."""
        took = []
        for _ in range(count):
            start = time.perf_counter()
            listener = await self._join(route)
            took.append(1000 * (time.perf_counter() - start))
            self.listeners.setdefault(server, []).append(listener)
            self.fetching.add(listener)
        return {"join_ms": took}

    async def _join(self, route: dict[str, Any]) -> Lean:
        listener = Lean(self._http, route["url"], route["headers"], route["host"])
        if route["kind"] == "janus":
            await janus.listen(await self._janus(route["url"]), listener)
        else:
            listener.told_loss = int(route["red"])
            await listener.listen(route["name"], route["query"], red=route["red"])
        return listener

    async def _janus(self, url: str) -> janus.Signalling:
        if url not in self._signalling:
            self._signalling[url] = await self._opened.enter_async_context(janus.Signalling.open(self._http, url))
        return self._signalling[url]

    def begin(self) -> dict[str, Any]:
        self.fetching.fetch()
        self._forget()
        return {}

    def _forget(self) -> None:
        self.fetching.late_s = 0.0
        for listener in self._everybody():
            listener.forget()

    def end(self, folder: str, again: bool = False) -> dict[str, Any]:
        self.fetching.fetch()
        for server, listeners in self.listeners.items():
            heard = [listener.taken for listener in listeners]
            whose = [np.full(len(each.sequences), at, np.uint16) for at, each in enumerate(heard)]
            columns = zip(*heard, strict=True)
            names = ("sequences", "stamps_ns", "lengths")
            arrays = {name: np.concatenate(column) for name, column in zip(names, columns, strict=True)}
            samples = [[[one.sequence, one.payload.hex()] for one in listener.samples[:2]] for listener in listeners]
            np.savez(Path(folder) / f"{server}.npz", listener=np.concatenate(whose), samples=json.dumps(samples), **arrays)  # type: ignore[arg-type]
        unreadable = sum(listener.unreadable for listener in self._everybody())
        said = {"late_s": self.fetching.late_s, "unreadable": unreadable}
        if again:
            self._forget()  # nothing has been fetched since: no packet lies between the windows
        return said

    def _everybody(self) -> list[Lean]:
        return [listener for listeners in self.listeners.values() for listener in listeners]


async def main() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    orders = asyncio.StreamReader(limit=LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    async with AsyncExitStack() as opened:
        http = await opened.enter_async_context(aiohttp.ClientSession())
        audience = Audience(http, opened)
        opened.push_async_callback(audience.fetching.close)
        while line := await orders.readline():
            order = json.loads(line)
            match order.pop("do"):
                case "join":
                    answer = await audience.join(**order)
                case "begin":
                    answer = audience.begin()
                case "end":
                    answer = audience.end(**order)
            print(json.dumps(answer), flush=True)


class Load:
    """One such process, as its parent sees it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid

    @classmethod
    async def start(cls) -> "Load":
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
        pipe = asyncio.subprocess.PIPE
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.bench.load", stdin=pipe, stdout=pipe, cwd=ROOT, env=environment, limit=LINE_BYTES
            )
        )

    async def ask(self, **order: object) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        line = await self._process.stdout.readline()
        assert line, "a process of listeners ended"
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 30)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


if __name__ == "__main__":
    asyncio.run(main())
