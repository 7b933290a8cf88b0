"""The recording of one broadcast whose row cannot be written at once."""

import asyncio
import errno
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sfu.recording import broadcast_recording
from sfu.recording.broadcast_recording import BroadcastRecording
from sfu.recording.recorder import Totals
from tests.support.spoken import decoded, packet, packets_of

VOICE = packets_of(2)
STARTED = datetime(2026, 3, 1, tzinfo=UTC)


class Archive:
    """Raises these errors, one a call, then records into a folder."""

    def __init__(self, folder: Path, *errors: Exception) -> None:
        self.folder, self.errors = folder, list(errors)
        self.ended: list[Totals] = []
        self.titles: list[str] = []

    async def begin(self, username: str, broadcast: str, title: str, started_at: datetime) -> tuple[int, Path]:
        if self.errors:
            raise self.errors.pop(0)
        self.titles.append(title)
        return 7, self.folder

    async def finish(self, recording: int, totals: Totals) -> None:
        self.ended.append(totals)


async def test_a_busy_database_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stretch: float) -> None:
    """While a backup holds the database, nothing is recorded and the status says so; afterwards each packet is at its place in time."""
    monkeypatch.setattr(broadcast_recording, "RETRY_S", 0.1)
    monkeypatch.setattr(broadcast_recording, "MAX_EARLY", 10)
    seen: list[tuple[int | None, str | None]] = []
    archive = Archive(tmp_path / "7", *(OSError(errno.EBUSY, "a backup") for _ in range(3)))
    ours = BroadcastRecording("a test", archive, changed=lambda: seen.append((ours.recording, ours.failed)))
    titles = ["of the start"]
    ours.start("alice", lambda: titles[-1], STARTED)
    titles.append("of a takeover")
    for number in range(50):
        ours.original(packet(number, VOICE[number]))
    async with asyncio.timeout(10 * stretch):
        while ours.recording is None:
            await asyncio.sleep(0.01)
    for number in range(50, 100):
        ours.original(packet(number, VOICE[number]))
    assert await ours.close() == 7
    assert seen == [(None, "failed")] * 3 + [(7, None)]
    assert archive.ended[0].duration_s == 2.0 and archive.ended[0].packets == 60
    assert archive.ended[0].dropped == 40, "the oldest of those that waited for the row"
    assert len(decoded(tmp_path / "7" / "original.opus")) == 96_000 and archive.titles == ["of a takeover"]


@pytest.mark.parametrize("goes_on", [False, True])
async def test_what_another_server_has_begun_is_tried_until_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stretch: float, goes_on: bool
) -> None:
    """Whatever refuses it, a full disk or a database that is away, passes; what came meanwhile is in it. Another one is given up."""
    monkeypatch.setattr(broadcast_recording, "RETRY_S", 0.1)
    archive = Archive(tmp_path / "7", OSError(errno.ENOSPC, "full"), OSError(errno.EIO, "away"))
    ours = BroadcastRecording("a test", archive)
    ours.start("alice", lambda: "", STARTED, goes_on=goes_on)
    for number in range(50):
        ours.original(packet(number, VOICE[number]))
    async with asyncio.timeout(10 * stretch):
        while (ours.recording if goes_on else ours.failed) is None:
            await asyncio.sleep(0.01)
    assert await ours.close() == (7 if goes_on else None)
    assert [(totals.packets, totals.dropped) for totals in archive.ended] == ([(50, 0)] if goes_on else [])


async def test_a_recording_that_begins_later_has_its_own_time(tmp_path: Path) -> None:
    """Packets from before the recording are dropped; those that wait for its row are shifted once."""
    archive = Archive(tmp_path / "7")
    ours = BroadcastRecording("a test", archive, origin=packet(10, VOICE[10]).time)
    ours.start("alice", lambda: "", STARTED)
    for number in range(30):  # before the row is there
        ours.original(packet(number, VOICE[number]))
    await ours.opened(10.0)
    for number in range(30, 60):
        ours.original(packet(number, VOICE[number]))
    assert await ours.close() == 7
    assert archive.ended[0].packets == 50 and archive.ended[0].duration_s == 1.0


@pytest.mark.parametrize(("code", "word"), [(errno.ENOSPC, "storage_full"), (errno.EIO, "failed")])
async def test_what_cannot_be_recorded_says_why(tmp_path: Path, code: int, word: str) -> None:
    """Without disk space or a row there is no recording; `failed` says why, and it is not tried again."""
    archive = Archive(tmp_path, OSError(code, "no"))
    changes: list[str | None] = []
    ours = BroadcastRecording("a test", archive, changed=lambda: changes.append(ours.failed))
    ours.start("alice", lambda: "", STARTED)
    ours.original(packet(0, VOICE[0]))
    while not changes:
        await asyncio.sleep(0)
    ours.original(packet(1, VOICE[1]))
    assert await ours.close() is None
    assert changes == [word] and ours.failed == word and not archive.ended


@pytest.mark.tolerates("errors")
async def test_an_archive_that_breaks_is_logged_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An error that the archive must not raise is logged at once with its traceback, the status says so, and the end is as usual."""
    archive = Archive(tmp_path)
    archive.errors.append(ValueError("a defect"))
    told = asyncio.Event()
    ours = BroadcastRecording("a test", archive, changed=told.set)
    ours.start("alice", lambda: "", STARTED)
    await told.wait()
    await asyncio.sleep(0)
    assert ours.failed == "failed" and "recording of a test" in caplog.text and "a defect" in caplog.text
    assert await ours.close() is None


async def test_stop_does_not_wait_for_the_database(tmp_path: Path, stretch: float) -> None:
    """A broadcast that ends while the database is still busy ends without a recording."""
    ours = BroadcastRecording("a test", Archive(tmp_path, *(OSError(errno.EBUSY, "a backup") for _ in range(1000))))
    ours.start("alice", lambda: "", STARTED)
    await asyncio.sleep(0.05)
    async with asyncio.timeout(broadcast_recording.RETRY_S * stretch):
        assert await ours.close() is None


async def test_without_a_thread_the_row_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the system gives no thread, `failed` says so and the row does not stay live."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    archive = Archive(tmp_path / "7")
    ours = BroadcastRecording("a test", archive)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    ours.start("alice", lambda: "", STARTED)
    ours.original(packet(0, VOICE[0]))
    assert await ours.close() == 7
    assert ours.failed == "failed" and [totals.failed for totals in archive.ended] == ["failed"]
