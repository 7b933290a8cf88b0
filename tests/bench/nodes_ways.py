"""Part of bench nodes: what it costs that a request comes to the wrong server, how soon the other one tells, and many who come at once."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import numpy as np

from tests.bench.nodes_house import House
from tests.support.pair import joined, metrics, speaking
from tests.support.people import Person
from tests.support.running import Server
from tests.support.several import Ear, hearing
from tests.support.softphone import Softphone

TOLD_S = 20.0
AT_ONCE = 50  # of a storm, whose handshakes all are this process' own


async def joins(house: House, count: int) -> dict[str, list[float]]:
    """From the offer to the first packet, ms, in turn: through the server that has the broadcast, and through the other one."""
    return await _both_ways(house, count, _join_ms)


async def answers(house: House, count: int) -> dict[str, list[float]]:
    """From the offer to its answer, ms, in turn."""
    return await _both_ways(house, count, _answer_ms)


async def _both_ways(house: House, count: int, ask: Callable[[Person], Awaitable[float]]) -> dict[str, list[float]]:
    """ask(person): how long it takes by that person's server, ms."""
    pair = house.pair
    found: dict[str, list[float]] = {"right": [], "wrong": []}
    async with speaking(pair.alice) as mic:
        right = pair.with_broadcast(mic.location)
        ways = [("right", right), ("wrong", pair.other(right))]
        await pair.at(pair.bob, pair.other(right)).until("alice", live=True)
        before = await _passed_on(house, pair.other(right))
        for turn in range(count + 1):
            for way, server in ways[:: 1 if turn % 2 else -1]:  # what went before is still being closed, and slows down whoever comes next
                took = await ask(pair.at(pair.bob, server))
                if turn:  # the first one also shakes hands between the servers
                    found[way].append(took)
        assert await _passed_on(house, pair.other(right)) >= before + count
        await pair.alice.call("POST", "/api/stream/stop")
    return found


async def _join_ms(person: Person) -> float:
    return 1000 * await joined(person, "alice")


async def _passed_on(house: House, server: Server) -> float:
    """How many requests this server has asked of the other one since it was started."""
    for line in (await metrics(house.pair.bob.http, server.url)).splitlines():
        if line.startswith("hushcast_node_requests_total"):
            return float(line.split()[-1])
    raise AssertionError("it counts none")


class _Asking(Softphone):
    """Takes the answer, and does not connect."""

    async def connect(self, certificate: object) -> None:  # type: ignore[override]
        self.answered = time.perf_counter()


async def _answer_ms(person: Person) -> float:
    async with _Asking(person.http, person.url) as ear:
        began = time.perf_counter()
        await ear.listen("alice")
        assert await ear.delete() == 200
        return 1000 * (ear.answered - began)


async def badges(house: House, count: int) -> list[float]:
    """From the first packet at one server to the friend's socket at the other one, ms."""
    pair = house.pair
    found = []
    async with hearing(pair.at(pair.bob, pair.one)) as one, hearing(pair.at(pair.bob, pair.two)) as two:
        for _ in range(count):
            async with pair.alice.phone() as mic:
                await mic.publish("alice", "?denoise=0&record=0")
                there = two if pair.with_broadcast(mic.location) is pair.one else one
                began = asyncio.get_running_loop().time()
                talking = asyncio.create_task(mic.talk([b"\xf8\xff\xfe"] * 1000))
                found.append(1000 * (await _told(there, True) - began))
                await pair.alice.call("POST", "/api/stream/stop")
                talking.cancel()
                await asyncio.gather(talking, return_exceptions=True)
            for ear in (one, two):
                await _told(ear, False)
                ear.heard.clear()
    return found


async def _told(ear: Ear, live: bool) -> float:
    return await ear.until("streaming_status_update", TOLD_S, username="alice", is_streaming=live)


async def storm(house: House, count: int) -> dict[str, float]:
    """So many listeners at once, all by offers to the wrong server: each one's time to the first packet, and that of all, s."""
    pair = house.pair
    async with speaking(pair.alice) as mic:
        wrong = pair.other(pair.with_broadcast(mic.location))
        bob, places = pair.at(pair.bob, wrong), asyncio.Semaphore(AT_ONCE)
        ears = [bob.phone() for _ in range(count)]
        began = time.monotonic()
        try:
            took = await asyncio.gather(*(_comes(ear, places) for ear in ears))
            all_s = time.monotonic() - began
        finally:
            await asyncio.gather(*(ear.hang_up() for ear in ears))
        await pair.alice.call("POST", "/api/stream/stop")
    return {"all_s": all_s, "p50_s": float(np.percentile(took, 50)), "p99_s": float(np.percentile(took, 99)), "joined": len(took)}


async def _comes(ear: Softphone, places: asyncio.Semaphore) -> float:
    async with places:
        began = time.monotonic()
        await ear.listen("alice")
        await ear.heard(1)
        ear.on_packet = lambda at_ns, packet: None
        return ear.received[0][0] / 1e9 - began
