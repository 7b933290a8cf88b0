"""Start a task, call a function periodically, cancel a task and wait."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine

logger = logging.getLogger(__name__)


def start_task(coroutine: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
    """Start a task that runs until its owner cancels it. An exception is logged at once, because the owner may not await it for hours."""
    task = asyncio.create_task(coroutine, name=name)
    task.add_done_callback(_report)
    return task


async def cancel_and_wait(task: asyncio.Task[None]) -> None:
    """Cancel the task and wait until it has ended. Raises nothing of the task's own. Idempotent."""
    task.cancel()
    await asyncio.wait({task})


async def call_every(every_s: float, tick: Callable[[int], None], over: asyncio.Event) -> None:
    """Call `tick(time.monotonic_ns())` every `every_s` until cancelled. Sets `over` at the end, also after an exception of `tick`."""
    try:
        while True:
            await asyncio.sleep(every_s)
            tick(time.monotonic_ns())
    finally:
        over.set()


class BackgroundTasks:
    """Tasks that run on their own; their owner waits for all of them when it closes."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def wait(self) -> None:
        """Return when all have ended, with success or not."""
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.error("%s failed", task.get_name(), exc_info=task.exception())
