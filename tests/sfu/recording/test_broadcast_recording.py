"""The recording of one broadcast, where its row cannot be had at once."""

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
    """Refuses with these errors, one a time, then takes recordings into a folder."""

    def __init__(self, folder: Path, *errors: OSError) -> None:
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
    """While a backup holds the database nothing is recorded, and the status says so; then it is, each sound at its place in time."""
    monkeypatch.setattr(broadcast_recording, "AGAIN_S", 0.1)
    monkeypatch.setattr(broadcast_recording, "BEFORE_THE_ROW", 10)
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
    assert len(decoded(tmp_path / "7" / "original.opus")) == 96_000 and archive.titles == ["of a takeover"]


@pytest.mark.parametrize(("code", "word"), [(errno.ENOSPC, "storage_full"), (errno.EIO, "failed")])
async def test_what_cannot_be_recorded_says_why(tmp_path: Path, code: int, word: str) -> None:
    """Without room, or without a row, there is no recording, a word for it, and no second try."""
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


async def test_stop_does_not_wait_for_the_database(tmp_path: Path, stretch: float) -> None:
    """A broadcast that ends while the row is still tried for ends without a recording."""
    ours = BroadcastRecording("a test", Archive(tmp_path, *(OSError(errno.EBUSY, "a backup") for _ in range(1000))))
    ours.start("alice", lambda: "", STARTED)
    await asyncio.sleep(0.05)
    async with asyncio.timeout(broadcast_recording.AGAIN_S * stretch):
        assert await ours.close() is None


async def test_without_a_thread_the_row_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system gives no thread the voice goes on, the word says so, and no row stays live."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    archive = Archive(tmp_path / "7")
    ours = BroadcastRecording("a test", archive)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    ours.start("alice", lambda: "", STARTED)
    ours.original(packet(0, VOICE[0]))
    assert await ours.close() == 7
    assert ours.failed == "failed" and [totals.failed for totals in archive.ended] == ["failed"]
