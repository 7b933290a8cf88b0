"""Tasks that last until their owner ends them."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine

logger = logging.getLogger(__name__)


def lasting(coroutine: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
    """Start it; should it break, the log says so at once, for its owner may not look for hours."""
    task = asyncio.create_task(coroutine, name=name)
    task.add_done_callback(_report)
    return task


async def ended(task: asyncio.Task[None]) -> None:
    """Cancel it and wait until it is done, broken or not. Idempotent."""
    task.cancel()
    await asyncio.wait({task})


async def ticking(every_s: float, tick: Callable[[int], None], over: asyncio.Event) -> None:
    """Call it so often, with time.monotonic_ns(), until it is cancelled or breaks; then `over` is set, for without it nothing would be."""
    try:
        while True:
            await asyncio.sleep(every_s)
            tick(time.monotonic_ns())
    finally:
        over.set()


class Background:
    """Tasks that nobody waits for but their owner, and that one only at its own end."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finished(self) -> None:
        """None of them runs any more, whatever became of them."""
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.error("%s broke", task.get_name(), exc_info=task.exception())
