"""The forkserver that dies again and again: made anew, later each time, and what it had is given back."""

import asyncio
import logging
import os
import signal
import time

import psutil
import pytest

from sfu.denoise import forkserver_keeper as rules
from sfu.denoise.forkserver_keeper import ForkserverKeeper
from tests.workers.link.test_forkserver import Way, dead


async def test_later_each_time(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, stretch: float) -> None:
    """Two deaths within a minute are made good at once, the third after a wait, each further one after twice that, up to a most."""
    monkeypatch.setattr(rules, "BACK_OFF_S", 0.1)
    monkeypatch.setattr(rules, "MAX_BACK_OFF_S", 0.3)
    waits, pids = [], []
    with caplog.at_level(logging.WARNING, rules.__name__):
        async with ForkserverKeeper() as keeper:
            for _ in range(6):
                begin = time.monotonic()
                forkserver = await keeper.forkserver()
                waits.append(time.monotonic() - begin)
                async with Way(forkserver, "passthrough") as way:
                    await way.worker.ready(30 * stretch)  # whatever happened before, this one serves
                    pids += [forkserver.pid, way.worker.pid]
                    os.kill(forkserver.pid, signal.SIGKILL)
                    await asyncio.wait_for(forkserver.gone.wait(), 20 * stretch)
    assert not await dead(pids, 20 * stretch)
    said = [record.getMessage().rpartition(" in ")[2] for record in caplog.records]
    assert said == ["0 s", "0 s", "0.1 s", "0.2 s", "0.3 s"]
    for waited, least in zip(waits[3:], (0.1, 0.2, 0.3), strict=True):
        assert waited >= least


async def test_old_deaths_are_forgotten(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, stretch: float) -> None:
    """Deaths that lie longer back than the window make nobody wait."""
    monkeypatch.setattr(rules, "WINDOW_S", 0.0)
    with caplog.at_level(logging.WARNING, rules.__name__):
        async with ForkserverKeeper() as keeper:
            for _ in range(4):
                forkserver = await keeper.forkserver()
                os.kill(forkserver.pid, signal.SIGKILL)
                await asyncio.wait_for(forkserver.gone.wait(), 20 * stretch)
    assert [record.getMessage().rpartition(" in ")[2] for record in caplog.records] == ["0 s"] * 3


async def test_two_who_ask_at_once_share_one(stretch: float) -> None:
    """After a death, too: there is one forkserver, and its descriptors are those of one."""
    async with ForkserverKeeper() as keeper:
        first = await keeper.forkserver()
        before = psutil.Process().num_fds()
        os.kill(first.pid, signal.SIGKILL)
        await asyncio.wait_for(first.gone.wait(), 20 * stretch)
        made = await asyncio.gather(*(keeper.forkserver() for _ in range(5)))
        assert len({each.pid for each in made}) == 1 and made[0] is not first
        assert psutil.Process().num_fds() == before


async def test_who_gives_up_waiting_spares_nobody_the_wait(monkeypatch: pytest.MonkeyPatch, stretch: float) -> None:
    """Where the one who asked after a death goes away, the next one who asks waits for what is left."""
    monkeypatch.setattr(rules, "BACK_OFF_S", 1.0)
    async with ForkserverKeeper() as keeper:
        for _ in range(3):
            forkserver = await keeper.forkserver()
            os.kill(forkserver.pid, signal.SIGKILL)
            await asyncio.wait_for(forkserver.gone.wait(), 20 * stretch)
        begin = time.monotonic()
        asking = asyncio.create_task(keeper.forkserver())
        async with asyncio.timeout(20 * stretch):
            while keeper._forkserver is not None:
                await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.wait({asking})
        await keeper.forkserver()
        assert time.monotonic() - begin >= 1.0
