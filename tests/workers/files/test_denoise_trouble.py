"""`run.py denoise` when something is wrong, is long, or is watched: one line, no half-written output, constant memory."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.running import ROOT
from tests.workers.extras import cuda_environment
from tests.workers.sound_files import start, tone, write
from workers.files.main import main
from workers.files.selection import DenoiserSettings, options
from workers.files.spectrogram import Spectrogram
from workers.models import cuda

LOSSLESS = [".wav", ".flac", ".aiff"]


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line that the command says when it leaves with 1."""
    assert main([*map(str, arguments), "--denoiser=rnnoise"]) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1, said.err
    return said.err


@pytest.mark.parametrize("ending", [*LOSSLESS, ".opus", ".mp3", ".m4a", ".webm"])
@pytest.mark.parametrize("share", [0.95, 0.5, 0.001])
def test_truncated(ending: str, share: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that ends before it should is refused, and nothing is left of it."""
    whole = write(tmp_path / f"whole{ending}", tone(48_000, 96_000), 48_000).read_bytes()
    noisy = tmp_path / f"noisy{ending}"
    noisy.write_bytes(whole[: int(len(whole) * share) | 1])
    before = sorted(tmp_path.iterdir())
    assert noisy.name in refused(capsys, noisy, tmp_path / "clean.wav")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("content", [b"", b"hello, I am a text", bytes(5_000), np.random.default_rng(1).bytes(50_000)])
@pytest.mark.parametrize("ending", [".wav", ".opus", ".mp3"])
def test_no_sound(content: bytes, ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty file, a text, zeros and noise are no sound, whatever they are called."""
    noisy = tmp_path / f"noisy{ending}"
    noisy.write_bytes(content)
    refused(capsys, noisy, tmp_path / "clean.wav")
    assert list(tmp_path.iterdir()) == [noisy]


def test_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is not there, a folder, an ending nobody knows, a folder that is not there, the file itself: each has its line."""
    noisy = write(tmp_path / "noisy.wav", tone(48_000, 4_800), 48_000)
    content = noisy.read_bytes()
    assert "no such file" in refused(capsys, tmp_path / "nobody.wav", tmp_path / "clean.wav")
    assert "is no file" in refused(capsys, tmp_path, tmp_path / "clean.wav")
    assert ".flac" in refused(capsys, noisy, tmp_path / "clean.doc")
    assert "cannot be written" in refused(capsys, noisy, tmp_path / "nowhere" / "clean.wav")
    assert "to be read" in refused(capsys, noisy, noisy)
    assert "cannot be written" in refused(capsys, noisy, tmp_path / "clean.wav", "--plot", tmp_path / "nowhere" / "plot.png")
    assert list(tmp_path.iterdir()) == [noisy] and noisy.read_bytes() == content
    assert main([str(noisy), str(tmp_path / "clean.wav"), "--denoiser=nobody"]) == 1
    assert "rnnoise" in capsys.readouterr().err


def test_no_cuda(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA that was asked for and is not there is one line, whichever denoiser; "auto" and "cpu" do without."""
    noisy = write(tmp_path / "noisy.wav", tone(48_000, 4_800), 48_000)
    monkeypatch.setattr(cuda, "DRIVERS", (tmp_path / "nothing",))
    monkeypatch.setenv("HUSHCAST_TEST_TORCH", str(tmp_path / "nothing"))
    wanted = "--device cuda needs the packages of CUDA: python3 run.py install cuda; and there is no NVIDIA driver on this machine"
    assert wanted in refused(capsys, noisy, tmp_path / "clean.wav", "--device=cuda")
    assert list(tmp_path.iterdir()) == [noisy]
    for device in ("auto", "cpu"):
        assert main([str(noisy), str(tmp_path / f"{device}.wav"), "--denoiser=rnnoise", f"--device={device}"]) == 0


def test_torch_finds_no_cuda(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is a driver torch has the last word, in its own Python; without that, a line says what could be had."""
    noisy = write(tmp_path / "noisy.wav", tone(48_000, 4_800), 48_000)
    monkeypatch.setattr(cuda, "DRIVERS", (noisy,))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("HUSHCAST_TEST_TORCH", str(cuda_environment(tmp_path / "torch")))
    assert "finds no CUDA; use auto or cpu" in refused(capsys, noisy, tmp_path / "clean.wav", "--device=cuda")
    (tmp_path / "torch" / "hushcast.json").unlink()
    assert "run.py install cuda" in refused(capsys, noisy, tmp_path / "clean.wav", "--device=cuda")
    assert main([str(noisy), str(tmp_path / "clean.wav"), f"--models={tmp_path}"]) == 0
    assert f"hushcast: {cuda.COULD_HAVE}" in capsys.readouterr().err.splitlines()


def test_a_model_on_cuda_is_its_weights(models_folder: Path, tmp_path: Path) -> None:
    """CUDA runs the weights; what has none is the same everywhere."""
    settings = DenoiserSettings((models_folder,), cache=tmp_path, device="cuda")
    given = options("deepfilternet3", settings, lambda line: None)
    assert given == {"weights": str(models_folder / "DeepFilterNet3"), "device": "cuda"}
    assert options("rnnoise", settings, lambda line: None) == {}


def test_empty_sound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A WAV without a sample in it has no sound."""
    with wave.open(str(tmp_path / "noisy.wav"), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
    assert "no sound" in refused(capsys, tmp_path / "noisy.wav", tmp_path / "clean.wav")


def test_unknown_size(tmp_path: Path) -> None:
    """A WAV that was written into a pipe does not know its size, and is whole nevertheless."""
    content = bytearray(write(tmp_path / "noisy.wav", tone(48_000, 4_800), 48_000).read_bytes())
    at = content.index(b"data")
    content[at + 4 : at + 8] = b"\xff\xff\xff\xff"
    (tmp_path / "noisy.wav").write_bytes(content)
    assert main([str(tmp_path / "noisy.wav"), str(tmp_path / "clean.flac"), "--denoiser=passthrough"]) == 0


def test_an_older_output_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was there under the name of OUT stays until the new one is whole."""
    noisy = write(tmp_path / "noisy.flac", tone(48_000, 96_000), 48_000)
    noisy.write_bytes(noisy.read_bytes()[:-500])
    (tmp_path / "clean.wav").write_text("older")
    refused(capsys, noisy, tmp_path / "clean.wav")
    assert (tmp_path / "clean.wav").read_text() == "older"


def test_no_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """NaN, infinities and what is beyond all sound are silence in a file, and counted in a line."""
    sound = tone(48_000, 9_600)
    sound[0, 100], sound[0, 5_000], sound[0, 6_000] = np.nan, np.inf, 1e38
    noisy = write(tmp_path / "noisy.wav", sound, 48_000, "pcm_f32le", "flt")
    assert main([str(noisy), str(tmp_path / "clean.wav"), "--denoiser=rnnoise"]) == 0
    assert "3 invalid samples" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(number: signal.Signals, tmp_path: Path, stretch: float) -> None:
    """Ctrl-C or SIGTERM in the middle leaves nothing but the input, and no traceback."""
    noisy = write(tmp_path / "noisy.wav", np.zeros((1, 600 * 8_000)), 8_000)
    before = signal.signal(number, lambda *_: None)  # a child inherits what is ignored, and a job in the background ignores SIGINT
    denoise = start(noisy, tmp_path / "clean.wav", "--denoiser=rnnoise")
    signal.signal(number, before)
    deadline = time.monotonic() + 20 * stretch
    while len(list(tmp_path.iterdir())) == 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    denoise.send_signal(number)
    said = denoise.communicate(timeout=20 * stretch)[1]
    assert denoise.returncode == 128 + number and "Traceback" not in said, said
    assert list(tmp_path.iterdir()) == [noisy]


@pytest.mark.parametrize("denoiser", ["passthrough", pytest.param("chunked:passthrough", marks=pytest.mark.slow)])
def test_constant_memory(denoiser: str, tmp_path: Path, stretch: float) -> None:
    """Five minutes take the memory of one, the plot included."""
    peaks_kb = []
    script = "import sys; from workers.files.main import main; assert main(sys.argv[1:]) == 0; print(open('/proc/self/status').read())"
    for minutes in (1, 5):
        noisy = write(tmp_path / f"{minutes}.flac", np.tile(tone(8_000, 8_000), 60 * minutes), 8_000)
        command = [sys.executable, "-c", script, noisy, tmp_path / "clean.flac", f"--denoiser={denoiser}", "--plot", tmp_path / "plot.png"]
        said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=100 * stretch)
        peaks_kb.append(int(said.stdout.split("VmHWM:")[1].split()[0]))
    assert peaks_kb[1] < peaks_kb[0] + 24_000, peaks_kb


def test_bar(tmp_path: Path, stretch: float) -> None:
    """At a terminal a bar moves, and goes before the line at the end; the sound's length is known to it."""
    noisy = write(tmp_path / "noisy.wav", np.zeros((1, 120 * 8_000)), 8_000)
    near, far = pty.openpty()
    command = [sys.executable, "-m", "workers.files.main", noisy, tmp_path / "clean.wav", "--denoiser=rnnoise"]
    denoise = subprocess.Popen(command, cwd=ROOT, stderr=far)
    os.close(far)
    said = b""
    try:
        while select.select([near], [], [], 30 * stretch)[0] and (piece := _read(near)):
            said += piece
    finally:
        os.close(near)
        denoise.kill() if denoise.poll() is None and b"real-time factor" not in said else denoise.wait()
    bars, last = said.decode().rsplit("\x1b[K", 1)
    assert bars.count("\r[") > 1 and " % " in bars and "left" in bars
    assert "real-time factor" in last and denoise.wait() == 0


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 4096)
    except OSError:  # a terminal whose other side has closed
        return b""


def test_plot(audio_folder: Path, tmp_path: Path) -> None:
    """The picture has two panels as wide as each other, and the one below is darker: the noise is gone."""
    plot = tmp_path / "plot.png"
    assert main([str(audio_folder / "noisy_snr0.wav"), str(tmp_path / "clean.wav"), "--denoiser=rnnoise", f"--plot={plot}"]) == 0
    with Image.open(plot) as image:
        grey = np.asarray(image.convert("L"), float)
    assert grey.shape[0] > 600 and grey.shape[1] > 1_200
    before, after = grey[60:340, 100:1_280], grey[430:710, 100:1_280]
    assert after.mean() < 0.8 * before.mean()


def test_spectrogram() -> None:
    """A tone is at its frequency and level, in time, however long the sound."""
    for seconds in (2, 30):
        count = seconds * 48_000
        sound = np.float32(0.1) * np.sin(2 * np.pi * 6_000 * np.arange(count) / 48_000).astype(np.float32)
        sound[: count // 2] = 0
        made = Spectrogram()
        for at in range(0, count, 10_000):
            made.write(sound[None, at : at + 10_000])
        decibels = made.decibels()
        assert np.argmax(decibels[-10]) == 6_000 * 1024 // 48_000 and abs(decibels[-10].max() + 20) < 0.5
        assert decibels[: len(decibels) // 2 - 5].max() < -110
        assert 90 <= len(decibels) <= 2_048


def test_settings(tmp_path: Path, stretch: float) -> None:
    """`run.py denoise` takes denoiser, device, chunk and folders from the settings, and what is typed wins."""
    config, wav = tmp_path / "config.toml", write(tmp_path / "noisy.wav", tone(48_000, 120_000), 48_000)
    config.write_text('[denoise]\ndefault = "passthrough"\nchunk_s = 1.0\n[models]\npath = []\ndownload = false\n')
    for more, wanted in ([], "passthrough"), (["--denoiser=chunked:rnnoise", "--overlap-s", "0.25"], "chunked:rnnoise"), (
        ["--denoiser=auto"], "taking rnnoise"
    ):  # fmt: skip
        denoise = start("--config", config, wav, tmp_path / "clean.wav", *more, module="web.cli.denoise")
        said = denoise.communicate(timeout=60 * stretch)[1]
        assert denoise.returncode == 0 and wanted in said, said
    if not any(driver.exists() for driver in cuda.DRIVERS):
        config.write_text('[denoise]\ndefault = "passthrough"\ndevice = "cuda"\n')
        for more, status in ([], 1), (["--device=cpu"], 0):
            denoise = start("--config", config, wav, tmp_path / "clean.wav", *more, module="web.cli.denoise")
            said = denoise.communicate(timeout=60 * stretch)[1]
            assert (denoise.returncode, said.count("\n"), "CUDA" in said) == (status, 1, bool(status)), said
    config.write_text("[denoise]\nchunk_s = 100\n")
    denoise = start("--config", config, wav, tmp_path / "clean.wav", module="web.cli.denoise")
    assert "chunk_s" in denoise.communicate(timeout=60 * stretch)[1] and denoise.returncode == 2
