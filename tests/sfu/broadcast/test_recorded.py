"""The recordings of one broadcast, turned off and on: names, lengths, and what belongs to none of them."""

import asyncio
import errno
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from sfu.broadcast import recorded
from sfu.broadcast.properties import BroadcastProperties
from sfu.broadcast.recorded import Recorded
from sfu.config.schema import Config, RecordingConfig
from sfu.recording.recorder import Totals
from tests.sfu.broadcast.test_broadcast import services_of
from tests.support.spoken import decoded, packet, packets_of
from workers.recordings.spans import CLEAN, Treatment

VOICE = packets_of(2)


class Archive:
    """Takes recordings into folders; refuses a name that it has, as the database does, and everything while `full`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.full = False
        self.free = asyncio.Event()  # cleared: the database takes its time
        self.free.set()
        self.names: list[str] = []
        self.began: list[datetime] = []
        self.totals: dict[int, Totals] = {}

    async def begin(self, username: str, broadcast: str, title: str, started_at: datetime) -> tuple[int, Path]:
        await self.free.wait()
        if self.full or broadcast in self.names:
            raise OSError(errno.ENOSPC if self.full else errno.EEXIST, "refused")
        self.names.append(broadcast)
        self.began.append(started_at)
        return len(self.names), self.folder / str(len(self.names))

    async def finish(self, recording: int, totals: Totals) -> None:
        self.totals[recording] = totals


class Tapes:
    """A broadcast's recordings without the broadcast: it is live, and packets come one after the other."""

    def __init__(self, folder: Path, *, enabled: bool = True) -> None:
        self.archive = Archive(folder)
        services = services_of(Config(recording=RecordingConfig(enabled=enabled)))
        services.archive = self.archive
        self.properties = BroadcastProperties("b")
        self.recorded = Recorded("ada", self.properties, services, lambda: None)
        self.properties.since = datetime(2026, 3, 1, tzinfo=UTC)
        self.recorded.begin()

    async def turned(self, on: bool) -> int | None:
        self.recorded.switch(on)
        await self.recorded.settled(20.0)
        await asyncio.sleep(0)  # what has been turned off ends in the background
        return self.recorded.recording

    async def closed(self) -> int | None:
        return await self.recorded.close(resumable=False)

    def hear(self, first: int, last: int) -> None:
        for number in range(first, last):
            self.recorded.original(packet(number, VOICE[number]))

    def send(self, first: int, last: int) -> None:
        """What the fan-out has sent, all of it denoised."""
        for number in range(first, last):
            self.recorded.heard(packet(number, VOICE[number]), "denoised", Treatment(CLEAN))


async def test_each_has_its_own_length_and_name(tmp_path: Path) -> None:
    """What comes while it is off is in none; each begins with its first packet, and knows when that was."""
    tapes = Tapes(tmp_path)
    await tapes.recorded.settled(20.0)
    tapes.hear(0, 25)
    assert await tapes.turned(False) is None
    tapes.hear(25, 50)
    assert await tapes.turned(True) == 2
    tapes.hear(45, 60)  # the first five are from before, and late
    assert await tapes.closed() == 2
    assert tapes.archive.names == ["b", "b.48000"] and (tapes.archive.began[1] - tapes.archive.began[0]).total_seconds() == 1.0
    assert {number: (totals.duration_s, totals.packets) for number, totals in tapes.archive.totals.items()} == {1: (0.5, 25), 2: (0.2, 10)}


async def test_off_and_on_without_a_sound_between(tmp_path: Path) -> None:
    """While parked, say: each is another recording, and Stop tells the newest that has something in it."""
    tapes = Tapes(tmp_path)
    await tapes.recorded.settled(20.0)
    tapes.hear(0, 5)
    for number in (2, 3):
        assert await tapes.turned(False) is None
        assert await tapes.turned(True) == number and tapes.recorded.failed is None
        assert await tapes.turned(True) == number, "which it is already"
    assert await tapes.turned(False) is None
    assert await tapes.closed() == 1
    assert tapes.archive.names == ["b", "b.4800", "b.4801"]
    assert {number: totals.empty for number, totals in tapes.archive.totals.items()} == {1: False, 2: True, 3: True}


async def test_a_failed_one_is_begun_anew(tmp_path: Path) -> None:
    """The disk was full: nothing is recorded, and that is told; once there is room, `on` begins a recording."""
    tapes = Tapes(tmp_path)
    await tapes.recorded.settled(20.0)
    tapes.archive.full = True
    await tapes.turned(False)
    assert await tapes.turned(True) is None and tapes.recorded.failed == "storage_full"
    tapes.archive.full = False
    assert await tapes.turned(True) == 2 and tapes.recorded.failed is None
    tapes.hear(1, 5)
    assert await tapes.closed() == 2


async def test_where_the_host_records_nothing_on_changes_nothing(tmp_path: Path) -> None:
    """`recording.enabled = false` wins over the broadcaster."""
    tapes = Tapes(tmp_path, enabled=False)
    assert await tapes.turned(False) is await tapes.turned(True) is None
    assert tapes.recorded.failed is None and await tapes.closed() is None and tapes.archive.names == []


async def test_one_whose_row_came_late_is_told_too(tmp_path: Path) -> None:
    """Turned off before the database had its row: Stop tells that there is one, whose end is written down."""
    tapes = Tapes(tmp_path)
    tapes.archive.free.clear()
    tapes.hear(0, 25)
    assert await tapes.turned(False) is None
    stopping = asyncio.create_task(tapes.closed())
    await asyncio.sleep(0)
    tapes.archive.free.set()
    assert await stopping == 1 and tapes.archive.totals[1].duration_s == 0.5


async def test_what_the_fan_out_holds_belongs_to_the_recording_before(tmp_path: Path) -> None:
    """Turned off and on: packets that were held then still come into the file of their time, and none is in two."""
    tapes = Tapes(tmp_path)
    await tapes.recorded.settled(20.0)
    tapes.hear(0, 25)
    tapes.send(0, 22)
    assert await tapes.turned(False) is None
    tapes.hear(25, 30)
    assert await tapes.turned(True) == 2
    tapes.hear(30, 50)
    assert not tapes.archive.totals, "three packets are still to come"
    tapes.send(22, 50)
    async with asyncio.timeout(20):
        while 1 not in tapes.archive.totals:
            await asyncio.sleep(0.02)
    assert await tapes.closed() == 2
    for number in ("1", "2"):
        assert np.array_equal(decoded(tmp_path / number / "denoised.opus"), decoded(tmp_path / number / "original.opus"))
    assert {number: (totals.duration_s, totals.packets) for number, totals in tapes.archive.totals.items()} == {1: (0.5, 25), 2: (0.4, 20)}


async def test_what_the_fan_out_never_sends_is_not_waited_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recording ends without it."""
    monkeypatch.setattr(recorded, "TAIL_S", 0.1)
    tapes = Tapes(tmp_path)
    await tapes.recorded.settled(20.0)
    tapes.hear(0, 25)
    tapes.send(0, 22)
    await tapes.turned(False)
    async with asyncio.timeout(20):
        while 1 not in tapes.archive.totals:
            await asyncio.sleep(0.02)
    assert await tapes.closed() == 1
