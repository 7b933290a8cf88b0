"""What is written down of a broadcast, and when: the newest last, and nothing after its end."""

import asyncio
from dataclasses import replace

import pytest

from sfu.broadcast import snapshots
from sfu.broadcast.snapshots import BroadcastSnapshot, SnapshotWriter
from sfu.elapsed import Moment

LEFT = BroadcastSnapshot("x", "ada", "One", False, Moment.now(), False, True, True, None, None, "", "login:1")


class Slow:
    """A memory that takes until it is let, and may refuse."""

    def __init__(self) -> None:
        self.rows: dict[str, BroadcastSnapshot] = {}
        self.titles: list[str | None] = []
        self.let = asyncio.Event()
        self.asked = asyncio.Event()
        self.refusing = 0

    async def keep(self, left: BroadcastSnapshot, title: str | None) -> None:
        self.asked.set()
        await self.let.wait()
        if self.refusing:
            self.refusing -= 1
            raise OSError("full")
        self.rows[left.id] = left
        self.titles.append(title)

    async def forget(self, broadcast: str) -> None:
        await self.let.wait()
        self.rows.pop(broadcast, None)


class Queueing:
    """A memory like the database: what was begun is done in its turn, whether it is still waited for or not."""

    def __init__(self) -> None:
        self.written: list[BroadcastSnapshot] = []
        self.writing: list[asyncio.Task[None]] = []
        self.let = asyncio.Event()
        self.let.set()
        self._turn = asyncio.Lock()

    async def keep(self, left: BroadcastSnapshot, title: str | None) -> None:
        self.writing.append(asyncio.create_task(self._write(left)))
        await asyncio.shield(self.writing[-1])

    async def _write(self, left: BroadcastSnapshot) -> None:
        async with self._turn:
            await self.let.wait()
            self.written.append(left)

    async def forget(self, broadcast: str) -> None: ...


async def test_the_last_word_is_written_and_a_title_once() -> None:
    """Changes while it is written are written after it, as one; the recording is renamed for a new title only."""
    memory, now = Slow(), [LEFT]
    ours = SnapshotWriter("x", memory, lambda: now[0])
    ours.begin()
    await memory.asked.wait()
    for title, muted in (("Two", False), ("Two", True), ("Three", True)):
        now[0] = replace(LEFT, title=title, muted=muted)
        ours.note()
    memory.let.set()
    assert await ours.written()
    now[0] = replace(now[0], muted=False)
    assert await ours.written()
    assert memory.rows["x"] == now[0] and memory.titles == [None, "Three", None]
    await ours.close(now[0])
    assert memory.rows["x"] == now[0]


async def test_nothing_is_written_after_the_end() -> None:
    """Whoever has waited for a write when it ends does not bring the row back."""
    memory, now = Slow(), [LEFT]
    ours = SnapshotWriter("x", memory, lambda: now[0])
    ours.begin()
    await memory.asked.wait()
    now[0] = replace(LEFT, muted=True)
    waiting = asyncio.create_task(ours.written())
    closing = asyncio.create_task(ours.close(None))
    await asyncio.sleep(0)
    memory.let.set()
    await asyncio.gather(waiting, closing)
    assert not memory.rows and await ours.written() and not memory.rows


async def test_what_was_refused_is_tried_again(monkeypatch: pytest.MonkeyPatch, stretch: float) -> None:
    """A full disk does not end the writing; who has to know is told that it is not written yet."""
    monkeypatch.setattr(snapshots, "RETRY_S", 0.01)
    memory = Slow()
    memory.refusing = 3
    memory.let.set()
    ours = SnapshotWriter("x", memory, lambda: LEFT)
    ours.begin()
    assert not await ours.written()
    async with asyncio.timeout(20 * stretch):
        while not memory.rows:
            await asyncio.sleep(0.01)
    await ours.close(None)
    assert not memory.rows


async def test_a_write_that_nobody_waited_for_is_not_trusted(monkeypatch: pytest.MonkeyPatch, stretch: float) -> None:
    """An unmuting that is written after everybody has stopped waiting for it does not outlast the muting that followed."""
    monkeypatch.setattr(snapshots, "WRITTEN_S", 0.1)
    memory, now = Queueing(), [replace(LEFT, muted=True)]
    ours = SnapshotWriter("x", memory, lambda: now[0])
    ours.begin()
    async with asyncio.timeout(20 * stretch):
        assert await ours.written()
        for _ in range(10):  # the task of `begin` has nothing to do any more, so nobody waits for what comes
            await asyncio.sleep(0)
        memory.let.clear()
        now[0] = LEFT
        assert not await ours.written()
        now[0] = replace(LEFT, muted=True)
        memory.let.set()
        assert await ours.written()
        await asyncio.gather(*memory.writing)
    assert [left.muted for left in memory.written] == [True, False, True]
    await ours.close(None)


async def test_what_was_never_live_leaves_nothing() -> None:
    """Before `begin` nothing is written, and there is nothing to forget."""
    ours = SnapshotWriter("x", Slow(), lambda: LEFT)
    ours.note()
    assert await ours.written()
    await ours.close(None)
