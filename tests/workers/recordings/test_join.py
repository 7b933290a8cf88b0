"""What several servers have recorded of one broadcast becomes one recording."""

import json
import subprocess
from pathlib import Path

import numpy as np

from sfu.recording.recorder import Recorder
from tests.support.spoken import decoded, packet, packets_of, sound_of
from tests.workers.recordings.test_finalise import run
from workers.recordings import join, opusfile, part, spans
from workers.recordings.finalise import finalise
from workers.recordings.ogg import pages
from workers.recordings.spans import CLEAN, Treatment

SECONDS = 12


async def _recorded(folder: Path, numbers: range, *, denoised: bool = True, resumable: bool = False) -> None:
    """A server's part: the packets of these numbers; resumable: its files are left open, as by a kill."""
    voice = packets_of(SECONDS)
    recorder = Recorder(folder)
    recorder.start()
    for number in numbers:
        recorder.original(packet(number, voice[number]))
        recorder.heard(packet(number, voice[number]), "denoised" if denoised else "original", Treatment(CLEAN) if denoised else None)
    await recorder.close(resumable=resumable)


def _closed(*folders: Path) -> list[tuple[str, Path]]:
    return [(json.loads(run("workers.recordings.part", folder))["sha256"], folder) for folder in folders]


async def test_parts_become_one_recording(tmp_path: Path) -> None:
    """With the true length, each sound at its place, and one stream that any player reads; the gap and who heard what are told."""
    one, two, target = tmp_path / "5", tmp_path / "5.2", tmp_path / "5.whole"
    await _recorded(one, range(200), resumable=True)
    await _recorded(two, range(250, 600))
    held = json.loads(run("workers.recordings.part", two))
    assert (held["from_s"], held["to_s"]) == (5.0, 12.0) and held["size_bytes"] > 10_000
    parts = _closed(one, two)
    run("workers.recordings.join", target, 0, *(each for pair in parts for each in pair))
    said = finalise(target, with_wav=False)
    assert (said["duration_s"], said["variants"], said["failed"]) == (SECONDS, ["original", "denoised"], None)
    gap = {"from_s": 4.0, "to_s": 5.0, "kind": "gap", "reason": "takeover"}
    assert said["spans"] == [gap] and said["denoised_share"] == 1.0
    for variant in ("original", "denoised"):
        path = target / f"{variant}.opus"
        with path.open("rb") as file:
            found = list(pages(file))
        assert [page.sequence for page in found] == list(range(len(found))) and len({page.serial for page in found}) == 1
        granules = [page.granule for page in found]
        assert granules == sorted(granules) and found[-1].offset + found[-1].size == path.stat().st_size
        heard, spoken = decoded(path), sound_of(SECONDS)
        assert len(heard) == SECONDS * 48_000
        for begin, end in ((0.2, 3.9), (5.3, 11.8)):
            place = slice(int(begin * 48_000), int(end * 48_000))
            assert np.corrcoef(heard[place], spoken[place])[0, 1] > 0.7
        assert np.abs(heard[int(4.2 * 48_000) : int(4.9 * 48_000)]).max() < 0.01


async def test_the_later_of_two_counts(tmp_path: Path) -> None:
    """Where one server has gone on after another has begun, its rest is left out; a part that was not cleaned is told as such, and one
    without sound changes nothing.
    """
    one, two, three, target = (tmp_path / name for name in ("5", "5.2", "5.3", "whole"))
    await _recorded(one, range(300))
    await _recorded(two, range(250, 600), denoised=False)
    three.mkdir()
    assert json.loads(run("workers.recordings.part", three))["sha256"] is None
    assert json.loads(run("workers.recordings.part", tmp_path / "nowhere"))["sha256"] is None
    join.join(target, _closed(one, two))
    said = finalise(target, with_wav=False)
    assert said["duration_s"] == SECONDS and said["variants"] == ["original", "denoised"]
    assert said["spans"] == [{"from_s": 5.0, "to_s": 12.0, "kind": "bypass", "reason": None}]
    times = [time + opusfile.PRE_SKIP for time, _ in opusfile.packets_from(target / "original.opus", 0)]
    assert times == [number * 960 for number in range(601)]  # the last one carries what the encoder has delayed


async def test_a_part_that_comes_later_gets_its_place(tmp_path: Path) -> None:
    """Joined without the middle part, with silence for it and to the end that is known; joined anew with it, each packet is where it is
    when all are joined at once.
    """
    folders = [tmp_path / name for name in ("5", "5.2", "5.3")]
    for folder, numbers in zip(folders, (range(150), range(200, 380), range(400, 550)), strict=True):
        await _recorded(folder, numbers)
    one, two, three = _closed(*folders)
    run("workers.recordings.join", tmp_path / "some", SECONDS * 48_000, *one, *three)
    said = finalise(tmp_path / "some", with_wav=False)
    gaps = [{"from_s": begin, "to_s": end, "kind": "gap", "reason": "takeover"} for begin, end in ((3.0, 8.0), (11.0, 12.0))]
    assert said["duration_s"] == SECONDS and said["spans"] == gaps and said["denoised_share"] == 1.0
    stretches = [("0-144000", tmp_path / "some"), two, ("384000-528000", tmp_path / "some")]
    run("workers.recordings.join", tmp_path / "all", 0, *(each for pair in stretches for each in pair))
    join.join(tmp_path / "once", [one, two, three])
    for variant in ("original.opus", "denoised.opus"):
        assert _packets(tmp_path / "all" / variant) == _packets(tmp_path / "once" / variant)
    anew, once = finalise(tmp_path / "all", with_wav=False), finalise(tmp_path / "once", with_wav=False)
    assert anew["spans"] == once["spans"] and [span["from_s"] for span in anew["spans"]] == [3.0, 7.6]  # type: ignore[attr-defined, index]


def _packets(path: Path) -> list[tuple[int, bytes]]:
    return list(opusfile.packets_from(path, 0))


async def test_what_was_altered_is_left_out(tmp_path: Path) -> None:
    """A part that is not what its server has closed is named and not joined; the others keep their places."""
    one, two, target = tmp_path / "5", tmp_path / "5.2", tmp_path / "whole"
    await _recorded(one, range(100))
    await _recorded(two, range(150, 250))
    parts = _closed(one, two)
    said = subprocess.run(
        f"cd {one} && sha256sum {' '.join(spans.OF_A_PART)} | sha256sum", shell=True, capture_output=True, text=True, check=True
    )
    assert said.stdout.split()[0] == parts[0][0] == part.digest(one)
    with (one / "original.opus").open("r+b") as file:
        file.seek(200)
        file.write(b"\0")
    assert json.loads(run("workers.recordings.join", target, 0, *(each for pair in parts for each in pair))) == [str(one)]
    assert next(time + opusfile.PRE_SKIP for time, payload in _packets(target / "original.opus") if len(payload) > 1) == 150 * 960
    assert join.join(tmp_path / "nothing", parts[:1]) == [one] and finalise(tmp_path / "nothing", with_wav=False)["variants"] == []
