"""The directory, against a real Redis: epochs, rubbish, what is lost, what is cached while Redis is away."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.support.redis import RedisServer
from web.nodes.directory import MOST_NODES, Directory
from web.nodes.event_log import AirTold, EventLog, Told
from web.nodes.record_seal import RecordSeal
from web.nodes.records import AirRecord, NodeRecord
from web.nodes.redis_connection import RedisAway, RedisConnection, RedisRefused
from web.nodes.rubbish import CheckedReader

BOOTS = itertools.count()
SEAL = RecordSeal("a secret that all nodes have, 32+")


class Node:
    """What a node has of the directory, without the rest of a server."""

    def __init__(self, name: str, url: str) -> None:
        own = SEAL.on(NodeRecord(name=name, url=f"http://{name}.test", boot=f"boot{next(BOOTS)}"))
        self.redis = RedisConnection(url)
        self.reader = CheckedReader(SEAL)
        self.events = EventLog(self.redis, self.reader, lambda: own)
        self.directory = Directory(self.redis, self.reader, own, lambda named: named, self.events)
        self.told: list[Told] = []
        self.lost: list[AirRecord] = []
        self.changed: list[str] = []
        self.gaps = 0
        self.events.hear = self._hear
        self.events.on_gap = self._gap
        self.directory.on_lost = self.lost.append
        self.directory.on_changed = self.changed.append
        self.redis.on_up.append(self.events.begin_here)
        self.redis.on_up.append(lambda: self.directory.renew(()))
        self.redis.on_down.append(self.events.pause)

    def _hear(self, told: Told) -> None:
        self.told.append(told)
        if isinstance(told, AirTold):
            self.directory.take(told.record)

    def _gap(self) -> None:
        self.gaps += 1

    def on_air(self, username: str, epoch: int, **more: str) -> AirRecord:
        given = {"broadcast": f"b-{username}", "since": "2026-11-29T12:00:00Z", "title": "", "state": "live", **more}
        return AirRecord(username=username, node=self.directory.own.name, epoch=epoch, **given)  # type: ignore[arg-type]


@asynccontextmanager
async def nodes(url: str, *names: str) -> AsyncIterator[list[Node]]:
    """Several nodes of one Redis, each connected."""
    async with AsyncExitStack() as opened:
        made = [Node(name, url) for name in names]
        for node in made:
            await opened.enter_async_context(node.events)
            await opened.enter_async_context(node.redis)
            await until(lambda node=node: node.redis.up)  # type: ignore[misc]
        for node in made:
            for other in made:
                node.directory.meet(other.directory.own)
        yield made


async def until(true: Callable[[], object], timeout_s: float = 20.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not true():
            await asyncio.sleep(0.01)


async def test_a_broadcast_is_known_at_another_node(redis: RedisServer) -> None:
    """Announced at one node, it is told to the other, cached there, and gone when it was withdrawn."""
    async with nodes(redis.url, "a", "b") as (a, b):
        assert await a.directory.announce(a.on_air("ada", 1, title="First"))
        await until(lambda: b.directory.air("ada"))
        found = b.directory.elsewhere("ada")
        assert found is not None and (found.node, found.epoch, found.title) == ("a", 1, "First")
        assert await b.directory.look_up("ada") == found
        assert a.directory.elsewhere("ada") is None
        assert b.changed == ["ada"]
        await a.directory.withdraw("ada", 1)
        await until(lambda: b.directory.air("ada") is None)
        assert b.changed == ["ada", "ada"]


async def test_a_lower_epoch_is_refused(redis: RedisServer) -> None:
    """Whoever has the higher epoch stays, whatever the other one writes, also when the higher one has ended."""
    async with nodes(redis.url, "a", "b") as (a, b):
        assert await a.directory.announce(a.on_air("ada", 5))
        a.redis.up = False  # it hears nothing of what follows
        a.events.pause()
        assert await b.directory.announce(b.on_air("ada", 6))
        a.redis.up = True
        assert not await a.directory.announce(a.on_air("ada", 5, title="Still me"))
        assert [each.epoch for each in a.lost] == [6]
        found = await a.directory.look_up("ada")
        assert found is not None and found.node == "b"
        await a.directory.withdraw("ada", 5)
        await b.directory.renew(["ada"])
        assert not b.lost
        await b.directory.withdraw("ada", 6)
        assert not await a.directory.announce(a.on_air("ada", 5))
        assert await a.directory.look_up("ada") is None


async def test_the_owner_learns_of_a_higher_epoch_by_its_renewal(redis: RedisServer) -> None:
    """A node that has missed the message loses its broadcast when it renews."""
    async with nodes(redis.url, "a", "b") as (a, b):
        await a.directory.announce(a.on_air("ada", 1))
        a.events.pause()
        await asyncio.sleep(0)
        a.events.hear = lambda told: None
        await b.directory.announce(b.on_air("ada", 2))
        await a.directory.renew(["ada"])
        assert [each.node for each in a.lost] == ["b"]


async def test_rubbish_is_ignored_and_counted(redis: RedisServer) -> None:
    """Whatever stands under the names of the directory, what is right beside it is found, and one warning is given of each kind."""
    rubbish = {
        "air:x": b"{",
        "air:y": b"\xff\xfe",
        "air:z": b'{"username": "z", "node": "UPPER CASE", "epoch": 1, "broadcast": "b"}',
        "air:w": b'{"username": "somebody else", "node": "a", "epoch": 1, "broadcast": "b"}',
        "air:v": b"[" * 5000,
        "air:u": b'{"username": "u", "node": "a", "epoch": -1, "broadcast": "b"}',
        "node:q": b'{"name": "q", "load": 17}',
        "node:\xff": b"null",
    }
    client = Redis.from_url(redis.url)
    async with client, nodes(redis.url, "a", "b") as (a, b):
        for key, value in rubbish.items():
            await client.set(key, value)
        await client.lpush("air:list", "x")
        await client.xadd("air:stream", {"a": "b"})
        await client.hset("node:hash", "a", "b")
        await client.lpush("air:ada", "not ours")
        await a.directory.announce(a.on_air("bob", 1))
        await b.directory.read_all(complete=True)
        assert set(b.directory.nodes()) == {"a", "b"}
        assert b.directory.elsewhere("bob") is not None
        assert b.directory.air("x") is b.directory.air("z") is b.directory.air("w") is None
        assert (b.reader.ignored["rubbish"], b.reader.ignored["wrong_type"]) == (8, 4)
        assert await b.directory.look_up("x") is None
        assert await a.directory.announce(a.on_air("ada", 1))  # takes the place of the list
        assert (await b.directory.look_up("ada")) is not None


async def test_nobody_poses_as_a_node(redis: RedisServer) -> None:
    """Who writes into Redis and does not know the secret is no node: without a seal, with another secret's, with another URL's."""
    client = Redis.from_url(redis.url)
    async with client, nodes(redis.url, "a", "b") as (a, b):
        genuine = a.directory.own
        posing = [
            NodeRecord(name="c", url="http://evil.test"),
            RecordSeal("guessed").on(NodeRecord(name="d", url="http://evil.test")),
            msgspec.structs.replace(genuine, name="e"),
            msgspec.structs.replace(genuine, url="http://evil.test"),
            msgspec.structs.replace(genuine, boot="another"),
        ]
        for each in posing:
            await client.set(f"node:{each.name}", msgspec.json.encode(each))
            b.directory.meet(each)
        await b.directory.read_all(complete=False)
        assert b.reader.ignored["unsigned"] == 5 + 4 and set(b.directory.nodes()) == {"a", "b"}
        assert b.directory.nodes()["a"] == genuine
        b.directory.meet(msgspec.structs.replace(genuine, load=0.5))  # which is not sealed
        assert b.directory.nodes()["a"].load == 0.5


@pytest.mark.parametrize("url", ["javascript:1", "http://", "http://a b", "http://a?x", "http://a\n"])
async def test_a_url_that_is_none_is_rubbish(redis: RedisServer, url: str) -> None:
    """Sealed or not: nobody asks such a node."""
    client = Redis.from_url(redis.url)
    async with client, nodes(redis.url, "b") as (b,):
        await client.set("node:c", msgspec.json.encode(SEAL.on(NodeRecord(name="c", url=url))))
        await b.directory.read_all(complete=True)
        assert set(b.directory.nodes()) == {"b"} and b.reader.ignored["rubbish"] == 1


async def test_rubbish_at_its_key_hides_no_node(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node and its broadcast stay for as long as it may take to be written again, whatever is written there, and among many keys."""
    async with nodes(redis.url, "a", "b") as (a, b):
        await a.directory.announce(a.on_air("ada", 1))
        await until(lambda: b.directory.elsewhere("ada"))
        await asyncio.gather(*(redis.do("SET", f"node:{number}", "x") for number in range(2 * MOST_NODES)))
        for rubbish in (("SET", "node:a", "x"), ("LPUSH", "node:a", "x")):
            for key in ("node:a", "air:ada"):
                await redis.do("DEL", key)
                await redis.do(rubbish[0], key, rubbish[2])
            for asking in (b.directory.refresh, b.directory.read_all):
                await asking(complete=True)
                assert b.directory.elsewhere("ada") is not None
            await a.directory.renew(["ada"])
        monkeypatch.setattr("web.nodes.directory.NODE_S", 0.1)
        await redis.do("SET", "node:a", "x")
        await b.directory.refresh(complete=True)
        await asyncio.sleep(0.2)
        await b.directory.refresh(complete=True)
        assert b.directory.elsewhere("ada") is None


async def test_whoever_does_not_find_itself_believes_nobody_gone(redis: RedisServer) -> None:
    """What Redis has just lost is not over: the others write it again, as this node does."""
    async with nodes(redis.url, "a", "b") as (a, b):
        await a.directory.announce(a.on_air("ada", 1))
        await b.directory.read_all(complete=True)
        await redis.do("FLUSHALL")
        await b.directory.read_all(complete=True)
        assert b.directory.elsewhere("ada") is not None
        await b.directory.renew(())
        await b.directory.read_all(complete=True)
        assert b.directory.elsewhere("ada") is None


async def test_who_comes_while_redis_is_asked_stays(redis: RedisServer) -> None:
    """A refresh and a reading of all take away only what was known when they began."""
    async with nodes(redis.url, "a", "b") as (a, b):
        for asking in (b.directory.refresh, b.directory.read_all):
            asked = asyncio.create_task(asking(complete=True))
            await asyncio.sleep(0)
            b.directory.meet(SEAL.on(NodeRecord(name="c")))
            b.directory.take(msgspec.structs.replace(a.on_air("ada", 1), node="c"))
            await asked
            assert set(b.directory.nodes()) == {"a", "b", "c"} and b.directory.elsewhere("ada") is not None
            await b.directory.read_all(complete=True)
            assert set(b.directory.nodes()) == {"a", "b"} and b.directory.air("ada") is None


async def test_connections_that_do_not_close_end_nothing(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the task that connects again, nor the end of the server; the second connection is closed even so."""
    closed: list[str] = []

    async def broken() -> None:
        raise RedisConnectionError("it was broken before")

    async def noted() -> None:
        closed.append("reader")

    connection = RedisConnection(redis.url)
    async with connection:
        await until(lambda: connection.up)
        monkeypatch.setattr(connection._redis.connection_pool, "disconnect", broken)
        monkeypatch.setattr(connection._reader.connection_pool, "disconnect", noted)
        redis.kill()
        with pytest.raises(RedisAway):
            await connection.ask("PING")
        await redis.start()
        await until(lambda: connection.up)
        assert closed
        monkeypatch.undo()
        monkeypatch.setattr(connection._redis, "aclose", broken)
    monkeypatch.undo()
    await connection._redis.aclose()


async def test_a_stream_of_another_type_gives_way(redis: RedisServer) -> None:
    """A key that is no stream where the stream should be, or entries that are no messages, end nothing."""
    client = Redis.from_url(redis.url)
    async with client, nodes(redis.url, "a", "b") as (a, b):
        await client.set("hushcast:events", "mine")
        await until(lambda: b.reader.ignored["wrong_type"])
        await a.directory.announce(a.on_air("ada", 1))
        await client.xadd("hushcast:events", {"event": b'{"node": 1}'})
        await client.xadd("hushcast:events", {"other": b"\xff"})
        await a.directory.announce(a.on_air("bob", 1))
        await until(lambda: b.directory.air("bob"))


async def test_while_redis_is_away_the_cache_answers_at_once(redis: RedisServer) -> None:
    """A killed and a stopped Redis: what is cached stays, questions do not wait, announcements are made good afterwards."""
    async with nodes(redis.url, "a", "b") as (a, b):
        await a.directory.announce(a.on_air("ada", 1))
        await until(lambda: b.directory.air("ada"))
        redis.kill()
        await until(lambda: not b.redis.up)
        assert b.directory.elsewhere("ada") == await b.directory.look_up("ada") is not None
        assert await a.directory.announce(a.on_air("bob", 1))
        await a.directory.withdraw("ada", 1)
        assert "is away" in str(b.redis.trouble)
        await redis.start()
        await until(lambda: a.redis.up and b.redis.up)
        await a.directory.announce_all()
        await until(lambda: b.directory.air("bob") and b.directory.air("ada") is None)
        redis.pause()
        assert await b.directory.look_up("bob") is not None
        assert not b.redis.up
        assert "in time" in str(b.redis.trouble)


@pytest.mark.parametrize("options", [("--requirepass", "hush" * 8), ()])
async def test_a_wrong_password_is_said(tmp_path, options: tuple[str, ...]) -> None:  # type: ignore[no-untyped-def]
    """A Redis that wants a password, and one that wants none, and the URL has one: with the right one it connects, else it says why."""
    server = await RedisServer(tmp_path / "guarded", *options).start()
    try:
        right = server.url.replace("redis://", f"redis://:{options[1]}@") if options else server.url
        async with RedisConnection(right) as connection:
            await until(lambda: connection.up)
        async with RedisConnection(server.url.replace("redis://", "redis://:wrong-secret@")) as refused:
            await until(lambda: "yet" not in str(refused.trouble))
            assert not refused.up
            assert "wrong-secret" not in str(refused.trouble)
    finally:
        server.kill()


async def test_a_gap_is_noticed(redis: RedisServer) -> None:
    """A message that was dropped while Redis was away, and a stream that was trimmed, are gaps; an own message is none."""
    client = Redis.from_url(redis.url)
    async with client, nodes(redis.url, "a", "b") as (a, b):
        for username in ("ada", "bob"):
            await a.directory.announce(a.on_air(username, 1))
        await until(lambda: len(b.told) == 2)
        assert b.gaps == 0
        b.events.pause()
        await asyncio.sleep(1.2)  # until the question that waits has ended
        for username in ("cyd", "dan"):
            await a.directory.announce(a.on_air(username, 1))
        await client.execute_command("XTRIM", "hushcast:events", "MAXLEN", "=", "1")
        b.events._reading.set()
        await until(lambda: b.gaps == 1)
        assert b.directory.air("dan") is not None and b.directory.air("cyd") is None
        await b.directory.read_all(complete=True)
        assert b.directory.air("cyd") is not None


async def test_what_was_trimmed_whole_is_a_gap(redis: RedisServer) -> None:
    """Nothing of it can be read, and nothing follows it: the next look notices it, once. An empty stream from the start is none."""
    async with nodes(redis.url, "a", "b") as (a, b):
        await b.events.look_behind()
        b.events.pause()
        await asyncio.sleep(1.2)  # until the question that waits has ended
        await a.directory.announce(a.on_air("ada", 1))
        await b.events.look_behind()
        assert b.gaps == 0  # it is still there
        await redis.do("XTRIM", "hushcast:events", "MAXLEN", "=", "0")
        for _ in range(2):
            await b.events.look_behind()
            assert b.gaps == 1
        b.events._reading.set()
        await a.directory.announce(a.on_air("bob", 1))
        await until(lambda: b.directory.air("bob"))


async def test_a_redis_that_takes_no_writes_is_away(redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """What was the first one before a failover is left, and tried again with longer and longer pauses; one line says why."""
    async with nodes(redis.url, "a") as (a,):
        await redis.do("REPLICAOF", "127.0.0.1", "1")
        await a.directory.announce(a.on_air("ada", 1))
        assert not a.redis.up
        await asyncio.sleep(1)
        assert a.redis.losses < 10
        assert len([line for line in caplog.records if "is away" in line.getMessage()]) == 1
        await redis.do("REPLICAOF", "NO", "ONE")
        await until(lambda: a.redis.up)
        await a.directory.announce_all()
        assert await redis.do("EXISTS", "air:ada") == 1


async def test_a_full_redis_refuses(redis: RedisServer) -> None:
    """Out of memory, Redis refuses the renewal, which says so; it is no reason to leave it."""
    async with nodes(redis.url, "a", "b") as (a, b):
        await a.directory.announce(a.on_air("ada", 1))
        await until(lambda: b.directory.air("ada"))
        await redis.do("CONFIG", "SET", "maxmemory", "1")
        with pytest.raises(RedisRefused, match="memory"):
            await a.directory.renew(["ada"])
        assert await a.directory.announce(a.on_air("bob", 1))
        assert await b.directory.look_up("ada") is not None
        await redis.do("CONFIG", "SET", "maxmemory", "0")
        assert await a.directory.renew(["ada", "bob"])
        assert await b.directory.look_up("bob") is not None
