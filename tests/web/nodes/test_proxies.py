"""Two real servers behind a real proxy, round robin, without stickiness."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

from tests.conftest import missing_program
from tests.support.pair import Pair, metrics
from tests.support.people import Person, friends
from tests.support.proxies import HAPROXY, NGINX, Proxy, running
from tests.support.running import Server, free_port
from tests.support.several import until
from tests.web.nodes.test_two_nodes import WAIT_S, community, next_of, on_air

__all__ = ["community"]
ASKED = (("GET", "/api/me"), ("POST", "/api/stream/stop"))


async def test_through_a_proxy(community: Pair) -> None:
    """Debian's nginx and HAProxy, with the files of deploy/; HAProxy leaves out a node that stands still, and takes it back."""
    await _proxy_before_both(community, NGINX, ("carol", "dave"))
    await _proxy_before_both(community, HAPROXY, ("erin", "frank"))
    async with running(HAPROXY, community.one.folder / "again", [community.one.url, community.two.url]) as url:
        os.kill(community.two.pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(WAIT_S):
                while len([each async for each in _asked(community.bob, url, 6) if each]) < 6:
                    pass
        finally:
            os.kill(community.two.pid, signal.SIGCONT)
        async with asyncio.timeout(WAIT_S):
            while (await metrics(community.bob.http, community.two.url)).count("hushcast_nodes 2") == 0:
                await asyncio.sleep(0.05)


async def test_nginx_after_a_restart_of_each(tmp_path: Path) -> None:
    """One server refuses, and is back; then the other refuses, while nginx still leaves out the first: each request is answered."""
    if NGINX.program is None:
        missing_program(NGINX.name)
    ports = free_port(), free_port()
    async with running(NGINX, tmp_path / "nginx", [f"http://127.0.0.1:{port}" for port in ports]) as url, aiohttp.ClientSession() as http:
        for _ in range(3):
            for port in ports:
                async with _answering(port):
                    for method in ("GET", "POST") * 4:
                        async with http.request(method, url, data=b"x" if method == "POST" else None) as answer:
                            assert (answer.status, await answer.text()) == (200, f"{method} {port}")


@asynccontextmanager
async def _answering(port: int) -> AsyncIterator[None]:
    """A server at this port that answers with the method and the port."""

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(text=f"{request.method} {port}")

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


async def test_nodes_restart_behind_nginx(community: Pair) -> None:
    """One after the other leaves by SIGTERM and is started again, while people ask all the time: no request of theirs fails, whatever
    its method."""
    if NGINX.program is None:
        missing_program(NGINX.name)
    nodes = [community.one, community.two]
    async with running(NGINX, community.one.folder / "nginx", [each.url for each in nodes]) as url, friends(url, "carol") as (carol,):
        over, told = asyncio.Event(), Counter[tuple[str, int]]()
        asking = [asyncio.create_task(_ask_until(over, carol, method, path, told)) for method, path in ASKED]
        for node in nodes * 2:
            await asyncio.to_thread(node.stop)
            await node.start()
        over.set()
        await asyncio.gather(*asking)
        assert set(told) == {("GET", 200), ("POST", 409)} and min(told.values()) > 50, told


async def _ask_until(over: asyncio.Event, person: Person, method: str, path: str, told: Counter[tuple[str, int]]) -> None:
    while not over.is_set():
        async with person.http.request(method, person.url + path, headers={"Origin": person.url}) as answer:
            told[method, answer.status] += 1
            await answer.read()
        await asyncio.sleep(0.01)


async def _asked(person: Person, url: str, times: int) -> AsyncIterator[bool]:
    """Whether each of so many requests is answered within a second."""
    for _ in range(times):
        try:
            async with person.http.get(f"{url}/healthz", timeout=aiohttp.ClientTimeout(total=1)) as answer:
                yield answer.status == 200
        except TimeoutError:
            yield False


async def _proxy_before_both(community: Pair, proxy: Proxy, names: tuple[str, str]) -> None:
    """Through it, round robin: two register, become friends, talk, listen, switch, stop and play it; the client's address gets through."""
    if proxy.program is None:
        missing_program(proxy.name)
    folder = community.one.folder / proxy.name
    async with running(proxy, folder, [community.one.url, community.two.url]) as url, friends(url, *names) as (carol, dave):
        await _addresses_get_through(community, url)
        async with dave.http.ws_connect(f"{url}/ws/presence", headers={"Origin": url}) as presence:
            async with on_air(carol, "?denoise=0&record=1") as mic, dave.phone() as ear:
                assert (await next_of(presence, "streaming_status_update"))["is_streaming"]
                await ear.listen(carol.name)
                await ear.heard(25)
                assert len({community.with_broadcast(each.location) for each in (mic, ear)}) == 1
                for variant in ("original", "auto"):
                    await dave.call("PUT", f"{ear.location}/variant", {"variant": variant}, status=204)
                recording = (await carol.call("POST", "/api/stream/stop"))["recording"]
            assert not (await next_of(presence, "streaming_status_update"))["is_streaming"]
        async with asyncio.timeout(WAIT_S):
            while (await dave.call("GET", f"/api/recordings/{carol.name}"))[0]["state"] != "ready":
                await asyncio.sleep(0.05)
        sounds = []
        for _ in range(2):
            async with dave.http.get(f"{url}/api/recording/{recording}/audio") as answer:
                sounds.append((answer.status, await answer.read()))
        assert sounds[0] == sounds[1] and sounds[0][0] == 200


async def _addresses_get_through(community: Pair, url: str) -> None:
    """Both nodes know who really asks, whatever the client writes into headers; what nodes ask each other does not pass."""
    forged = {"Origin": url, "X-Forwarded-For": "192.0.2.7", "Forwarded": "for=192.0.2.8"}
    there = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0), force_close=True)
    async with aiohttp.ClientSession(connector=there, headers=forged) as client:
        for path in ("/node/statuses", "/%6eode/statuses"):
            async with client.get(url + path) as answer:
                assert answer.status == 404
        before = sum(map(_failures, (community.one, community.two)))
        for _ in range(2):
            async with client.post(f"{url}/api/login", json={"username": "nobody", "password": "wrong horse"}) as answer:
                assert answer.status == 401
    await until(lambda: sum(map(_failures, (community.one, community.two))) == before + 2)
    assert not [node for node in (community.one, community.two) if "from 192.0.2." in node.log]


def _failures(node: Server) -> int:
    return node.log.count("login failed from 127.0.0.2")
