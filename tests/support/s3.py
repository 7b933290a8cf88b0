"""moto's real S3 server as a process of the tests, and a proxy before it that answers as a bad S3 does."""

import asyncio
import itertools
import re
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from socket import create_connection
from time import monotonic, sleep
from typing import Literal

from aiohttp import ClientSession, DummyCookieJar, TCPConnector, web
from obstore.store import S3Store

from tests.support.running import free_port

START_S = 60.0
KEY, SECRET = "an-access-key", "a-secret-that-nobody-may-read"
Fault = Literal["refused", "busy", "half", "altered", "cut", "held"]
SIGNED = {"Authorization": f"AWS4-HMAC-SHA256 Credential={KEY}/20260101/eu-central-1/s3/aws4_request, SignedHeaders=host, Signature=0"}
_numbers = itertools.count(1)


class S3Server:
    """The server process. Buckets are made for each test; all of it is in its memory."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def bucket(self) -> str:
        """The name of a new one."""
        name = f"bucket{next(_numbers)}"
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/{name}", method="PUT"), timeout=START_S).close()
        return name


@contextmanager
def running(stretch: float) -> Iterator[S3Server]:
    """A server for as long as the block."""
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = monotonic() + START_S * stretch
        while True:
            with suppress(OSError):
                create_connection(("127.0.0.1", port), 1).close()
                break
            assert process.poll() is None and monotonic() < deadline, "moto's server does not start"
            sleep(0.05)
        server = S3Server(port)
        _begin_threads(server)
        yield server
    finally:
        process.kill()
        process.wait()


def _begin_threads(server: S3Server) -> None:
    """obstore begins threads of its own with its first question, which stay for as long as the process: not within a test."""
    store = S3Store(
        server.bucket(),
        config={"endpoint": server.url, "access_key_id": KEY, "secret_access_key": SECRET},
        client_options={"allow_http": True},
    )
    loop = asyncio.new_event_loop()
    loop.run_until_complete(_listed(store))
    loop.close()


async def _listed(store: S3Store) -> None:
    assert [each async for each in store.list()] == []


class S3Proxy:
    """Before one bucket: passes requests on, or answers as `fault` says those with a method of `methods`."""

    def __init__(self, server: S3Server, bucket: str, port: int) -> None:
        self.bucket, self.port = bucket, port
        self.fault: Fault | None = None
        self.methods = {"GET", "PUT", "POST", "DELETE", "HEAD"}
        self.only = ""  # a part of the paths that the fault is for
        self.asked: Counter[str] = Counter()  # by method
        self.failing = asyncio.Event()  # the fault has met a request since this was cleared
        self._server = server

    def url(self, prefix: str = "tapes", bucket: str = "") -> str:
        """`storage.s3_url`, with the key in it."""
        return f"s3://{KEY}:{SECRET}@{bucket or self.bucket}/{prefix}?endpoint=http://127.0.0.1:{self.port}&region=eu-central-1"

    async def keys(self) -> list[str]:
        """What is in the bucket, asked without the proxy."""
        async with ClientSession() as session, session.get(f"{self._server.url}/{self.bucket}?list-type=2") as answer:
            return re.findall(r"<Key>(.*?)</Key>", await answer.text())

    async def content(self, key: str) -> bytes:
        """An object, asked without the proxy."""
        async with ClientSession() as session, session.get(f"{self._server.url}/{self.bucket}/{key}", headers=SIGNED) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.read()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked[request.method] += 1
        fault = self.fault if request.method in self.methods and self.only in request.path_qs else None
        if fault is not None:
            self.failing.set()
        while fault == "held" and self.fault == "held":
            await asyncio.sleep(0.02)
        if fault == "refused":
            return web.Response(status=403, text="<Error><Code>AccessDenied</Code></Error>", content_type="application/xml")
        if fault == "busy":
            return web.Response(status=503, text="<Error><Code>SlowDown</Code></Error>", content_type="application/xml")
        if fault == "cut":
            _hang_up(request)
            return web.Response()
        return await self._passed_on(request, fault)

    async def _passed_on(self, request: web.Request, fault: Fault | None) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in ("host", "transfer-encoding")}
        try:
            body = await request.read()
        except ConnectionError:  # the client was killed meanwhile
            return web.Response()
        async with (
            ClientSession(connector=TCPConnector(force_close=True), cookie_jar=DummyCookieJar(), auto_decompress=False) as session,
            session.request(request.method, f"{self._server.url}{request.path_qs}", headers=headers, data=body) as answer,
        ):
            given = await answer.read()
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in ("connection", "transfer-encoding")}
            status = answer.status
        if fault == "altered" and given:
            given = bytes([given[0] ^ 1]) + given[1:]
        if fault != "half" or not given:
            if request.method == "HEAD":
                return web.Response(status=status, headers=kept)
            kept.pop("Content-Length", None)
            return web.Response(status=status, headers=kept, body=given)
        half = web.StreamResponse(status=status, headers=kept)
        half.content_length = len(given)
        with suppress(ConnectionError):  # the client was ended meanwhile
            await half.prepare(request)
            await half.write(given[: len(given) // 2])
        _hang_up(request)
        return half


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:  # else the client was ended meanwhile
        request.transport.abort()


@asynccontextmanager
async def proxied(server: S3Server) -> AsyncIterator[S3Proxy]:
    """A new bucket and the proxy before it, for as long as the block."""
    app = web.Application(client_max_size=1 << 26)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    port = free_port()
    proxy = S3Proxy(server, await asyncio.to_thread(server.bucket), port)
    app.router.add_route("*", "/{rest:.*}", proxy._answer)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield proxy
    finally:
        proxy.fault = None
        await runner.cleanup()
