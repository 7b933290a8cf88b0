"""The recorder: packets in, two files of exact length out."""

import asyncio
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sfu.recording.recorder import Recorder
from tests.support.disks import fill, small_disk
from tests.support.spoken import decoded, packet, packets_of
from workers.disk_room import DiskRoom
from workers.link.opus_toc import opus_samples
from workers.recordings import opusfile, spans
from workers.recordings.opusfile import OpusFile

VOICE = packets_of(2)
ALL = range(len(VOICE))


async def test_both_variants_have_the_length_of_the_broadcast(tmp_path: Path) -> None:
    """With lost packets, a late start of denoising and a gap at the end both files are as long as the broadcast."""
    async with Recorder(tmp_path / "1") as ours:
        for number in ALL:
            if number % 10 != 3:
                ours.original(packet(number, VOICE[number]))
            if number < 95:
                ours.heard(packet(number, VOICE[number]), "denoised" if number > 50 else "original")
        totals = await ours.close()
    assert totals == (2.0, True, totals.size_bytes, 90, 0, 0, None)
    assert totals.size_bytes == sum(file.stat().st_size for file in (tmp_path / "1").iterdir())
    assert {file.name for file in (tmp_path / "1").iterdir()} == {"original.opus", "denoised.opus", "spans.log"}
    for name in ("original", "denoised"):
        assert len(decoded(tmp_path / "1" / f"{name}.opus")) == 96_000


async def test_without_a_denoised_packet_there_is_one_file(tmp_path: Path) -> None:
    """Without a denoised packet only the original is kept."""
    async with Recorder(tmp_path) as ours:
        for number in ALL:
            ours.original(packet(number, VOICE[number]))
            ours.heard(packet(number, VOICE[number]), "original")
    assert {file.name for file in tmp_path.iterdir()} == {"original.opus", "spans.log"}


async def test_a_recorder_that_heard_nothing_leaves_no_file(tmp_path: Path) -> None:
    """Closed before the first packet, twice, there is an empty folder and zero totals."""
    async with Recorder(tmp_path / "1") as ours:
        assert (await ours.close()).duration_s == 0
        assert (await ours.close()).size_bytes == 0
    assert not list((tmp_path / "1").iterdir())


async def test_time_never_runs_back(tmp_path: Path) -> None:
    """A repeated packet, an older one and an empty one are dropped and counted; later packets keep their place in time."""
    async with Recorder(tmp_path) as ours:
        for number in (0, 1, 2, 2, 1, 3):
            ours.original(packet(number, VOICE[number]))
        ours.original(packet(4, b"", samples=0, time=4 * 960))
        totals = await ours.close()
    assert (totals.late, totals.packets, totals.duration_s) == (3, 4, 0.08)


async def test_a_full_queue_drops_the_new_packets(tmp_path: Path) -> None:
    """A full queue drops the new packets and counts them; nobody waits."""
    async with Recorder(tmp_path, capacity=10) as ours:
        for number in ALL:
            ours.original(packet(number, VOICE[number]))
        totals = await ours.close()
    assert (totals.packets, totals.dropped, totals.duration_s) == (10, 90, 0.2)


async def test_frames_of_any_size_and_stereo(tmp_path: Path) -> None:
    """Stereo and a change of the frame size in the middle keep the time."""
    async with Recorder(tmp_path) as ours:
        time = 0
        for frame_ms, channels in ((20, 2), (60, 2), (2.5, 1), (10, 1)):
            for payload in packets_of(0.3, frame_ms, channels):
                samples = opus_samples(payload)
                ours.original(packet(0, payload, samples, time))
                time += samples
        totals = await ours.close()
    assert totals.duration_s * 48_000 == time == len(decoded(tmp_path / "original.opus"))


@pytest.mark.parametrize("code, reason", [(errno.ENOSPC, "storage_full"), (errno.EIO, "failed")])
async def test_a_full_disk_ends_the_recording_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, reason: str
) -> None:
    """The reason shows at once, later packets are dropped, and what was written before stays playable."""
    writing: Callable[..., None] = OpusFile._write

    def full(file: OpusFile, *args: object) -> None:
        if file.position > 48_000:
            raise OSError(code, os.strerror(code))
        writing(file, *args)

    monkeypatch.setattr(OpusFile, "_write", full)
    async with Recorder(tmp_path) as ours:
        for number in ALL:
            ours.original(packet(number, VOICE[number]))
            ours.heard(packet(number, VOICE[number]), "denoised")
        assert ours._done is not None
        await ours._done
        ours.original(packet(100, VOICE[0]))
        totals = await ours.close()
    assert (totals.failed, totals.dropped) == (reason, 1)
    assert opusfile.length(tmp_path / "original.opus") >= 30_000


async def test_the_floor_ends_the_recording_cleanly(tmp_path: Path, stretch: float) -> None:
    """When the disk has less space than the floor, both files are ended as at Stop, and `changed` is called on the loop."""
    told = asyncio.Event()
    with small_disk(tmp_path / "disk", 4_000_000) as disk:
        async with Recorder(disk / "1", room=DiskRoom(disk, 2_000_000), changed=told.set) as ours:
            for number in ALL:
                ours.original(packet(number, VOICE[number]))
                ours.heard(packet(number, VOICE[number]), "denoised")
            fill(disk, leave=1_000_000)
            async with asyncio.timeout(10 * stretch):
                await told.wait()
            assert ours.failed == "storage_full"
            ours.original(packet(100, VOICE[0]))
            totals = await ours.close()
        assert (totals.failed, totals.duration_s, totals.dropped) == ("storage_full", 2.0, 1)
        for name in ("original", "denoised"):
            assert OpusFile.resume(disk / "1" / f"{name}.opus") is None, "it is closed"
            assert len(decoded(disk / "1" / f"{name}.opus")) == 96_000


async def test_a_folder_that_cannot_be_made_is_a_failed_recording(tmp_path: Path) -> None:
    """If a file is in the folder's place, the recorder opens and closes as usual, and `failed` says so."""
    (tmp_path / "1").write_text("in the way")
    async with Recorder(tmp_path / "1") as ours:
        ours.original(packet(0, VOICE[0]))
        assert (await ours.close()).failed == "failed"


WRITER = """
import asyncio, sys
from pathlib import Path
from sfu.recording.recorder import Recorder
from tests.support.spoken import packet, packets_of
from workers.recordings.spans import DENOISE_OFF, Treatment

async def main():
    voice = packets_of(2)
    async with Recorder(Path(sys.argv[1])) as ours:
        for number in range(100_000):
            ours.original(packet(number, voice[number % 100]))
            off = number < 50 or number >= 150
            ours.heard(packet(number, voice[number % 100]), "original" if off else "denoised", Treatment(DENOISE_OFF) if off else None)
            if number % 50 == 49:
                await asyncio.sleep(0.25)
                print(number + 1, flush=True)

asyncio.run(main())
"""


def test_kill_9_loses_less_than_a_second(tmp_path: Path) -> None:
    """A writer that is killed leaves files that play up to the last second, have the right names, and a journal of what was off."""
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        said = [int(child.stdout.readline()) for _ in range(4)][-1]
        child.send_signal(signal.SIGKILL)
    for name in (opusfile.ORIGINAL, opusfile.DENOISED):
        assert opusfile.length(tmp_path / name) >= said * 960 - 48_000
        assert len(decoded(tmp_path / name)) >= said * 960 - 48_000
    length = opusfile.length(tmp_path / opusfile.DENOISED)
    off = [spans.Span(0, 48_000, spans.DENOISE_OFF, None), spans.Span(144_000, length, spans.DENOISE_OFF, None)]
    assert spans.read(tmp_path / spans.JOURNAL, length).spans == off


@pytest.mark.parametrize("denoised", [False, True])
async def test_a_recording_goes_on_where_another_recorder_left_it(tmp_path: Path, denoised: bool) -> None:
    """In both files the old part stays, the gap is silence of its true length, and later packets are at their place in time."""
    variant = "denoised" if denoised else "original"
    async with Recorder(tmp_path) as first:
        for number in ALL:
            first.original(packet(number, VOICE[number]))
            if number < 90:
                first.heard(packet(number, VOICE[number]), variant)
        await first.close(resumable=True)
    assert (tmp_path / opusfile.HEARD).exists() is not denoised
    async with Recorder(tmp_path, resume=True) as second:
        assert await second.held_samples() == 96_000
        for number in ALL:
            again = packet(number, VOICE[number], time=5 * 48_000 + number * 960)
            second.original(again)
            second.heard(again, "denoised")
        totals = await second.close()
    assert (totals.duration_s, totals.denoised, totals.late) == (7.0, True, 0)
    assert not (tmp_path / opusfile.HEARD).exists()
    for name in (opusfile.ORIGINAL, opusfile.DENOISED):
        sound = decoded(tmp_path / name)
        assert len(sound) == 7 * 48_000
        assert np.abs(sound[110_000 : 5 * 48_000 - 480]).max() < 1e-3
        assert np.abs(sound[5 * 48_000 + 9600 :]).max() > 0.05 < np.abs(sound[:80_000]).max()


async def test_a_recording_that_nobody_goes_on_with_ends_where_it_was(tmp_path: Path) -> None:
    """Without another packet its length is what the files hold; a recording that has ended is not changed."""
    async with Recorder(tmp_path) as first:
        for number in ALL:
            first.original(packet(number, VOICE[number]))
            first.heard(packet(number, VOICE[number]), "denoised")
        await first.close(resumable=True)
    async with Recorder(tmp_path, resume=True) as second:
        assert (await second.close()).duration_s == 2.0
    before = (tmp_path / opusfile.ORIGINAL).read_bytes()
    async with Recorder(tmp_path, resume=True) as third:
        assert await third.held_samples() == 0
        third.original(packet(0, VOICE[0], time=48_000 * 9))
        assert (await third.close()).failed == "failed"
    assert (tmp_path / opusfile.ORIGINAL).read_bytes() == before and len(decoded(tmp_path / opusfile.DENOISED)) == 96_000


@pytest.mark.parametrize("left", [(), (opusfile.ORIGINAL,), (opusfile.HEARD,), (opusfile.DENOISED,)])
async def test_whatever_files_a_kill_has_left_are_gone_on_with(tmp_path: Path, left: tuple[str, ...]) -> None:
    """A missing or empty file is made anew and begins at time 0 too."""
    for name in left:
        file = OpusFile.create(tmp_path / name, 1)
        for payload in VOICE:
            file.packet(payload, 960)
        file.leave()
    (tmp_path / opusfile.ORIGINAL).touch()
    async with Recorder(tmp_path, resume=True) as ours:
        assert await ours.held_samples() == (96_000 if left else 0)
        for number in ALL:
            ours.original(packet(number, VOICE[number], time=3 * 48_000 + number * 960))
            ours.heard(packet(number, VOICE[number], time=3 * 48_000 + number * 960), "denoised")
        assert (await ours.close()).failed is None
    assert {file.name for file in tmp_path.iterdir()} == {opusfile.ORIGINAL, opusfile.DENOISED, spans.JOURNAL}
    assert [len(decoded(tmp_path / name)) for name in (opusfile.ORIGINAL, opusfile.DENOISED)] == [5 * 48_000] * 2
