"""What is loaded before anybody asks, by a real nursery, and by the one after it."""

import asyncio
import os
import signal
from pathlib import Path

from sfu.nursing import Nursing
from tests.workers.test_nursery import Way
from web.denoisers import Denoisers
from web.warming import Warming
from workers.models import Models


async def takes(nursing: Nursing, stretch: float) -> set[str]:
    """What a worker that is made now has."""
    async with Way(await nursing.nursery(), "passthrough") as way:
        return set((await way.worker.ready(10 * stretch)).takes)


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
