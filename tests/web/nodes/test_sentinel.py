"""Redis by Sentinel: a replica takes over, and what cannot be had is said."""

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import ConnectionError as ConnectionClosed

from sfu.config.errors import ConfigError
from tests.conftest import StartServer, missing_program
from tests.support.people import signed_up
from tests.support.redis import PROGRAM, RedisServer, TlsRedis
from tests.support.sentinel import NAME, PASSWORD, Sentinel, guarded, urls, watched
from tests.support.several import ready, until
from tests.web.nodes.test_two_nodes import on_air
from web.nodes.redis_clients import RedisClients
from web.nodes.redis_connection import RedisAway, RedisConnection

URL = f"redis://:{PASSWORD}@{NAME}/0"
WAIT_S = 40.0


@pytest.fixture(autouse=True)
def _program() -> None:
    if PROGRAM is None:
        missing_program("redis-server")


async def test_a_replica_takes_over(server: StartServer, tmp_path: Path) -> None:
    """kill -9 of the Redis and of the Sentinel that is asked first: what is on air goes on, and the server writes all it has into the
    replica, which has become the Redis."""
    async with watched(tmp_path / "redis") as (primary, replica, sentinels):
        house = await server(
            {"redis.url": URL, "redis.sentinels": list(urls(sentinels)), "node.name": "one", "denoise.default": "passthrough"}
        )
        await ready(house.url)
        async with signed_up(house.url, "alice") as alice, on_air(alice, "?denoise=0&record=0"):
            broadcast = (await alice.status())["broadcast"]
            await until_listed(primary)
            sentinels[0].kill()
            primary.kill()
            await ready(house.url, "is away")
            await until_listed(replica, anew=True)
            assert b"role:master" in await asked(replica, "INFO", "replication")
            await ready(house.url)
            status = await alice.status()
            assert status["live"] and status["broadcast"] == broadcast


@pytest.mark.slow
async def test_a_redis_that_stood_still_gets_no_more(tmp_path: Path) -> None:
    """SIGSTOP: the replica takes over; SIGCONT: nobody goes back, though the old one takes writes until Sentinel makes it a replica.

    `python3 run.py test -m slow tests/web/nodes/test_sentinel.py`
    """
    async with watched(tmp_path / "redis") as (primary, replica, sentinels), RedisConnection(URL, urls(sentinels)) as connection:
        await until(lambda: connection.up)
        primary.pause()
        with pytest.raises(RedisAway):
            await connection.ask("SET", "mine", "lost")
        await until(lambda: connection.up, WAIT_S)
        primary.go_on()
        for number in range(30):
            await connection.ask("SET", "mine", number)
            assert await replica.do("GET", "mine") == str(number).encode()
        async with asyncio.timeout(WAIT_S):
            while b"master_link_status:up" not in await asked(primary, "INFO", "replication"):
                await asyncio.sleep(0.05)
        assert await primary.do("GET", "mine") == b"29" and connection.losses == 1


async def until_listed(redis: RedisServer, *, anew: bool = False) -> None:
    """Wait until alice's broadcast is in that Redis. anew: as one that takes writes, and the server writes there."""
    async with asyncio.timeout(WAIT_S):
        while anew and b"role:master" not in await asked(redis, "INFO", "replication"):
            await asyncio.sleep(0.02)
        if anew:
            await asked(redis, "DEL", "node:one")  # what came by replication
        while await asked(redis, "EXISTS", "node:one", "air:alice") != 2:
            await asyncio.sleep(0.02)


async def asked(redis: RedisServer, *command: str) -> Any:
    """The answer of a Redis whose connections Sentinel closes when it makes it another one."""
    while True:
        try:
            return await redis.do(*command)
        except ConnectionClosed:
            await asyncio.sleep(0.02)


async def test_what_sentinels_cannot_name_is_said(tmp_path: Path) -> None:
    """A name that they do not know, Sentinels that are away, and a wrong password: one line each, without what is secret."""
    redis = await guarded(tmp_path / "redis").start()
    sentinel = Sentinel(tmp_path / "sentinel", password="hush" * 8)
    sentinel.start(redis, 1)
    try:
        async with asyncio.timeout(20):
            while not await sentinel.watched():
                await asyncio.sleep(0.02)
        async with RedisConnection(URL, ["redis://127.0.0.1:1", sentinel.url]) as connection:
            await until(lambda: connection.up)
            assert connection.trouble is None
        wrong = sentinel.url.replace("hush" * 8, "wrong-secret")
        for url, place in (
            (URL.replace(NAME, NAME.lower()), sentinel.url),
            (URL, wrong),
            (URL, "redis://127.0.0.1:1"),
        ):
            async with RedisConnection(url, [place]) as refused:
                await until(lambda: "yet" not in str(refused.trouble))
                said = str(refused.trouble)
                assert not refused.up and said.endswith("is away: no Sentinel that answers names one of that name that is there"), said
                assert "by Sentinel at 127.0.0.1:" in said and "secret" not in said and "hushhush" not in said and PASSWORD not in said
    finally:
        sentinel.kill()
        redis.kill()


async def test_everything_over_tls(tmp_path: Path) -> None:
    """A Redis and a Sentinel that speak TLS alone, with a certificate of an authority that the URLs name; without it, it is said."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    made = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1".split()
    subprocess.run([*made, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    named = {"tls-cert-file": certificate, "tls-key-file": key, "tls-ca-cert-file": certificate, "tls-auth-clients": "no"}
    redis = await TlsRedis(
        tmp_path / "redis",
        "--requirepass",
        PASSWORD,
        "--masterauth",
        PASSWORD,
        *(word for name, value in named.items() for word in (f"--{name}", str(value))),
    ).start()
    sentinel = Sentinel(tmp_path / "sentinel", tls=[f"{name} {value}" for name, value in named.items()])
    sentinel.start(redis, 1)
    url, place = URL.replace("redis://", "rediss://"), sentinel.url.replace("redis://", "rediss://")
    known = f"?ssl_ca_certs={certificate}"
    try:
        async with RedisConnection(url + known, [place + known]) as connection:
            await until(lambda: connection.up)
            await connection.ask("SET", "mine", "1")
        for to, by, says in ((url, place + known, "certificate verify failed"), (url + known, place, "no Sentinel that answers")):
            async with RedisConnection(to, [by]) as refused:
                await until(lambda: "yet" not in str(refused.trouble))
                assert not refused.up and says in str(refused.trouble) and PASSWORD not in str(refused.trouble)
    finally:
        sentinel.kill()
        redis.kill()


def test_addresses_of_sentinels() -> None:
    """Their usual port is 26379; the Redis has the name in the URL, its database and its password; TLS where the URL says so, with one
    context for all connections.
    """
    clients = RedisClients("rediss://ada:pass@Hush_cast/3", ["redis://10.0.0.1", "redis://:secret@[::1]", "redis://10.0.0.3:7000"])
    assert clients.place == "Hush_cast (by Sentinel at 10.0.0.1:26379, [::1]:26379, 10.0.0.3:7000)"
    pool = clients.client(1.0).connection_pool
    assert pool.service_name == "Hush_cast" and "SSL" in pool.connection_class.__name__
    assert pool.make_connection().ssl_context is clients.client(2.0).connection_pool.make_connection().ssl_context
    assert {key: pool.connection_kwargs[key] for key in ("db", "username", "password")} == {"db": 3, "username": "ada", "password": "pass"}
    asked = [each.connection_pool.connection_kwargs for each in pool.sentinel_manager.sentinels]
    assert [(each["host"], each["port"], each.get("password")) for each in asked] == [
        ("10.0.0.1", 26379, None),
        ("::1", 26379, "secret"),
        ("10.0.0.3", 7000, None),
    ]
    with pytest.raises(ConfigError, match=r"redis\.sentinels: "):
        RedisClients("redis://hushcast/0", ["redis://10.0.0.1:26379?db=x"])
    with pytest.raises(ConfigError, match=r"redis\.url: Invalid SSL"):
        RedisClients("rediss://10.0.0.1/0?ssl_cert_reqs=some").client(1.0)
