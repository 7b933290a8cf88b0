"""One run of one worker: what is left of a run that never came up."""

import asyncio
import gc
from typing import Any, cast

import pytest

from sfu.denoise import Denoise
from sfu.errors import DidNotStart
from sfu.nursing import Nursing
from workers.nursery import Nursery, Worker


class Cradle:
    """The real nursery, whose every worker is killed as soon as it is born."""

    def __init__(self, nursery: Nursery) -> None:
        self._nursery = nursery
        self.load = nursery.load

    async def spawn(self, *args: Any, **more: Any) -> Worker:
        worker = await self._nursery.spawn(*args, **more)
        worker.kill()
        return worker


async def test_a_worker_that_dies_before_it_is_ready() -> None:
    """It did not start, and that is all: asyncio has nothing to report of it when the run is forgotten."""
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    async with Nursing() as nursing:

        async def nurse() -> Nursery:
            return cast(Nursery, Cradle(await nursing.nursery()))

        run = Denoise(nurse, "passthrough", {}, lambda _: None)
        with pytest.raises(DidNotStart):
            await run.__aenter__()
        assert run.ended.done()
        del run
        gc.collect()
    assert not reported
