"""One run of one worker: what is left of a run that never came up."""

import asyncio
import gc
import os
import time
from pathlib import Path
from typing import Any

import pytest

from sfu.denoise import worker_run as rules
from sfu.denoise.forkserver_keeper import ForkserverKeeper
from sfu.denoise.worker_run import WorkerRun
from sfu.errors import DidNotStart
from tests.support.sound import encode
from tests.support.spoken import sound_of
from tests.support.strangers import install
from workers.link import ring
from workers.link.ring import Flag, Packet, Ring


async def test_a_worker_that_dies_before_it_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It did not start, and that is all: asyncio has nothing to report of it when the run is forgotten."""
    monkeypatch.setenv("PYTHONPATH", str(install(tmp_path)))
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    async with ForkserverKeeper() as keeper:
        run = WorkerRun(keeper.forkserver, "fleeting", {}, lambda _: None)
        with pytest.raises(DidNotStart, match="ended before it was ready"):
            async with run:
                pass
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
        assert came[-1].flags & Flag.FLUSHED and len(run.stage_ms.take_fresh()) == len(pushed)


async def test_it_takes_what_was_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that does not keep stores in order a denoised packet is taken once its bell was rung, not before."""
    monkeypatch.setattr(ring, "ORDERED", False)
    came: list[Packet] = []
    async with ForkserverKeeper() as keeper, WorkerRun(keeper.forkserver, "passthrough", {}, came.append) as run:
        with Ring.attach(os.dup(run._clean.fd)) as far:
            for number in range(2):
                far.put(Packet(number, 960 * number, 960, time.monotonic_ns(), b"x"))
            run._clean_bell.ring()
            run._drain()
            assert [packet.number for packet in came] == [0]
            run._clean_bell.ring()
            run._drain()
            assert [packet.number for packet in came] == [0, 1]


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
