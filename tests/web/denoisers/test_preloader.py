"""What is loaded before anybody asks, by a real nursery, and by the one after it."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from sfu.denoise.forkserver_keeper import Nursing
from tests.workers.link.test_forkserver import Way
from web.denoisers import preloader as rules
from web.denoisers.catalogue import Denoisers
from web.denoisers.preloader import Warming
from workers.errors import WorkerFailed
from workers.link.forkserver import Nursery
from workers.models.store import Models


async def takes(nursing: Nursing, stretch: float) -> set[str]:
    """What a worker that is made now has."""
    async with Way(await nursing.nursery(), "passthrough") as way:
        return set((await way.worker.ready(30 * stretch)).takes)


async def test_every_nursery_is_warm(tmp_path: Path, stretch: float) -> None:
    """A worker made for one denoiser has the others too, also one of the nursery that follows a dead one, unasked."""
    denoisers = Denoisers("auto", Models([], "upstream", False, tmp_path, lambda: None))
    async with Nursing() as nursing, Warming(nursing) as warming:
        warming.warm(denoisers)
        async with asyncio.timeout(20 * stretch):
            while await takes(nursing, stretch) != {"rnnoise", "passthrough"}:
                await asyncio.sleep(0.05)
        first = await nursing.nursery()
        os.kill(first.pid, signal.SIGKILL)
        await first.gone.wait()
        async with asyncio.timeout(20 * stretch):
            while await nursing.nursery() is first or await takes(nursing, stretch) != {"rnnoise", "passthrough"}:
                await asyncio.sleep(0.05)


class Unlucky(Nursing):
    """Has no nursery for the first who asks."""

    failed = False

    async def nursery(self) -> Nursery:
        if not self.failed:
            self.failed = True
            raise WorkerFailed("the nursery does not start")
        return await super().nursery()


async def test_a_nursery_that_could_not_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stretch: float) -> None:
    """The one that is made later is warm all the same, with no news of anything."""
    monkeypatch.setattr(rules, "AGAIN_S", 0.05)
    denoisers = Denoisers("auto", Models([], "upstream", False, tmp_path, lambda: None))
    async with Unlucky() as nursing, Warming(nursing) as warming:
        warming.warm(denoisers)
        async with asyncio.timeout(20 * stretch):
            while not nursing.failed:
                await asyncio.sleep(0.01)
            while await takes(nursing, stretch) != {"rnnoise", "passthrough"}:
                await asyncio.sleep(0.05)
