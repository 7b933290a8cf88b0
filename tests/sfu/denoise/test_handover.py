"""Runs that follow each other: what is left of one that was given up while it started."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import cast

import psutil
import pytest

from sfu.denoise.forkserver_keeper import ForkserverKeeper
from sfu.denoise.handover import NO_LIMIT_DB, PRIMED_NS, Handover, Tuning
from sfu.denoise.worker_run import WorkerRun
from tests.support.strangers import install
from workers.link.control import Adjust
from workers.link.ring import Packet

STARTING = "starting ponderous"


@pytest.fixture
async def keeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ForkserverKeeper]:
    monkeypatch.setenv("PYTHONPATH", str(install(tmp_path)))
    async with ForkserverKeeper() as started:
        yield started


@pytest.mark.parametrize("turns", range(4))
async def test_given_up_by_who_is_cancelled(keeper: ForkserverKeeper, tmp_path: Path, turns: int, stretch: float) -> None:
    """A start that was being given up when its owner's task was cancelled is over, with its worker, when all is closed."""
    loads_while = tmp_path / "loads"
    loads_while.touch()

    def make(denoiser: str, packet: Callable[[Packet], None]) -> WorkerRun:
        return WorkerRun(keeper.forkserver, denoiser, {"while": str(loads_while)}, packet)

    runs, forkserver = Handover(make, lambda _: None, lambda: None), psutil.Process((await keeper.forkserver()).pid)
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


def test_each_change_is_told_once_and_whole() -> None:
    """What was set before goes along; what changes nothing is not told."""
    told: list[Adjust] = []
    tuning = Tuning(told.append)
    tuning.limit_attenuation(12.0)
    tuning.limit_attenuation(12.0)
    tuning.expect_loss(5)
    tuning.set_complexity(5)
    assert told == [
        Adjust(strength_db=12.0),
        Adjust(strength_db=12.0, loss_percent=5),
        Adjust(strength_db=12.0, loss_percent=5, complexity=5),
    ]


def test_the_limit_reads_as_it_was_asked_for() -> None:
    """None at first; a limit of 100 dB is as good as none, and yet reads as 100."""
    told: list[Adjust] = []
    tuning = Tuning(told.append)
    assert tuning.strength_db is None
    for strength_db in (0.0, NO_LIMIT_DB, None):
        tuning.limit_attenuation(strength_db)
        assert tuning.strength_db == strength_db
    assert told == [Adjust(strength_db=0.0), Adjust(strength_db=NO_LIMIT_DB)]


class Idle:
    """A run that returns nothing."""

    stats = None

    def __init__(self, denoiser: str) -> None:
        self.denoiser = denoiser
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def __aenter__(self) -> "Idle":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.ended.cancel()

    def adjust(self, settings: Adjust) -> None: ...
    def check(self, now_ns: int, standstill_end_ns: int) -> None: ...


async def test_a_run_that_returns_nothing_takes_over_by_the_given_clock() -> None:
    """After PRIMED_NS of the clock that it is given, which need not be the machine's."""
    now_ns = 1_000
    runs = Handover(lambda name, _: cast(WorkerRun, Idle(name)), lambda _: None, lambda: None, clock_ns=lambda: now_ns)
    for denoiser in ("first", "second"):
        runs.begin(denoiser)
        for _ in range(5):
            await asyncio.sleep(0)
        await runs.settle()
    runs.check(now_ns + PRIMED_NS)
    assert runs.serving is not None and (runs.serving.denoiser, runs.coming) == ("first", "second")
    runs.check(now_ns + PRIMED_NS + 1)
    assert (runs.serving.denoiser, runs.coming) == ("second", None)
    await runs.close()
