"""`run.py denoise` with files that are damaged where it hurts, and with names that are somebody else's: one line, and nothing is lost."""

import os
import signal
import struct
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.workers.sound_files import KINDS, read, start, tone, write
from workers.files.errors import FileError
from workers.files.main import main
from workers.files.writer import SoundWriter
from workers.recordings import ogg

PLAIN = "--denoiser=passthrough"
SOUND = tone(48_000, 48_000)


def refused(noisy: Path, clean: Path, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    """The one line with which the command leaves with 1; nothing of `noisy`'s folder has changed."""
    before = {path: path.read_bytes() for path in noisy.parent.iterdir()}
    assert main([str(noisy), str(clean), PLAIN, *more]) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1, said.err
    assert {path: path.read_bytes() for path in noisy.parent.iterdir()} == before
    return said.err


def raw(path: Path, codec: str, container: str) -> Path:
    """A stream of frames without a container of its own."""
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=48_000, layout="mono", format="fltp")
        frame = av.AudioFrame.from_ndarray(SOUND.astype(np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("kept", [0, 5, 40, 200])
@pytest.mark.parametrize("content", ["cut", "zeros", "noise"])
def test_an_mp4_that_begins_badly(kept: int, content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An MP4 whose index comes first, and whose sound ends or turns into rubbish at once, is one line."""
    plain, noisy = tmp_path / "plain.m4a", tmp_path / "noisy.m4a"
    write(plain, SOUND, 48_000)
    with av.open(str(plain)) as source, av.open(str(noisy), "w", format="ipod", options={"movflags": "faststart"}) as file:
        stream = file.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.size:
                packet.stream = stream
                file.mux(packet)
    whole = noisy.read_bytes()
    at = whole.index(b"mdat") + 4 + kept
    assert whole.index(b"moov") < at
    length = len(whole) - at
    noisy.write_bytes(whole[:at] + {"cut": b"", "zeros": bytes(length), "noise": np.random.default_rng(kept).bytes(length)}[content])
    assert noisy.name in refused(noisy, tmp_path / "clean.wav", capsys)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9])
def test_a_flac_cut_in_its_first_frame(share: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A FLAC that ends before one frame is whole has its line."""
    noisy = write(tmp_path / "noisy.flac", SOUND, 48_000)
    whole = noisy.read_bytes()
    first = whole.index(b"\xff\xf8", 42)
    second = whole.index(b"\xff\xf8", first + 2)
    noisy.write_bytes(whole[: first + round(share * (second - first))])
    assert noisy.name in refused(noisy, tmp_path / "clean.wav", capsys)


@pytest.mark.parametrize(("codec", "container"), [("aac", "adts"), ("ac3", "ac3")])
def test_the_first_bytes_of_a_stream(codec: str, container: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Twenty bytes of a frame are no sound."""
    noisy = raw(tmp_path / f"noisy.{codec}", codec, container)
    noisy.write_bytes(noisy.read_bytes()[:20])
    assert noisy.name in refused(noisy, tmp_path / "clean.wav", capsys)


def test_no_channels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A WAV of no channels has its line."""
    noisy = write(tmp_path / "noisy.wav", SOUND, 48_000)
    content = bytearray(noisy.read_bytes())
    struct.pack_into("<H", content, content.index(b"fmt ") + 10, 0)
    noisy.write_bytes(content)
    assert noisy.name in refused(noisy, tmp_path / "clean.wav", capsys)


@pytest.mark.parametrize("ending", list(KINDS))
def test_rubbish(ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever bytes are wrong, it is exit 0 and a file, or exit 1, one line and no file."""
    whole, random = write(tmp_path / f"whole{ending}", SOUND, 48_000).read_bytes(), np.random.default_rng(5)
    noisy, clean = tmp_path / f"noisy{ending}", tmp_path / "clean.wav"
    for number in range(24):
        content = bytearray(whole[: random.integers(1, len(whole))] if number % 3 == 0 else whole)
        for at in random.integers(0, min(len(content), 200 if number % 2 else len(content)), 6):
            content[at] = random.integers(256)
        noisy.write_bytes(content)
        status = main([str(noisy), str(clean), PLAIN])
        said = capsys.readouterr().err
        assert (status, clean.exists()) in ((0, True), (1, False)) and (status == 0 or said.count("\n") == 1), said
        clean.unlink(missing_ok=True)
        assert len(list(tmp_path.iterdir())) == 2


def test_tags_in_an_old_encoding(tmp_path: Path) -> None:
    """Tags that are no UTF-8 are nobody's trouble."""
    noisy, text = write(tmp_path / "noisy.wav", SOUND, 48_000), b"INFOINAM" + struct.pack("<I", 6) + b"Caf\xe9\xff\0"
    content = noisy.read_bytes()
    at = content.index(b"data")
    noisy.write_bytes(content[:at] + b"LIST" + struct.pack("<I", len(text)) + text + content[at:])
    assert main([str(noisy), str(tmp_path / "clean.wav"), PLAIN]) == 0


def test_an_ogg_without_an_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An Ogg file that ends with a whole page, but not with its last, is taken as it is, with a line that says so."""
    noisy, clean = write(tmp_path / "noisy.opus", tone(48_000, 240_000), 48_000), tmp_path / "clean.wav"
    assert main([str(noisy), str(clean), PLAIN]) == 0
    assert "mark" not in capsys.readouterr().err
    with noisy.open("rb") as file:
        last = ogg.last_page(file)
    assert last is not None and last.flags & ogg.LAST and last.offset
    noisy.write_bytes(noisy.read_bytes()[: last.offset])
    assert main([str(noisy), str(clean), PLAIN]) == 0
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 and "no end mark" in said[0] and str(noisy) in said[0]
    assert read(clean)[0].shape[1] < 240_000


def test_a_plot_over_the_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A plot goes to a file of its own, and its name says that it is a picture."""
    noisy, clean = write(tmp_path / "noisy.wav", SOUND, 48_000), tmp_path / "clean.wav"
    assert ".png" in refused(noisy, clean, capsys, f"--plot={noisy}")
    assert ".png" in refused(noisy, clean, capsys, f"--plot={clean}")
    assert ".png" in refused(noisy, clean, capsys, f"--plot={tmp_path / 'plot'}")
    (tmp_path / "link.png").symlink_to(noisy)
    assert "to be read" in refused(noisy, clean, capsys, f"--plot={tmp_path / 'link.png'}")
    os.link(noisy, tmp_path / "hard.PNG")
    assert "to be read" in refused(noisy, clean, capsys, f"--plot={tmp_path / 'hard.PNG'}")
    clean.write_bytes(b"older")
    os.link(clean, tmp_path / "clean.png")
    assert "to be written" in refused(noisy, clean, capsys, f"--plot={tmp_path / 'clean.png'}")


@pytest.mark.parametrize("name", ["x" * 251 + ".wav", "\N{SNOWMAN}" * 83 + ".wav"])
def test_the_longest_name(name: str, tmp_path: Path) -> None:
    """A name may be as long as the file system lets it be."""
    noisy = write(tmp_path / "noisy.wav", SOUND, 48_000)
    assert main([str(noisy), str(tmp_path / name), PLAIN]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["noisy.wav", name])


@pytest.mark.parametrize("name", ["12:30.wav", "http:x.wav", "pipe:1.wav", "file:x.wav"])
def test_names_that_look_like_addresses(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with a colon is a file's, to be read and to be written; nobody is asked over a network."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / name, SOUND, 48_000)
    assert main([name, f"x{name}", PLAIN]) == 0
    assert main([f"x{name}", f"3:{name}", PLAIN]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, f"x{name}", f"3:{name}"])


def test_places_that_are_no_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder or a pipe in the place of the output or the plot is told before anything is done, and left as it is."""
    noisy, clean, picture = write(tmp_path / "noisy.wav", SOUND, 48_000), tmp_path / "clean.wav", tmp_path / "plot.png"
    assert "no folder" in refused(noisy, clean, capsys, f"--plot={tmp_path / 'nowhere' / 'plot.png'}")
    picture.mkdir()
    assert main([str(noisy), str(clean), PLAIN, f"--plot={picture}"]) == 1
    assert not clean.exists()
    os.mkfifo(clean)
    assert main([str(noisy), str(clean), PLAIN]) == 1
    assert clean.is_fifo()
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 and all(line.endswith("what is there is no file") for line in said)


def test_names_that_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is too long, or lies in what is no folder, is one line, wherever it stands."""
    noisy, clean = write(tmp_path / "noisy.wav", SOUND, 48_000), tmp_path / "clean.wav"
    long = "x" * 300
    assert "too long" in refused(noisy, tmp_path / f"{long}.wav", capsys)
    assert "too long" in refused(noisy, clean, capsys, f"--plot={tmp_path / long}.png")
    refused(noisy, noisy / "clean.wav", capsys)
    for name in f"{long}.wav", "noisy.wav/x.wav":
        assert main([str(tmp_path / name), str(clean), PLAIN]) == 1
        assert capsys.readouterr().err.count("\n") == 1


def test_more_than_it_was_to_be(tmp_path: Path) -> None:
    """A file that has more sound already than it shall have is refused, and gone."""
    with SoundWriter(tmp_path / "clean.wav", 48_000, "mono", is_float=False) as target:
        target.write(SOUND.astype(np.float32))
        with pytest.raises(FileError, match="was to have 5"):
            target.finish(5)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ignored", [False, True])
def test_hung_up(ignored: bool, tmp_path: Path, stretch: float) -> None:
    """SIGHUP takes the draft away as SIGTERM does; under nohup it is not heard, and the file gets done."""
    noisy, clean = write(tmp_path / "noisy.wav", np.zeros((1, 600 * 8_000)), 8_000), tmp_path / "clean.wav"
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        denoise = start(noisy, clean, PLAIN if ignored else "--denoiser=rnnoise")
    finally:
        signal.signal(signal.SIGHUP, before)
    deadline = time.monotonic() + 20 * stretch
    while len(list(tmp_path.iterdir())) == 1 and denoise.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    begun = len(list(tmp_path.iterdir())) > 1
    denoise.send_signal(signal.SIGHUP)
    said = denoise.communicate(timeout=60 * stretch)[1]
    assert begun, said
    assert "Traceback" not in said
    assert denoise.returncode == (0 if ignored else 128 + signal.SIGHUP)
    assert sorted(tmp_path.iterdir()) == sorted([noisy, clean] if ignored else [noisy])
