"""Runs that follow each other: what is left of one that was given up while it started."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from sfu.denoise.forkserver_keeper import ForkserverKeeper
from sfu.denoise.handover import Handover
from sfu.denoise.worker_run import WorkerRun
from tests.support.strangers import install
from workers.link.ring import Packet

STARTING = "starting ponderous"


@pytest.fixture
async def nursing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ForkserverKeeper]:
    monkeypatch.setenv("PYTHONPATH", str(install(tmp_path)))
    async with ForkserverKeeper() as started:
        yield started


@pytest.mark.parametrize("turns", range(4))
async def test_given_up_by_who_is_cancelled(nursing: ForkserverKeeper, tmp_path: Path, turns: int, stretch: float) -> None:
    """A start that was being given up when its owner's task was cancelled is over, with its worker, when all is closed."""
    loads_while = tmp_path / "loads"
    loads_while.touch()

    def make(denoiser: str, packet: Callable[[Packet], None]) -> WorkerRun:
        return WorkerRun(nursing.forkserver, denoiser, {"while": str(loads_while)}, packet)

    runs, forkserver = Handover(make, lambda _: None, lambda: None), psutil.Process((await nursing.forkserver()).pid)
    runs.begin("ponderous")
    async with asyncio.timeout(30 * stretch):
        while not (workers := forkserver.children()) or "workers.forkserver.standalone" not in workers[0].cmdline():
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)  # it has been told which process it is, and waits for it to be ready
    giving_up = asyncio.create_task(runs.give_up_coming())
    for _ in range(turns):
        await asyncio.sleep(0)
    giving_up.cancel()
    await asyncio.wait({giving_up})
    await runs.close()
    assert STARTING not in [task.get_name() for task in asyncio.all_tasks()]
    gone, alive = await asyncio.to_thread(psutil.wait_procs, workers, 20 * stretch)
    assert gone and not alive
