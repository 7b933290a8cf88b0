"""Tasks that run until their owner cancels them."""

import asyncio
import logging

import pytest

from sfu.tasks import cancel_and_wait, start_task


async def forever() -> None:
    await asyncio.Event().wait()


async def failing() -> None:
    raise RuntimeError("a fault of ours")


async def test_cancel_and_wait(caplog: pytest.LogCaptureFixture) -> None:
    """Cancelling waits for the end of the task, may be repeated, and logs nothing."""
    task = start_task(forever(), "a task")
    await asyncio.sleep(0)
    await cancel_and_wait(task)
    await cancel_and_wait(task)
    assert task.cancelled() and not caplog.records


@pytest.mark.tolerates("errors")
async def test_a_failed_task(caplog: pytest.LogCaptureFixture) -> None:
    """An exception is logged at once, with the task's name; cancelling the failed task raises nothing."""
    task = start_task(failing(), "a task")
    await asyncio.wait({task})
    await asyncio.sleep(0)
    [record] = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "a task failed") and record.exc_info
    await cancel_and_wait(task)
