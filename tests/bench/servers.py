"""The servers that are compared: started on the server's core, with one voice on air. Each is listened to the same way."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.bench import janus
from tests.bench.lean import Lean
from tests.bench.meters import Cores, pinned
from tests.support.namespaces import ADDRESS
from tests.support.people import Person, signed_up
from tests.support.running import ROOT, START_S, Server

NAME = "mouth"


@dataclass
class Contender:
    """A running server. route: how a process of listeners reaches it, as JSON."""

    name: str
    pid: int
    route: dict[str, Any]
    mouth: Lean
    ready: Callable[[], Awaitable[None]] = field(repr=False)  # after the first packets: wait until listeners may come
    reference: dict[str, Any] | None = None  # the route of a listener who tells how packets are numbered
    numbers_kept: bool = True  # does packet n in come out as one packet, unchanged or numbered alike?


Start = Callable[[Cores, Path, aiohttp.ClientSession], AbstractAsyncContextManager[Contender]]


def hushcast(name: str = "hushcast", *, variant: str = "original", red: bool = False, models: Path | None = None) -> Start:
    """The real server. variant "auto": denoised, for which `models` has the weights."""

    @asynccontextmanager
    async def start(cores: Cores, folder: Path, http: aiohttp.ClientSession) -> AsyncIterator[Contender]:
        with pinned(cores.server):
            server = await started(folder, models)
        try:
            async with signed_up(server.url, NAME) as person:
                headers = await bearer(person)
                mouth = Lean(http, server.url, headers)
                denoise = int(variant == "auto")
                if denoise:
                    await until_available(person)
                await mouth.publish(NAME, f"?denoise={denoise}&record=0")
                mouth.way.stamp_sends()
                route = {"kind": "whep", "url": server.url, "headers": headers, "host": "127.0.0.1", "name": NAME, "red": red}
                routes = [{**route, "query": f"?variant={each}"} for each in (variant, "original")]

                async def ready() -> None:
                    await person.until(NAME, live=True, **({"denoise_state": "active"} if denoise else {}))

                yield Contender(name, server.pid, routes[0], mouth, ready, routes[1] if denoise else None)
                await mouth.hang_up()
        finally:
            server.stop()

    return start


async def started(folder: Path, models: Path | None = None) -> Server:
    """A server of the bench's own; exported models are kept in the checkout's cache."""
    (folder / "var").mkdir(parents=True)
    cache = ROOT / "var" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    (folder / "var" / "cache").symlink_to(cache)
    settings: dict[str, object] = {"broadcast.places": 10_000}  # one name has all the ears
    if models is not None:
        settings["models.path"] = [str(models)]
    return await Server(folder, settings, {}, float(os.environ.get("HUSHCAST_TEST_STRETCH", "1"))).start()


async def bearer(person: Person) -> dict[str, str]:
    """Headers by which a program may publish and listen."""
    made = await person.call("POST", "/api/tokens", {"name": "bench", "scopes": ["publish", "listen"]}, status=201)
    return {"Authorization": f"Bearer {made['token']}"}


async def until_available(person: Person, denoiser: str = "deepfilternet3", timeout_s: float = 180.0) -> None:
    """Wait for the weights: without them the fallback would be measured."""
    async with asyncio.timeout(timeout_s):
        while not any(each["name"] == denoiser and each["available"] for each in await person.call("GET", "/api/denoisers")):
            await asyncio.sleep(0.1)


async def can_serve(person: Person, denoiser: str, timeout_s: float = 180.0) -> bool:
    """Whether it can, once it has been looked for and prepared."""
    async with asyncio.timeout(timeout_s):
        while True:
            rows = {each["name"]: each for each in await person.call("GET", "/api/denoisers")}
            if denoiser not in rows or rows[denoiser]["available"]:
                return denoiser in rows
            reason = str(rows[denoiser]["reason"])
            if not reason.startswith(("weights are being", "being prepared")):
                return False
            await asyncio.sleep(0.1)


def classic() -> Start:
    """aiortc as everybody uses it. It decodes and encodes: packets are matched by their loudness."""

    @asynccontextmanager
    async def start(cores: Cores, folder: Path, http: aiohttp.ClientSession) -> AsyncIterator[Contender]:
        folder.mkdir(parents=True)
        with pinned(cores.server), (folder / "classic.log").open("wb") as log:
            process = subprocess.Popen([sys.executable, "-m", "tests.bench.classic"], stdout=log, stderr=log, cwd=ROOT)
        try:
            url = await _listening(process, folder / "classic.log")
            mouth = Lean(http, url)
            await mouth.publish(NAME)
            mouth.way.stamp_sends()
            route = {"kind": "whep", "url": url, "headers": {}, "host": "127.0.0.1", "name": NAME, "red": False, "query": ""}
            yield Contender("classic", process.pid, route, mouth, _at_once, numbers_kept=False)
            await mouth.hang_up()
        finally:
            process.terminate()
            process.wait(10)

    return start


async def _at_once() -> None:
    pass


async def _listening(process: "subprocess.Popen[bytes]", log: Path) -> str:
    async with asyncio.timeout(START_S):
        while True:
            said = log.read_text(errors="replace")
            assert process.poll() is None, said
            for line in said.splitlines():
                if line.startswith("listening ") and line.endswith("/"):
                    return line.split()[1].rstrip("/")
            await asyncio.sleep(0.05)


def videoroom() -> Start:
    """Janus, as Debian has it."""

    @asynccontextmanager
    async def start(cores: Cores, folder: Path, http: aiohttp.ClientSession) -> AsyncIterator[Contender]:
        folder.mkdir(parents=True)
        async with janus.running(folder, cores.server) as (process, url), janus.Signalling.open(http, url) as spoken:
            mouth = Lean(http, url, host=ADDRESS)
            await janus.publish(spoken, mouth)
            mouth.way.stamp_sends()
            yield Contender("janus", process.pid, {"kind": "janus", "url": url, "headers": {}, "host": ADDRESS}, mouth, _at_once)
            await mouth.hang_up()

    return start
