"""What becomes of a recording's files after the broadcast: whole, with peaks, as WAV, in any stretch of it."""

import json
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from tests.support import disks
from tests.support.spoken import decoded, packets_of, sound_of
from workers.recordings import finalise, opusfile, spans, transcode, wav
from workers.recordings.opusfile import OpusFile

SECONDS = 25
LENGTH = SECONDS * 48_000


@pytest.fixture(scope="module")
def taped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both variants of 25 seconds, the denoised one not closed, as a crash leaves it."""
    folder = tmp_path_factory.mktemp("taped")
    fill(folder / "original.opus", close=True)
    fill(folder / "denoised.opus", close=False)
    return folder


def fill(path: Path, close: bool, seconds: int = SECONDS, lost: range = range(0)) -> None:
    file = OpusFile.create(path, 1)
    for number, payload in enumerate(packets_of(seconds)):
        if number not in lost:
            file.fill(number * 960)
            file.packet(payload, 960)
    if close:
        file.close(file.position)
    else:
        file.abandon()


def run(module: str, *arguments: object) -> bytes:
    return subprocess.run([sys.executable, "-m", module, *map(str, arguments)], check=True, capture_output=True, timeout=60).stdout


def test_finalise_ends_files_and_makes_peaks_and_wav(taped: Path) -> None:
    """The child tells the true length; both variants have it, and the WAV is what the Opus file decodes to."""
    said = json.loads(run("workers.recordings.finalise", taped, "--wav"))
    assert said["duration_s"] == SECONDS and said["variants"] == ["original", "denoised"] and said["failed"] is None
    assert said["size_bytes"] == sum(file.stat().st_size for file in taped.iterdir())
    for variant in said["variants"]:
        assert len(decoded(taped / f"{variant}.opus")) == LENGTH
        peaks = np.fromfile(taped / f"{variant}.peaks", "<i2").reshape(-1, 2)
        assert len(peaks) == SECONDS * 100 and (peaks[:, 0] <= peaks[:, 1]).all()
    with wave.open(str(taped / wav.HEARD)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate(), file.getnframes()) == (1, 2, 48_000, LENGTH)
        heard = np.frombuffer(file.readframes(LENGTH), "<i2") / 32768
    assert np.corrcoef(heard[4800:96_000], sound_of(SECONDS)[4800:96_000])[0, 1] > 0.7
    assert json.loads(run("workers.recordings.finalise", taped, "--wav")) == said, "a second run changes nothing"


def test_a_recording_of_nothing_is_empty(tmp_path: Path) -> None:
    """No folder, no file and a file of no sound are told as `empty`; the file that was heard only goes."""
    assert finalise.finalise(tmp_path / "none", True)["failed"] == "empty"
    (tmp_path / "original.opus").write_bytes(b"Ogg")
    (tmp_path / "heard.opus").write_bytes(b"")
    nothing = {"duration_s": 0.0, "variants": [], "size_bytes": 0, "failed": "empty", "whole": True}
    assert finalise.finalise(tmp_path, True) == nothing | {"spans": [], "denoised_share": 0.0, "spans_merged": 0}
    assert not list(tmp_path.iterdir())


def test_a_wav_that_does_not_fit_is_left_out(tmp_path: Path) -> None:
    """Where it would take the disk below the floor there is no WAV; the outline is made, and the recording is whole without it."""
    fill(tmp_path / "original.opus", close=True, seconds=2)
    said = json.loads(run("workers.recordings.finalise", tmp_path, "--wav", f"--floor={2**62}"))
    assert (said["failed"], said["whole"]) == (None, True)
    assert {file.name for file in tmp_path.iterdir()} == {"original.opus", "original.peaks"}


def test_a_full_disk_is_told_and_harms_nothing(tmp_path: Path) -> None:
    """Without room for the outline it is not whole, no half file is left, and a second run with room makes it."""
    with disks.small_disk(tmp_path / "disk", 1_000_000) as disk:
        fill(disk / "original.opus", close=False, seconds=25)
        sound = (disk / "original.opus").read_bytes()
        filling = disks.fill(disk)
        said = json.loads(run("workers.recordings.finalise", disk))
        assert (said["failed"], said["whole"]) == ("storage_full", False)
        assert {file.name for file in disk.iterdir()} == {"original.opus", "filling"}
        assert (disk / "original.opus").read_bytes()[: len(sound) - 4096] == sound[:-4096]
        filling.unlink()
        said = json.loads(run("workers.recordings.finalise", disk))
        assert (said["failed"], said["whole"]) == (None, True) and said["duration_s"] >= 24


def test_a_crash_before_the_last_page_still_aligns(tmp_path: Path) -> None:
    """Where one file lost more than the other, both end at the longer one's length."""
    fill(tmp_path / "original.opus", close=False, seconds=4)
    fill(tmp_path / "denoised.opus", close=False, seconds=3)
    finalise.finalise(tmp_path, False)
    lengths = {opusfile.length(tmp_path / f"{variant}.opus") for variant in finalise.VARIANTS}
    assert len(lengths) == 1 and 0 <= 4 * 48_000 - lengths.pop() <= 48_000
    assert not (tmp_path / wav.HEARD).exists()


def test_what_a_crash_left_of_the_journal_is_folded_in(tmp_path: Path) -> None:
    """With its last line torn; without a journal, as an older version left it, all is as clean as its variants say."""
    fill(tmp_path / "original.opus", close=False, seconds=4)
    assert finalise.finalise(tmp_path, False)["denoised_share"] == 0.0
    fill(tmp_path / "denoised.opus", close=False, seconds=4)
    said = finalise.finalise(tmp_path, False)
    assert (said["spans"], said["denoised_share"]) == ([], 1.0)
    (tmp_path / spans.JOURNAL).write_bytes(b"0 bypass -\n48000 clean -\n144000 denoise_off -\n150000 cle")
    said = finalise.finalise(tmp_path, False)
    off = {"from_s": 3.0, "to_s": said["duration_s"], "kind": "denoise_off", "reason": None}
    assert said["spans"] == [{"from_s": 0.0, "to_s": 1.0, "kind": "bypass", "reason": None}, off]
    assert said["denoised_share"] == pytest.approx(2 / 4, abs=0.03)


@pytest.mark.parametrize("variant, channels", [("original", 1), ("both", 2)])
def test_any_stretch_of_the_view_is_that_of_the_whole(taped: Path, variant: str, channels: int) -> None:
    """Bytes decoded from the middle are those of the whole file, odd edges and the header included."""
    size = wav.size(LENGTH, channels)
    whole = b"".join(transcode.wav_bytes(taped, variant, LENGTH, 0, size))
    assert len(whole) == size
    for start, stop in ((0, 1), (0, 44), (43, 47), (45, 45 + 3), (size // 2 + 1, size // 2 + 1000), (size - 7, size)):
        assert b"".join(transcode.wav_bytes(taped, variant, LENGTH, start, stop)) == whole[start:stop]
    begin = size - 7 * 48_000
    assert b"".join(transcode.wav_bytes(taped, variant, LENGTH, begin, size)) == whole[begin:]


def test_a_promised_length_is_kept(tmp_path: Path) -> None:
    """Where the file holds less than was said, silence makes up for it."""
    fill(tmp_path / "original.opus", close=True, seconds=1)
    assert sum(map(len, transcode.wav_bytes(tmp_path, "original", 150_000, 0, wav.size(150_000)))) == wav.size(150_000)


@pytest.mark.parametrize("form, variant, channels", [("flac", "original", 1), ("flac", "both", 2), ("opus", "both", 2)])
def test_other_forms_have_the_exact_length(taped: Path, tmp_path: Path, form: str, variant: str, channels: int) -> None:
    """FLAC and two-channel Opus appear whole, decode, and are as long as the recording."""
    import av

    path = tmp_path / f"x.{form}"
    run("workers.recordings.transcode", taped, variant, form, "--samples", 96_000, "--output", path)
    with av.open(str(path)) as file:
        frames = [frame.samples for frame in file.decode(file.streams.audio[0])]
        assert file.streams.audio[0].layout.nb_channels == channels
    assert sum(frames) == 96_000
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_wav_beyond_4_gib_is_rf64() -> None:
    """Twelve hours still fit; a sample more than 32 bits can tell, and the sizes are 64 bits wide."""
    largest = (0xFFFFFFFF - 36) // 2
    assert wav.header(largest)[:4] == b"RIFF" and len(wav.header(largest)) == 44
    head = wav.header(largest + 1)
    assert head[:4] == b"RF64" and head[12:16] == b"ds64" and len(head) == 80
    assert int.from_bytes(head[20:28], "little") == wav.size(largest + 1) - 8
    assert int.from_bytes(head[28:36], "little") == (largest + 1) * 2
