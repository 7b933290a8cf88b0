"""Tasks that last until their owner ends them."""

import asyncio
import logging

import pytest

from sfu.tasks import ended, lasting


async def forever() -> None:
    await asyncio.Event().wait()


async def broken() -> None:
    raise RuntimeError("a fault of ours")


async def test_ended(caplog: pytest.LogCaptureFixture) -> None:
    """Ending waits until it is done, may be done twice, and is nothing to log."""
    task = lasting(forever(), "a task")
    await asyncio.sleep(0)
    await ended(task)
    await ended(task)
    assert task.cancelled() and not caplog.records


@pytest.mark.tolerates("errors")
async def test_broken(caplog: pytest.LogCaptureFixture) -> None:
    """A fault is in the log at once, under the task's name, and ending it raises nothing."""
    task = lasting(broken(), "a task")
    await asyncio.wait({task})
    await asyncio.sleep(0)
    [record] = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "a task broke") and record.exc_info
    await ended(task)
