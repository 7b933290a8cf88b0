"""`run.py denoise`: every sample in its place in time, gaps as silence, and the length that the container means."""

import struct
from pathlib import Path

import av
import numpy as np
import pytest

from tests.workers.sound_files import Rows, read, snr, write
from tests.workers.stamped import gaps, lag, voice, write_stamped
from workers.files.main import main
from workers.files.reader import SoundReader
from workers.files.time_stamp_gaps import Timed, placed
from workers.recordings import ogg

SECOND = 48_000
SOUND = voice(4 * SECOND)
PRIMING = {".ts": 1_024 / SECOND, ".flv": 1_024 / SECOND}  # they cannot say that an encoder begins with what is no sound
CLOSE = 100  # samples: rounding of time stamps to ms, and what a codec has before its first sound


def heard(noisy: Path, *more: str) -> Rows:
    """What comes out of passthrough."""
    clean = noisy.with_name("clean.wav")
    assert main([str(noisy), str(clean), "--denoiser=passthrough", *more]) == 0
    return read(clean)[0]


def refused(noisy: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line; there is no file."""
    clean = noisy.with_name("clean.wav")
    assert main([str(noisy), str(clean), "--denoiser=passthrough"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and not clean.exists(), said
    return said


def check_pieces(out: Rows, pieces: list[tuple[float, float, float]]) -> None:
    """[(from, to, place in `out`)], in seconds of SOUND: each is there, and what is between them is silence."""
    quiet = np.ones(out.shape[1], bool)
    for begin_s, end_s, place_s in pieces:
        begin, end, place = (round(at_s * SECOND) for at_s in (begin_s, end_s, place_s))
        edge = min(4_800, (end - begin) // 8)
        late = lag(SOUND[0, begin + edge : end - edge], out[0, max(0, place) : place + end - begin + 2 * edge]) - edge
        assert abs(late) <= CLOSE or end_s - begin_s < 0.1, (begin_s, late)  # what is very short is like its neighbours
        quiet[max(0, place - 2_400) : place + end - begin + 2_400] = False
    assert np.abs(out[0, quiet]).max(initial=0) < 1e-3


@pytest.mark.parametrize("gap_s", [0.06, 3.0])
@pytest.mark.parametrize("picture", [False, True])
@pytest.mark.parametrize(
    ("codec", "ending"),
    [
        ("libopus", ".webm"),
        ("libopus", ".mkv"),
        ("pcm_s16le", ".mkv"),
        ("aac", ".mkv"),
        ("aac", ".mp4"),
        ("aac", ".ts"),
        ("aac", ".flv"),
        ("pcm_s16le", ".nut"),
    ],
)
def test_a_gap(codec: str, ending: str, picture: bool, gap_s: float, tmp_path: Path) -> None:
    """A gap in the time stamps, of lost packets or of a recorder that paused, is silence, and what follows is in its place."""
    if picture and ending in (".webm", ".flv"):
        ending = ".mkv"  # they do not have MPEG-4
    noisy = write_stamped(tmp_path / f"noisy{ending}", SOUND, codec, gaps((2.0, gap_s)), picture=picture)
    out = heard(noisy)
    assert 0 <= out.shape[1] - (4 + gap_s) * SECOND + CLOSE <= 1_024 + 2 * CLOSE + 1_024
    first_s = PRIMING.get(ending, 0.0)
    check_pieces(out, [(0, 2, first_s), (2, 4, first_s + 2 + gap_s)])


def test_many_gaps(tmp_path: Path) -> None:
    """One gap after the other, as a sender that is silent between words leaves them, and each is as long as it was."""
    noisy = write_stamped(
        tmp_path / "noisy.webm", SOUND, "libopus", gaps(*((0.5 + 0.02 * number, 0.38) for number in range(5)), (3.0, 0.5))
    )
    small = [(0.5 + 0.02 * number, 0.52 + 0.02 * number, 0.5 + 0.02 * number + 0.38 * (number + 1)) for number in range(5)]
    check_pieces(heard(noisy), [(0, 0.5, 0), *small, (0.6, 3, 0.6 + 5 * 0.38), (3, 4, 3 + 5 * 0.38 + 0.5)])


@pytest.mark.parametrize("ending", [".webm", ".flv", ".mp4"])
def test_time_stamps_that_tremble(ending: str, tmp_path: Path) -> None:
    """Time stamps that come late or early by some ms are no silence: not a sample is put in."""
    random = np.random.default_rng(3)
    codec = "libopus" if ending == ".webm" else "aac"
    last = [0.0]

    def moved(at_s: float) -> float:
        last[0] = max(last[0] + 0.001, at_s + random.uniform(0, 0.012)) if at_s > 0 else at_s
        return last[0]

    out = heard(write_stamped(tmp_path / f"noisy{ending}", SOUND, codec, moved))
    check_pieces(out, [(0, 4, PRIMING.get(ending, 0.0))])


@pytest.mark.parametrize(
    ("codec", "ending"), [("libopus", ".mkv"), ("aac", ".mp4"), ("aac", ".ts"), ("pcm_s16le", ".mov"), ("pcm_s16le", ".nut")]
)
def test_a_late_beginning(codec: str, ending: str, tmp_path: Path) -> None:
    """Sound that begins a second after the picture has a second of silence before it."""
    noisy = write_stamped(tmp_path / f"noisy{ending}", SOUND, codec, gaps((-1.0, 1.0)), picture=True)
    check_pieces(heard(noisy), [(0, 4, 1)])


@pytest.mark.parametrize(("ending", "codec", "begin_s", "silence_s"), [
    (".m4a", "aac", 1.0, 1.0), (".mkv", "libopus", 1.0, 1.0), (".mkv", "libopus", 3_600.0, 0.0),
    (".ts", "aac", 10.0, 0.0), (".ogg", "libopus", 10.0, 0.0),
])  # fmt: skip
def test_a_beginning_without_a_picture(ending: str, codec: str, begin_s: float, silence_s: float, tmp_path: Path) -> None:
    """Where a container's time begins at zero a late beginning is silence; what was cut out of something longer begins at once."""
    noisy = write_stamped(tmp_path / f"noisy{ending}", SOUND, codec, gaps((-1.0, begin_s)))
    check_pieces(heard(noisy), [(0, 4, silence_s + PRIMING.get(ending, 0.0))])


def regranuled(path: Path, after: int, by: int) -> Path:
    """The Ogg file with all pages behind a granule position moved on."""
    content, out = path.read_bytes(), b""
    with path.open("rb") as file:
        for page in ogg.pages(file):
            raw = bytearray(content[page.offset : page.offset + page.size])
            if page.granule > after:
                struct.pack_into("<q", raw, 6, page.granule + by)
            raw[22:26] = bytes(4)
            struct.pack_into("<I", raw, 22, ogg.checksum(raw))
            out += raw
    path.write_bytes(out)
    return path


@pytest.mark.parametrize(("ending", "codec", "page"), [(".ogg", "libopus", 1.0), (".oga", "flac", 0.864)])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_pages_that_are_missing(ending: str, codec: str, page: float, number: int, tmp_path: Path) -> None:
    """Where Ogg's granule positions jump, all of the page that tells of it is behind the gap."""
    noisy = write_stamped(tmp_path / f"noisy{ending}", SOUND, codec, gaps())
    at_s = number * page - (0.0065 if codec == "libopus" else 0)
    out = heard(regranuled(noisy, round(number * page * SECOND) + 10, 3 * SECOND))
    assert out.shape[1] == 7 * SECOND
    check_pieces(out, [(0, at_s, 0), (at_s, 4, at_s + 3)])


@pytest.mark.parametrize(("ending", "codec"), [(".ogg", "libopus"), (".oga", "flac")])
@pytest.mark.parametrize("at_s", [1.5, 2.304])
def test_packets_that_are_missing(ending: str, codec: str, at_s: float, tmp_path: Path) -> None:
    """A gap that ended a page is in its place to the packet."""
    noisy = write_stamped(tmp_path / f"noisy{ending}", SOUND, codec, gaps((at_s, 3.0)))
    out = heard(noisy)
    assert abs(out.shape[1] - 7 * SECOND) <= 1_000
    began_s = -(-at_s * SECOND // 4_608) * 4_608 / SECOND if codec == "flac" else at_s
    check_pieces(out, [(0, began_s, 0), (began_s, 4, began_s + 3)])


def test_silence_at_the_end(tmp_path: Path) -> None:
    """A Matroska file of sound alone that is all there, and says that it lasts longer, does."""
    noisy = write(tmp_path / "noisy.webm", SOUND, SECOND)
    content = bytearray(noisy.read_bytes())
    at = content.index(b"\x44\x89\x88") + 3
    struct.pack_into(">d", content, at, 6_000.0)
    noisy.write_bytes(content)
    out = heard(noisy)
    assert out.shape[1] == 6 * SECOND
    check_pieces(out, [(0, 4, 0)])


@pytest.mark.parametrize("ending", [".mkv", ".ogg"])
def test_a_gap_of_years(ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Time stamps that claim more silence than a day has are one line, and fill no disk."""
    noisy = write_stamped(tmp_path / f"noisy{ending}", SOUND, "libopus", gaps((2.0, 400 * 86_400.0)))
    assert "hours" in refused(noisy, capsys)


@pytest.mark.parametrize("ending", [".mkv", ".mp4"])
def test_two_tracks(ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of several sound tracks the first one is taken, and a line says so."""
    noisy = write_stamped(tmp_path / f"noisy{ending}", SOUND, "aac", gaps(), tracks=2)
    check_pieces(heard(noisy), [(0, 4, 0)])
    assert "2 sound tracks; the first one" in capsys.readouterr().err


def test_other_channels_later(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Chained Ogg that changes its channels is heard to its end where they are folded; kept apart it is a line that says what changed."""
    one, two = write(tmp_path / "one.opus", SOUND, SECOND), write(tmp_path / "two.opus", np.repeat(SOUND, 2, axis=0), SECOND)
    noisy = tmp_path / "noisy.opus"
    noisy.write_bytes(one.read_bytes() + two.read_bytes() + one.read_bytes())
    out = heard(noisy)
    assert out.shape[1] == 12 * SECOND
    check_pieces(out[:, : 4 * SECOND], [(0, 4, 0)])
    check_pieces(out[:, 4 * SECOND : 8 * SECOND], [(0, 4, 0)])
    check_pieces(out[:, 8 * SECOND :], [(0, 4, 0)])
    noisy.with_name("clean.wav").unlink()
    capsys.readouterr()
    assert main([str(noisy), str(noisy.with_name("clean.wav")), "--denoiser=passthrough", "--stereo"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "from mono to stereo after 4.0 s" in said


def test_another_rate_later(tmp_path: Path) -> None:
    """Files put together that are of different rates keep their time; the first one's rate is the output's."""
    parts = [write(tmp_path / f"{rate}.mp3", voice(rate), rate).read_bytes() for rate in (44_100, 48_000, 22_050)]
    noisy = tmp_path / "noisy.mp3"
    noisy.write_bytes(b"".join(parts))
    assert heard(noisy).shape[1] == 3 * 44_100


def test_hours_of_silence_take_no_memory(tmp_path: Path) -> None:
    """A gap of an hour is made a second at a time."""
    noisy = write_stamped(tmp_path / "noisy.mkv", voice(SECOND), "libopus", gaps((0.5, 3_600.0)))
    with SoundReader(noisy, keep_channels=False) as source:
        sizes = [block.shape[1] for block in source.blocks()]
    assert max(sizes) < 3 * SECOND and abs(source.samples - 3_601 * SECOND) < CLOSE


@pytest.mark.parametrize(
    ("stamps", "silence"),
    [
        ({}, {}),
        ({20: 1.0}, {}),  # one that is wrong
        ({20: -1.0}, {}),
        ({20: None}, {}),
        ({number: number * 0.0001 for number in range(100)}, {}),  # clocks that run apart
        (dict.fromkeys(range(50, 100), -5.0), {}),  # time begins again
        ({number: -5.0 if number < 70 else -4.0 for number in range(50, 100)}, {70: 1.0}),
        ({number: 0.02 if number < 70 else 0.5 for number in range(50, 100)}, {50: 0.02, 70: 0.48}),
        ({number: 0.02 * (number - 49) for number in range(50, 100)}, dict.fromkeys(range(50, 100), 0.02)),
    ],
)
def test_what_is_a_gap(stamps: dict[int, float | None], silence: dict[int, float]) -> None:
    """stamps: by frame, how far its time stamp is from where it would be without gaps. silence: what there is, before which frame."""
    frames = []
    for number in range(100):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.float32), "flt", "mono")
        frame.sample_rate = SECOND
        off_s = stamps.get(number, 0.0)
        frames.append(Timed(frame, None if off_s is None else 10 + number * 0.02 + off_s))
    found = {number: each.silence_s for number, each in enumerate(placed(frames, None)) if each.silence_s}
    assert found == pytest.approx(silence)


def test_exact(tmp_path: Path) -> None:
    """Without loss, and with time stamps that are exact, a gap is to the sample."""
    noisy = write_stamped(tmp_path / "noisy.nut", SOUND, "pcm_s16le", gaps((1.0, 0.02), (2.5, 1.0)))
    out, wanted = heard(noisy), (SOUND * 32_768).round() / 32_768
    assert out.shape[1] == 4 * SECOND + 960 + SECOND
    silent = np.concatenate(
        [wanted[:, :SECOND], np.zeros((1, 960)), wanted[:, SECOND:120_000], np.zeros((1, SECOND)), wanted[:, 120_000:]], axis=1
    )
    assert snr(silent, out) > 80
