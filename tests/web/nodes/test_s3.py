"""Two real servers with one S3: what was recorded at one is heard at the other when the first is gone for good."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.conftest import StartServer
from tests.support.people import Person, friends
from tests.support.postgres import Postgres
from tests.support.redis import RedisServer
from tests.support.running import Server
from tests.support.s3 import SECRET, S3Proxy
from tests.support.several import Two, a_and_b, at, ready
from tests.web.nodes.test_two_nodes import on_air

WAIT_S = 60.0


@pytest.fixture
async def two(server: StartServer, redis: RedisServer, postgres_server: Postgres, s3_proxy: S3Proxy) -> AsyncIterator[Two]:
    """Both have the same S3."""
    async with a_and_b(server, redis, postgres_server, storage__s3_url=s3_proxy.url()) as found:
        yield found
        s3_proxy.fault = None


async def figure(person: Person, node: Server, name: str) -> float:
    async with person.http.get(f"{node.url}/metrics") as answer:
        return next(float(line.split()[1]) for line in (await answer.text()).splitlines() if line.startswith(f"{name} "))


async def until_keys(s3_proxy: S3Proxy, count: int) -> None:
    async with asyncio.timeout(WAIT_S):
        while len(await s3_proxy.keys()) != count:
            await asyncio.sleep(0.05)


@pytest.mark.real_time
async def test_it_outlives_its_node(two: Two, s3_proxy: S3Proxy) -> None:
    """Killed while it sends, a server begins anew at its next start. Killed for good afterwards: the other one answers sound and outline,
    and deletes; no line of a log has the key.
    """
    s3_proxy.fault, s3_proxy.methods, s3_proxy.only = "held", {"PUT"}, "heard.wav"
    async with friends(two.a.url, "alice", "bob") as (alice, bob):
        async with on_air(alice, "?denoise=0&record=1") as mic:
            name = mic.location.rpartition("/")[2].partition(".")[0]
            owner, other = (two.a, two.b) if name == "a" else (two.b, two.a)
            await asyncio.sleep(1)
            recording = (await alice.call("POST", "/api/stream/stop"))["recording"]
        await asyncio.wait_for(s3_proxy.failing.wait(), WAIT_S)
        owner.kill()
        s3_proxy.fault = None
        assert (owner.storage / "recordings" / str(recording) / "original.opus").exists()
        await owner.start()
        await ready(owner.url)
        async with asyncio.timeout(WAIT_S):
            while not any(f"/recordings/{recording}/" in key for key in await s3_proxy.keys()) or await figure(
                at(owner.url, alice), owner, "hushcast_s3_waiting"
            ):
                await asyncio.sleep(0.1)
        count = len(await s3_proxy.keys())
        url = f"/api/recording/{recording}/audio"
        async with bob.http.get(f"{owner.url}{url}") as answer:
            whole = await answer.read()
            assert answer.status == 200 and len(whole) > 48_000
        owner.kill()
        elsewhere = at(other.url, bob)
        async with elsewhere.http.get(f"{other.url}{url}", headers={"Range": "bytes=44-"}) as answer:
            assert (answer.status, await answer.read()) == (206, whole[44:])
        assert (await elsewhere.call("GET", f"/api/recording/{recording}/peaks?points=10"))["duration_s"] > 0.5
        await at(other.url, alice).call("DELETE", f"/api/recording/{recording}", status=204)
        assert count == len(await s3_proxy.keys()), "it lies in the trash"
        await at(other.url, alice).call("DELETE", "/api/me", {"password": "correct horse battery", "next_owner": "bob"}, status=204)
        await until_keys(s3_proxy, 0)
        assert all(SECRET not in each.log for each in (two.a, two.b))
