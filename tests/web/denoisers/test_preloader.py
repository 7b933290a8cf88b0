"""What is loaded before anybody asks, by a real forkserver, and by the one after it."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from sfu.denoise.forkserver_keeper import ForkserverKeeper
from tests.workers.link.test_forkserver import Way
from web.denoisers import preloader as rules
from web.denoisers.catalogue import DenoiserCatalogue
from web.denoisers.preloader import Preloader
from workers.errors import WorkerFailed
from workers.link.forkserver import Forkserver
from workers.models.store import ModelStore, WeightSources


async def takes(keeper: ForkserverKeeper, stretch: float) -> set[str]:
    """What a worker that is made now has."""
    async with Way(await keeper.forkserver(), "passthrough") as way:
        return set((await way.worker.ready(30 * stretch)).takes)


async def test_every_forkserver_is_warm(tmp_path: Path, stretch: float) -> None:
    """A worker made for one denoiser has the others too, also one of the forkserver that follows a dead one, unasked."""
    denoisers = DenoiserCatalogue("auto", ModelStore(WeightSources([], "upstream", False), tmp_path, lambda: None))
    async with ForkserverKeeper() as keeper, Preloader(keeper) as preloader:
        preloader.preload(denoisers)
        async with asyncio.timeout(20 * stretch):
            while await takes(keeper, stretch) != {"rnnoise", "passthrough"}:
                await asyncio.sleep(0.05)
        first = await keeper.forkserver()
        os.kill(first.pid, signal.SIGKILL)
        await first.gone.wait()
        async with asyncio.timeout(20 * stretch):
            while await keeper.forkserver() is first or await takes(keeper, stretch) != {"rnnoise", "passthrough"}:
                await asyncio.sleep(0.05)


class Unlucky(ForkserverKeeper):
    """Has no forkserver for the first who asks."""

    failed = False

    async def forkserver(self) -> Forkserver:
        if not self.failed:
            self.failed = True
            raise WorkerFailed("the forkserver does not start")
        return await super().forkserver()


async def test_a_forkserver_that_could_not_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stretch: float) -> None:
    """The one that is made later is preloaded all the same, with no news of anything."""
    monkeypatch.setattr(rules, "AGAIN_S", 0.05)
    denoisers = DenoiserCatalogue("auto", ModelStore(WeightSources([], "upstream", False), tmp_path, lambda: None))
    async with Unlucky() as keeper, Preloader(keeper) as preloader:
        preloader.preload(denoisers)
        async with asyncio.timeout(20 * stretch):
            while not keeper.failed:
                await asyncio.sleep(0.01)
            while await takes(keeper, stretch) != {"rnnoise", "passthrough"}:
                await asyncio.sleep(0.05)
