"""Part of bench nodes: the processor time of two servers with twice the voices and listeners, against one server's by itself.

Both crowds are there all the time; in turn one of them talks, and only that one's processor time of then counts.
"""

import asyncio
import statistics
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.bench import meters
from tests.bench.load import Load
from tests.bench.nodes_house import House
from tests.bench.servers import bearer
from tests.bench.voice import PACKET_S, Voice
from tests.support.people import Person, signed_up
from tests.support.softphone import Softphone

VOICES = 4  # of the one server; the two have twice as many


@dataclass
class Crowd:
    """Who talks at one server, or at two, and how many listen."""

    name: str
    pids: list[int]
    voices: list[Voice]
    listeners: int


async def measure(house: House, rounds: int, seconds: float, listeners: int) -> dict[str, float]:
    """listeners: of the one server. Processor seconds of each side a second, their ratio (median of rounds), and what was delivered."""
    async with AsyncExitStack() as opened:
        alone = await house.start({})
        load = await Load.start()
        opened.push_async_callback(load.close)
        pair = house.pair
        one = await _crowd(opened, load, "one", [alone.url], [alone.pid], (VOICES, listeners))
        two = await _crowd(opened, load, "two", pair.urls, [pair.one.pid, pair.two.pid], (2 * VOICES, 2 * listeners))
        ratios, spent, delivered = [], {"one": 0.0, "two": 0.0}, []
        for turn in range(rounds + 1):
            took = {}
            for crowd in (one, two) if turn % 2 else (two, one):
                took[crowd.name], share = await _window(load, crowd, seconds)
                if turn:
                    delivered.append(share)
            if turn:  # the first one warms up
                ratios.append(took["two"] / took["one"])
                for name, value in took.items():
                    spent[name] += value / rounds
        alone_left = [await voice.mouth.delete() for crowd in (one, two) for voice in crowd.voices]
        assert set(alone_left) == {200}
    return {"ratio": statistics.median(ratios), "worst": max(ratios), **spent, "delivered_pct": 100 * min(delivered)}


async def _crowd(opened: AsyncExitStack, load: Load, name: str, urls: list[str], pids: list[int], size: tuple[int, int]) -> Crowd:
    """size: voices and listeners, all of whom ask one server after the other."""
    voices, listeners = size
    crowd = Crowd(name, pids, [], 0)
    for number in range(voices):
        url, person = urls[number % len(urls)], f"voice{number}"
        mouth, headers = await opened.enter_async_context(_speaker(url, person))
        crowd.voices.append(Voice(mouth))
        await crowd.voices[-1].talk(10)
        count = listeners // voices
        for turn, each in enumerate(urls):
            route = {"kind": "whep", "url": each, "headers": headers, "host": "127.0.0.1", "name": person, "red": False}
            part = count // len(urls) + (turn < count % len(urls))
            talking = asyncio.create_task(crowd.voices[-1].talk(10**6))
            await load.ask(do="join", server=name, count=part, route={**route, "query": "?variant=original"})
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)
            crowd.listeners += part
    return crowd


@asynccontextmanager
async def _speaker(url: str, name: str) -> AsyncIterator[tuple[Softphone, dict[str, str]]]:
    async with signed_up(url, name) as person:
        headers = await bearer(person)
        async with Person(name, url, person.http).phone() as mouth:
            await mouth.publish(name, "?denoise=0&record=0")
            yield mouth, headers


async def _window(load: Load, crowd: Crowd, seconds: float) -> tuple[float, float]:
    """Processor seconds a second, and the share of packets that came."""
    count = round(seconds / PACKET_S)
    await asyncio.gather(*(voice.talk(25) for voice in crowd.voices))
    await load.ask(do="begin")
    pids = [pid for each in crowd.pids for pid in meters.family(each)]
    before = meters.cpu_ns(pids)
    await asyncio.gather(*(voice.talk(count) for voice in crowd.voices))
    took = (meters.cpu_ns(pids) - before) / 1e9 / seconds
    await asyncio.sleep(0.3)
    with tempfile.TemporaryDirectory() as folder:
        await load.ask(do="end", folder=folder)
        with np.load(Path(folder) / f"{crowd.name}.npz") as heard:
            came = len(heard["sequences"])
    return took, came / (count * crowd.listeners)
