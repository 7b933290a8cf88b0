"""A worker that loads its denoiser by itself: who comes, leaves or gives up meanwhile, and what becomes of the others."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import psutil
import pytest

from tests.support.strangers import install
from tests.workers.link.test_forkserver import Way, dead
from tests.workers.speech import packets, voice
from workers.errors import WorkerFailed
from workers.link import worker
from workers.link.forkserver import Forkserver


class Loads:
    """A forkserver whose worker loads until `done`."""

    def __init__(self, forkserver: Forkserver, folder: Path, stack: AsyncExitStack, stretch: float) -> None:
        self.forkserver, self.stretch = forkserver, stretch
        self._loads_while, self._stack = folder / "loads", stack
        self._loads_while.touch()

    async def way(self, **options: object) -> Way:
        """One voice more that waits for it."""
        return await self._stack.enter_async_context(Way(self.forkserver, "ponderous", {"while": str(self._loads_while), **options}))

    async def ways(self, count: int, **options: object) -> list[Way]:
        """Several, all with one worker."""
        ways = [await self.way(**options) for _ in range(count)]
        assert len({way.worker.pid for way in ways}) == 1
        return ways

    def done(self) -> None:
        self._loads_while.unlink()

    async def serves(self, way: Way) -> None:
        """The voice goes through, whole."""
        await way.worker.ready(20 * self.stretch)
        sent = packets(voice(0.3))
        for packet in sent:
            way.put(packet)
        await way.whole(sent, 30 * self.stretch)
        assert not way.ended.is_set()


@pytest.fixture
async def loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stretch: float) -> AsyncIterator[Loads]:
    monkeypatch.setenv("PYTHONPATH", str(install(tmp_path)))
    async with Forkserver() as forkserver, AsyncExitStack() as stack:
        yield Loads(forkserver, tmp_path, stack, stretch)


@pytest.mark.parametrize("who", [0, 1, 2])
async def test_one_leaves(loads: Loads, who: int) -> None:
    """A voice that leaves while the worker loads is let go at once; the worker goes on loading, and serves the others."""
    ways = await loads.ways(3)
    leaves = ways.pop(who)
    await leaves.worker.close()
    assert leaves.ended.is_set() and not any(way.ended.is_set() for way in ways)
    loads.done()
    for way in ways:
        await loads.serves(way)
    assert len({way.worker.pid for way in ways}) == 1
    for way in ways:
        await way.worker.close()
    assert not await dead([leaves.worker.pid], 20 * loads.stretch)


async def test_nobody_stays(loads: Loads) -> None:
    """A worker for which nobody waits any more ends, however long it would load; who comes then gets another."""
    ways = await loads.ways(2)
    for way in ways:
        await way.worker.close()
    assert not await dead([ways[0].worker.pid], 20 * loads.stretch)
    other = await loads.way()
    assert other.worker.pid != ways[0].worker.pid
    loads.done()
    await loads.serves(other)


async def test_nobody_waits_for_an_answer(loads: Loads) -> None:
    """Who stops waiting while the forkserver is asked has left too."""
    [stays] = await loads.ways(1)
    for turns in (1, 2, 5, 20):
        asking = asyncio.ensure_future(loads.way())
        for _ in range(turns):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait({asking})
        if not asking.cancelled():  # it was quick
            await asking.result().worker.close()
    await stays.worker.close()
    assert not await dead([stays.worker.pid], 20 * loads.stretch)


async def test_the_forkserver_has_its_hands_full(loads: Loads, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forkserver that does not hear of the leaving for longer than a worker may hang costs the others nothing either."""
    monkeypatch.setattr(worker, "_NOT_YET", ((0.1, None),))
    leaves, stays = await loads.ways(2)
    os.kill(loads.forkserver.pid, signal.SIGSTOP)
    try:
        await leaves.worker.close()
    finally:
        os.kill(loads.forkserver.pid, signal.SIGCONT)
    assert leaves.ended.is_set()
    loads.done()
    await loads.serves(stays)


async def test_why_it_cannot_be_loaded(loads: Loads) -> None:
    """Everybody who waits hears in words what the denoiser raised."""
    ways = await loads.ways(3, raises="no card")
    await ways[1].worker.close()
    loads.done()
    for way in (ways[0], ways[2]):
        with pytest.raises(WorkerFailed, match="no card") as caught:
            await way.worker.ready(20 * loads.stretch)
        assert caught.value.reason == "load"
        await asyncio.wait_for(way.ended.wait(), 20 * loads.stretch)


async def test_it_dies(loads: Loads) -> None:
    """Everybody who waits for a worker that dies hears of it."""
    ways = await loads.ways(2)
    os.kill(ways[0].worker.pid, signal.SIGKILL)
    for way in ways:
        with pytest.raises(WorkerFailed):
            await way.worker.ready(30 * loads.stretch)


async def test_it_never_comes_up(loads: Loads) -> None:
    """Where one has waited in vain the worker is killed, though others came later: each would keep it for the next."""
    first, second = await loads.ways(2)
    with pytest.raises(WorkerFailed) as caught:
        await first.worker.ready(0.2)
    assert caught.value.reason == "not_ready"
    with pytest.raises(WorkerFailed):
        await second.worker.ready(30 * loads.stretch)
    assert not await dead([first.worker.pid], 20 * loads.stretch)


async def test_it_holds_no_voice(loads: Loads) -> None:
    """While it loads it has nothing but its line to the forkserver: no ring, no bell, no line of a voice, and not the forkserver's own."""
    [way] = await loads.ways(1)
    process = psutil.Process(way.worker.pid)
    async with asyncio.timeout(30 * loads.stretch):
        while "workers.forkserver.standalone" not in process.cmdline():
            await asyncio.sleep(0.01)
    held = list(holdings(process.pid))
    assert not [kind for kind in held if "memfd" in kind or "anon_inode" in kind]
    assert len([kind for kind in held if kind.startswith("socket")]) == 1


def holdings(pid: int) -> Iterator[str]:
    """What the descriptors of a process lead to; a file that is just read may be gone again."""
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):
            if int(fd) > 2:
                yield os.readlink(f"/proc/{pid}/fd/{fd}")
