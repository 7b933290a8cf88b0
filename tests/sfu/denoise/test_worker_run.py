"""One run of one worker: what is left of a run that never came up."""

import asyncio
import gc
import time
from pathlib import Path
from typing import Any, cast

import pytest

from sfu.denoise import worker_run as rules
from sfu.denoise.forkserver_keeper import ForkserverKeeper
from sfu.denoise.worker_run import WorkerRun
from sfu.errors import DidNotStart
from tests.support.sound import encode
from tests.support.spoken import sound_of
from tests.support.strangers import install
from workers.link.forkserver import Forkserver, Worker
from workers.link.ring import Flag, Packet


class Cradle:
    """The real forkserver, whose every worker is killed as soon as it is born."""

    def __init__(self, forkserver: Forkserver) -> None:
        self._forkserver = forkserver
        self.load = forkserver.load

    async def spawn(self, *args: Any, **more: Any) -> Worker:
        worker = await self._forkserver.spawn(*args, **more)
        worker.kill()
        return worker


async def test_a_worker_that_dies_before_it_is_ready() -> None:
    """It did not start, and that is all: asyncio has nothing to report of it when the run is forgotten."""
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    async with ForkserverKeeper() as keeper:

        async def get_forkserver() -> Forkserver:
            return cast(Forkserver, Cradle(await keeper.forkserver()))

        run = WorkerRun(get_forkserver, "passthrough", {}, lambda _: None)
        with pytest.raises(DidNotStart):
            await run.__aenter__()
        assert run.ended.done()
        del run
        gc.collect()
    assert not reported


async def test_waiting_for_who_says_nothing_is_no_work(stretch: float) -> None:
    """What came out because nothing came after it says so, and the figures of the worker leave it out: it was not slow."""
    came: list[Packet] = []
    async with ForkserverKeeper() as keeper, WorkerRun(keeper.forkserver, "passthrough", {}, came.append) as run:
        sent = encode(sound_of(0.1))
        for number, payload in enumerate(sent):
            run.put(Packet(number, 960 * number, 960, time.monotonic_ns(), payload))
        async with asyncio.timeout(30 * stretch):
            while len(came) + run.skipped < len(sent):  # as by a worker that got no processor for a while
                await asyncio.sleep(0.01)
        pushed = [packet for packet in came if not packet.flags & Flag.FLUSHED]
        assert came[-1].flags & Flag.FLUSHED and len(run.stage_ms._values) == len(pushed)


async def test_what_is_not_forked_has_time_to_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stretch: float) -> None:
    """Also without a device: a worker that loads its denoiser by itself may take longer than a fork does."""
    monkeypatch.setenv("PYTHONPATH", str(install(tmp_path)))
    monkeypatch.setattr(rules, "START_S", 0.01)
    loads_while = tmp_path / "loads"
    loads_while.touch()
    async with ForkserverKeeper() as keeper:
        run = WorkerRun(keeper.forkserver, "ponderous", {"while": str(loads_while)}, lambda _: None)
        starting = asyncio.ensure_future(run.__aenter__())
        await asyncio.wait({starting}, timeout=0.5 * stretch)
        loads_while.unlink()
        await asyncio.wait_for(starting, 20 * stretch)
        await run.__aexit__(None, None, None)
