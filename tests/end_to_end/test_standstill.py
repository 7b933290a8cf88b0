"""The whole machine stands still, as for a snapshot or under a closed lid; when it goes on, nobody is thrown out for it."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import cycle
from typing import Any

import psutil
import pytest

from tests.end_to_end.test_mic_to_ear import workers_of
from tests.support.people import PASSWORD, Person, friends
from tests.support.roaming import Roamer
from tests.support.running import Server
from tests.support.softphone import Softphone
from tests.support.sound import encode
from tests.support.spoken import sound_of

pytestmark = pytest.mark.real_time(pair=True)

PACKETS_A_SECOND = 50


async def standstill(house: Server, seconds: float, *, alone: bool) -> None:
    """Stop the server, and unless `alone` all of its processes, for so long."""
    server = psutil.Process(house.pid)
    stopped = [server, *([] if alone else server.children(recursive=True))]
    try:
        for each in stopped:
            os.kill(each.pid, signal.SIGSTOP)
        await asyncio.sleep(seconds)
    finally:
        for each in reversed(stopped):
            with contextlib.suppress(ProcessLookupError):
                os.kill(each.pid, signal.SIGCONT)


@asynccontextmanager
async def presence(person: Person) -> AsyncIterator[list[Any]]:
    """What comes over its socket; pings are answered, and None is the end."""
    heard: list[Any] = []
    async with person.http.ws_connect(f"{person.url}/ws/presence", headers={"Origin": person.url}) as socket:

        async def listen() -> None:
            async for message in socket:
                heard.append(message.json())
            heard.append(None)

        task = asyncio.create_task(listen())
        try:
            yield heard
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def heard_after(ear: Softphone, before: int, seconds: float, stretch: float) -> None:
    """It hears again, and nothing of what was said during the standstill, but for its last moments."""
    await ear.heard(before + 2 * PACKETS_A_SECOND, 30 * stretch)
    times = [packet.timestamp for _, packet in ear.received]
    left_out = max((later - earlier & 0xFFFFFFFF) // 960 for earlier, later in zip(times[before - 3 :], times[before - 2 :], strict=False))
    assert left_out > (seconds - 1.0) * PACKETS_A_SECOND, left_out
    assert len(ear.received) < before + 4 * PACKETS_A_SECOND


@pytest.mark.parametrize(("seconds", "alone"), [(20.0, False), pytest.param(9.0, True, marks=pytest.mark.slow)])
async def test_nobody_is_thrown_out(server, stretch: float, seconds: float, alone: bool) -> None:
    """Broadcast, worker, listeners by UDP and TCP, sockets, half a request, a newcomer and one who was about to come back: all there."""
    house, packets, enough = await server({"denoise.default": "rnnoise"}), encode(sound_of(2.0)), asyncio.Event()
    http_port = int(house.url.rsplit(":", 1)[1])
    async with friends(house.url, "ada", "ben", "cem") as (ada, ben, cem):
        wired = Roamer(ben.http, house.url)
        wired.tcp = True
        async with ada.phone() as mic, ben.phone() as ear, wired, cem.phone() as parked, cem.phone() as again:
            await mic.publish("ada", "?record=0")
            mic.send(0, 0, packets[0])
            live = await ada.until("ada", live=True, denoise_state="active")
            await asyncio.gather(ear.listen("ada"), wired.listen("ada", "?variant=original"))
            await parked.publish("cem", "?denoise=0&record=0")
            parked.send(0, 0, packets[0])
            left = await cem.until("cem", live=True)
            talking = asyncio.create_task(mic.talk(cycle(packets), first=1, until=enough))
            await asyncio.gather(ear.heard(100), wired.heard(100))
            workers = await workers_of(house.pid)
            body = json.dumps({"username": "ada", "password": PASSWORD}).encode()
            head = f"POST /api/login HTTP/1.1\r\nHost: 127.0.0.1:{http_port}\r\nOrigin: {house.url}\r\n"
            async with connected(house.media_port) as stranger, connected(http_port) as half, presence(ben) as told:
                half[1].write(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:9])
                await parked.hang_up()
                await cem.until("cem", state="parked")
                await asyncio.sleep(0.3)
                before = [len(each.received) for each in (ear, wired)]
                await standstill(house, seconds, alone=alone)
                half[1].write(body[9:])
                with pytest.raises(TimeoutError):  # it is still open
                    await asyncio.wait_for(stranger[0].read(1), 0.5)
                await again.publish("cem", "?denoise=0&record=0")
                again.send(1, 960, packets[1])
                assert (await cem.until("cem", state="live"))["broadcast"] == left["broadcast"]
                assert (await asyncio.wait_for(half[0].readline(), 20 * stretch)).split()[1] == b"200"
                for each, count in zip((ear, wired), before, strict=True):
                    await heard_after(each, count, seconds, stretch)
                status = await ada.until("ada", state="live", denoise_state="active")
                assert status["broadcast"] == live["broadcast"] and status["listeners"] == 2
                assert await workers_of(house.pid) == workers
                assert None not in told and "stood still for" in house.log
                assert [await each.delete() for each in (ear, wired)] == [200, 200]
            enough.set()
            await talking


async def test_time_that_did_pass_counts(server, stretch: float) -> None:
    """Who had fallen silent before, and is silent after it, is gone in time."""
    house, packet = await server({"denoise.default": "passthrough", "broadcast.grace_s": 1.0}), encode(sound_of(0.1))[0]
    async with friends(house.url, "ada", "ben") as (ada, ben):
        async with ada.phone() as mic, ben.phone() as ear:
            await mic.publish("ada", "?denoise=0&record=0")
            mic.send(0, 0, packet)
            await ada.until("ada", live=True)
            await ear.listen("ada")
            await asyncio.gather(mic.hang_up(say_so=False), ear.hang_up(say_so=False))
            await standstill(house, 3.0, alone=True)
            await ada.until("ada", 60 * stretch, live=False)
