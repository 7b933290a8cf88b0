"""Admission, from outside: a server that may use one core, and a denoiser that takes nearly half of it for a voice."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.people import Person, befriend, signed_up
from tests.support.running import ROOT
from tests.support.softphone import Softphone
from tests.support.strangers import install
from tests.workers.speech import packets, voice

pytestmark = pytest.mark.real_time

SAID = [packet.payload for packet in packets(voice(2))]
SENT = set(SAID)
MEASURED = 200  # packets after which the server knows what a voice costs: a worker tells it once a second


@contextmanager
def one_core() -> Iterator[None]:
    """What is started in here is given one core, as by taskset or a container."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@asynccontextmanager
async def on_air(person: Person) -> AsyncIterator[Softphone]:
    """Somebody who talks all the while."""
    async with person.phone() as mic:
        await mic.publish(person.name)
        talking = asyncio.create_task(mic.talk(SAID * 60))
        try:
            yield mic
        finally:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)


async def newest(ear: Softphone) -> set[bytes]:
    """The payloads of the next packets that it hears."""
    already = len(ear.received)
    await ear.heard(already + 10)
    return {packet.payload for _, packet in ear.received[already:]}


async def until_denoised(ear: Softphone, timeout_s: float) -> None:
    """Wait for packets that were encoded anew."""
    async with asyncio.timeout(timeout_s):
        while not await newest(ear) - SENT:
            pass


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system gives no process a core of its own")
async def test_a_voice_that_does_not_fit_is_bypassed_until_it_does(server: StartServer, tmp_path: Path, stretch: float) -> None:
    """The second voice starts bypassed and says why, the first is heard denoised as before; when it ends, the second is taken in."""
    (tmp_path / "strangers").mkdir(exist_ok=True)
    path = os.pathsep.join((str(install(tmp_path / "strangers")), str(ROOT)))
    with one_core():  # the guard is not asked here, so a packet may wait
        running = await server({"denoise.default": "costly", "worker.max_delay_ms": 1000}, PYTHONPATH=path)
    async with AsyncExitStack() as opened:
        ada, ben, cyd = [await opened.enter_async_context(signed_up(running.url, name)) for name in ("ada", "ben", "cyd")]
        for other in (ada, ben):
            await befriend(cyd, other)
        ears = [await opened.enter_async_context(cyd.phone()) for _ in range(2)]
        async with on_air(ada):
            served = (await ada.until("ada", live=True, denoise_state="active", denoise_denoiser="costly"))["denoise"]
            await ears[0].listen("ada")
            await ears[0].heard(MEASURED, 20 * stretch)
            await opened.enter_async_context(on_air(ben))
            status = await ben.until("ben", live=True, denoise_state="bypassed")
            assert status["denoise"]["reason"] == "server_busy" and status["denoise"]["enabled"]
            await ears[1].listen("ben")
            assert await newest(ears[1]) <= SENT
            await until_denoised(ears[0], 20 * stretch)
            assert (await ada.status())["denoise"] == served
            numbers = [packet.sequence for _, packet in ears[0].received]
            assert numbers == [(numbers[0] + at) & 0xFFFF for at in range(len(numbers))]
            assert (await ben.status())["denoise"]["state"] == "bypassed"
            assert running.log.count("denoises with costly") == 1  # and never had a worker
            await ada.call("POST", "/api/stream/stop")
            status = await ben.until("ben", denoise_state="active")
            assert status["denoise"]["reason"] is None
            await until_denoised(ears[1], 20 * stretch)
    assert running.log.count("no capacity for one more voice with costly") == 1 and "too slow" not in running.log
