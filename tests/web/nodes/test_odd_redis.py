"""Real servers and a Redis in which there is rubbish, whose stream was trimmed, or which asks for TLS and a password."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path

from redis.asyncio import Redis

from tests.conftest import StartServer
from tests.support.pair import Pair, joined, lost, metrics, speaking
from tests.support.people import signed_up
from tests.support.redis import RedisServer, TlsRedis
from tests.support.several import hearing, ready
from web.nodes.redis_connection import RedisConnection

PASSWORD = "open-sesame" * 3
MANY = 500
WAIT_S = 30.0


async def fill_with_rubbish(url: str) -> None:
    """In all places where the servers look: what is no record, of all types; many keys; and somebody else's in place of theirs."""
    async with Redis.from_url(url) as client:
        for number in range(MANY):
            for kind in ("air", "node"):
                await client.set(f"{kind}:x{number}", os.urandom(40) if number % 2 else b'{"name":[' * 50)
        await client.delete("hushcast:events")
        await client.set("hushcast:events", "mine")
        for key in ("air:alice", "air:list", "node:one", "node:list"):
            await client.delete(key)
            await client.rpush(key, "x")
        await client.set("node:two", '{"name":"two","url":"http://127.0.0.1:1","boot":"0"}')  # which nobody has sealed


async def live_through_rubbish(pair: Pair, redis: RedisServer) -> None:
    """Sound goes on, who comes hears, badges are right, and after a renewal the records stand there again."""
    bobs = [pair.at(pair.bob, each) for each in (pair.one, pair.two)]
    async with speaking(pair.alice), bobs[0].phone() as one, bobs[1].phone() as two, hearing(bobs[0]) as first, hearing(bobs[1]) as second:
        for ear in (one, two):
            await ear.listen("alice")
            await ear.heard(25)
        await fill_with_rubbish(redis.url)
        for bob in bobs * 3:
            await joined(bob, "alice")
        async with asyncio.timeout(WAIT_S):
            while b"one" not in (await _text(redis, "node:one")) or b"alice" not in (await _text(redis, "air:alice")):
                await asyncio.sleep(0.1)
        await asyncio.sleep(7)  # until what Redis does not have counts as gone
        for bob in bobs:
            await joined(bob, "alice")
            assert [row["live"] for row in await bob.call("GET", "/api/friends")] == [True]
        await pair.know_each_other()
        for ear in (one, two):
            assert lost(ear) == 0
        for told in (first, second):
            assert not [said for _, said in told.heard if said["type"] == "streaming_status_update" and not said["data"]["is_streaming"]]
    for node in (pair.one, pair.two):
        assert node.log.count("ignored in Redis") <= 4  # the first of each kind
        assert 'hushcast_redis_ignored_total{reason="rubbish"}' in await metrics(pair.bob.http, node.url)


async def _text(redis: RedisServer, key: str) -> bytes:
    """What stands there; b"" where it is no text."""
    return bytes(await redis.do("GET", key) or b"") if await redis.do("TYPE", key) == b"string" else b""


async def hear_of_what_was_trimmed(pair: Pair, redis: RedisServer) -> None:
    """A server that stood still while the stream went on and was trimmed asks anew for what it has missed: a broadcast and a request."""
    alice, bob = pair.at(pair.alice, pair.one), pair.at(pair.bob, pair.two)
    async with signed_up(pair.one.url, "carol") as carol, hearing(bob) as told:
        await told.until("all_statuses")
        os.kill(pair.two.pid, signal.SIGSTOP)
        try:
            asked = await carol.call("POST", "/api/friend-request/send", {"username": "bob"}, status=201)
            async with speaking(alice):
                async with Redis.from_url(redis.url) as client:
                    await client.xtrim("hushcast:events", maxlen=0, approximate=False)
                os.kill(pair.two.pid, signal.SIGCONT)
                await told.until("friend_request", WAIT_S, id=asked["id"], username="carol")
                await told.until("streaming_status_update", WAIT_S, username="alice", is_streaming=True)
                await joined(bob, "alice")
        finally:
            os.kill(pair.two.pid, signal.SIGCONT)


class GuardedRedis(TlsRedis):
    """One that takes TLS alone, with a password. Its certificate is signed by itself."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.certificate, key = folder / "redis.crt", folder / "redis.key"
        names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
        making = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-keyout",
            str(key),
            "-out",
            str(self.certificate),
        ]
        subprocess.run([*making, *names], check=True, capture_output=True)
        super().__init__(folder, "--requirepass", PASSWORD, "--tls-cert-file", str(self.certificate), "--tls-key-file", str(key))
        self._options += ("--tls-auth-clients", "no")

    def address(self, password: str = PASSWORD, **more: object) -> str:
        """Its URL."""
        asked = "&".join(f"{key}={value}" for key, value in more.items())
        return f"rediss://:{password}@127.0.0.1:{self.port}/0?{asked}"


async def test_tls_and_a_password(server: StartServer, redis: RedisServer, tmp_path: Path) -> None:
    """With both a server is connected. Without the right ones it says in one line what is wrong, and never the password."""
    guarded = await GuardedRedis(tmp_path / "guarded").start()
    try:
        right = guarded.address(ssl_ca_certs=guarded.certificate)
        for url, says in (
            (guarded.address("wrong-secret", ssl_ca_certs=guarded.certificate), "username-password"),
            (guarded.address(), "certificate verify failed"),
            (right.replace("rediss://", "redis://").partition("?")[0], ""),  # TLS is asked for, and none is spoken
        ):
            async with RedisConnection(url) as refused, asyncio.timeout(WAIT_S):
                while "yet" in str(refused.trouble):
                    await asyncio.sleep(0.02)
                said = str(refused.trouble)
                assert not refused.up and says.lower() in said.lower(), said
                assert "\n" not in said and "secret" not in said and PASSWORD not in said
        node = await server({"redis.url": right, "node.name": "one"})
        await ready(node.url)
        async with signed_up(node.url, "ada") as ada, speaking(ada), ada.http.get(f"{node.url}/metrics") as answer:
            assert "hushcast_redis_up 1" in await answer.text()
        assert PASSWORD not in node.log
    finally:
        guarded.kill()
