"""Part of bench presence: how soon hundreds of friends know, each with the page of the broadcaster open, hence two sockets."""

import asyncio
import os
import secrets
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import aiohttp
import numpy as np

from tests.bench import meters
from tests.bench.voice import Voice
from tests.support.people import Person
from tests.support.running import Server
from web.app import DATABASE
from web.auth.login_storage import COOKIE
from web.auth.secret import digest

KINDS = ("presence", "stream")
GOES_LIVE, STARTS, MUTED, UNMUTED = '"is_streaming":true', '"live":true', '"muted":true', '"muted":false'
UNRECORDED = '"recording":{"id":null'
AT_ONCE = 50  # sockets that connect
EVENT_S, ASKED = 20.0, 50
AT = "2026-01-01T00:00:00.000000Z"
Found = dict[str, list[float]]


def seed(database: Path, broadcaster: str, count: int) -> list[str]:
    """Make accounts that are the broadcaster's friends and signed in, as rows, because passwords take time. Returns their cookies."""
    cookies = [secrets.token_urlsafe(32) for _ in range(count)]
    with closing(sqlite3.connect(database, timeout=20)) as rows, rows:
        [one] = rows.execute("SELECT id FROM user WHERE username = ?", (broadcaster,)).fetchone()
        for number, cookie in enumerate(cookies):
            made = rows.execute("INSERT INTO user (username, password_hash, created_at) VALUES (?, '', ?)", (f"friend{number}", AT))
            login = (made.lastrowid, digest(cookie), time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime()))
            rows.execute(
                "INSERT INTO login (user_id, digest, created_at, seen_at, address, agent) VALUES (?, ?, ?, ?, '', '')", (*login, login[2])
            )
            rows.execute("INSERT INTO friendship (first_id, second_id, created_at) VALUES (?, ?, ?)", (one, made.lastrowid, AT))
    return cookies


class Sockets:
    """The sockets of all friends, and when each was told what is waited for, by time.monotonic()."""

    def __init__(self, http: aiohttp.ClientSession, url: str, broadcaster: str) -> None:
        self._http, self._url, self._broadcaster = http, url, broadcaster
        self._opened: dict[str, list[aiohttp.ClientWebSocketResponse]] = {kind: [] for kind in KINDS}
        self._readers: list[asyncio.Task[None]] = []
        self._wanted: dict[str, str] = {}  # kind -> what its messages must hold
        self._told: dict[str, list[float]] = {kind: [] for kind in KINDS}
        self._all_told = asyncio.Event()
        self._places = asyncio.Semaphore(AT_ONCE)

    async def open(self, cookies: list[str]) -> None:
        await asyncio.gather(*(self._open(kind, cookie) for cookie in cookies for kind in KINDS))

    async def _open(self, kind: str, cookie: str) -> None:
        path = "/ws/presence" if kind == "presence" else f"/ws/stream/{self._broadcaster}"
        async with self._places:
            headers = {"Origin": self._url, "Cookie": f"{COOKIE}={cookie}"}
            socket = await self._http.ws_connect(self._url + path, headers=headers, max_msg_size=0)
            await socket.receive_str()
        self._opened[kind].append(socket)
        self._readers.append(asyncio.create_task(self._read(kind, socket)))

    async def _read(self, kind: str, socket: aiohttp.ClientWebSocketResponse) -> None:
        waited = ""  # for what this socket has been told already
        async for message in socket:
            wanted = self._wanted.get(kind, "")
            if wanted and wanted != waited and wanted in message.data:
                waited = wanted
                self._told[kind].append(time.monotonic())
                if all(len(self._told[each]) == len(self._opened[each]) for each in self._wanted):
                    self._all_told.set()
            elif not wanted:
                waited = ""

    async def told(self, wanted: dict[str, str], act: Callable[[], Awaitable[object]]) -> dict[str, list[float]]:
        """Do something, and wait until all sockets of these kinds were told. Returns how many ms each took, by kind."""
        self._wanted, self._told = wanted, {kind: [] for kind in KINDS}
        self._all_told.clear()
        began = time.monotonic()
        acting = asyncio.ensure_future(act())
        async with asyncio.timeout(EVENT_S):
            await self._all_told.wait()
        await acting
        self._wanted = {}
        return {kind: [1000 * (each - began) for each in self._told[kind]] for kind in wanted}

    async def close(self) -> None:
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        for socket in (socket for sockets in self._opened.values() for socket in sockets):
            await socket.close()


@asynccontextmanager
async def _sockets(broadcaster: Person, cookies: list[str]) -> AsyncIterator[Sockets]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()) as http:
        sockets = Sockets(http, broadcaster.url, broadcaster.name)
        try:
            await sockets.open(cookies)
            yield sockets
        finally:
            await sockets.close()


async def measure(broadcaster: Person, server: Server, count: int, rounds: int) -> tuple[dict[str, float], dict[str, float]]:
    """The 99th percentile of each over all sockets and rounds, ms; and how busy the bench's and the server's processes were, % of a core.

    A bench that is itself near 100 % tells of its own delay.
    """
    database = server.storage / DATABASE
    cookies = await asyncio.to_thread(seed, database, broadcaster.name, count)
    found: Found = {}
    pids = {"bench": os.getpid(), "server": server.pid}
    async with _sockets(broadcaster, cookies) as sockets:
        before, began = {who: meters.cpu_ns([pid]) for who, pid in pids.items()}, time.monotonic_ns()
        for _ in range(rounds):
            for name, took in (await _broadcast(broadcaster, sockets)).items():
                found.setdefault(name, []).extend(took)
        passed = time.monotonic_ns() - began
        busy = {who: 100 * (meters.cpu_ns([pid]) - before[who]) / passed for who, pid in pids.items()}
    return {name: float(np.percentile(took, 99)) for name, took in found.items()}, busy


async def _broadcast(broadcaster: Person, sockets: Sockets) -> Found:
    """One broadcast that is recorded, muted, unmuted and no longer recorded; while it goes on others are asked about."""
    found: Found = {}
    talking: asyncio.Task[object] | None = None

    async def talk() -> None:
        nonlocal talking
        talking = asyncio.create_task(Voice(mouth).talk(100_000))

    async def post(path: str, body: object) -> None:
        await broadcaster.call("POST", path, body)

    async with broadcaster.phone() as mouth:
        await mouth.publish(broadcaster.name, "?denoise=0&record=1")
        try:
            told = await sockets.told({"presence": GOES_LIVE, "stream": STARTS}, talk)
            found["live_at_friends"], found["live_at_streams"] = told["presence"], told["stream"]
            await asyncio.sleep(0.2)
            for name, text, path, body in (
                ("muted", MUTED, "/api/stream/mute", {"muted": True}),
                ("unmuted", UNMUTED, "/api/stream/mute", {"muted": False}),
                ("unrecorded", UNRECORDED, "/api/stream/recording", {"on": False}),
            ):
                found[name] = (await sockets.told({"stream": text}, lambda path=path, body=body: post(path, body)))["stream"]
            found["friends_asked"] = await _asked(broadcaster, "/api/friends?limit=1000")
            found["statuses_asked"] = await _asked(broadcaster, "/api/statuses?users=" + ",".join(f"friend{each}" for each in range(100)))
        finally:
            if talking is not None:
                talking.cancel()
                await asyncio.gather(talking, return_exceptions=True)
            await broadcaster.call("POST", "/api/stream/stop", {})
    return found


async def _asked(person: Person, path: str) -> list[float]:
    took = []
    for _ in range(ASKED):
        began = time.monotonic()
        await person.call("GET", path)
        took.append(1000 * (time.monotonic() - began))
    return took
