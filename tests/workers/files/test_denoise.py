"""`run.py denoise`: what comes out of it, for every kind of file and denoiser."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.support.running import ROOT
from tests.support.sound import RATE_HZ, Sound, read_wav
from tests.support.strangers import install
from tests.workers.conftest import CUT, graph_of, place_of
from tests.workers.offline import Offline
from tests.workers.sound_files import KINDS, read, snr, tone, write
from tests.workers.tars import tar_of
from tests.workers.whole_graphs import enhanced_by_graphs
from workers import registry
from workers.files.main import main
from workers.weights.weights import FAMILIES

Denoise = Callable[..., Path]
LEAST_DB = 90.0


@pytest.fixture
def denoise(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Denoise:
    """`denoise(file, ".wav", "--stereo", denoiser="rnnoise")`: what came of it; there may be one line and no other file."""
    count = itertools.count()

    def run(noisy: Path, ending: str, *more: str, denoiser: str = "passthrough") -> Path:
        folder = tmp_path / f"out{next(count)}"
        folder.mkdir()
        out = folder / f"clean{ending}"
        assert main([str(noisy), str(out), "--denoiser", denoiser, *more]) == 0
        said = capsys.readouterr()
        assert said.out == "" and said.err.count("\n") == 1 and "real-time factor" in said.err
        assert list(folder.iterdir()) == [out]
        return out

    return run


@pytest.mark.parametrize("ending", list(KINDS))
def test_kinds(ending: str, denoise: Denoise, tmp_path: Path) -> None:
    """Whatever the container and codec: the same length, rate and place, and as good as the codec lets it be."""
    rate_hz = 48_000 if ending in (".opus", ".webm") else 44_100
    noisy = write(tmp_path / f"noisy{ending}", tone(rate_hz, 70_001), rate_hz)
    before, _, _ = read(noisy)
    after, rate, codec = read(denoise(noisy, ending))
    assert (after.shape, rate) == (before.shape, rate_hz)
    assert codec == ("pcm_s24le" if ending == ".wav" else read(noisy)[2])
    middle = slice(5_000, 65_000)
    assert snr(before[:, middle], after[:, middle]) > (18 if ending in (".opus", ".webm", ".mp3", ".m4a") else 80)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 22_050, 32_000, 96_000, 192_000])
@pytest.mark.parametrize("extra", [0, 1, 479])
def test_rates(rate_hz: int, extra: int, denoise: Denoise, tmp_path: Path) -> None:
    """Whatever the rate and however odd the length, the sound is where it was, sample for sample."""
    sound = tone(rate_hz, rate_hz // 2 + extra)
    noisy = write(tmp_path / "noisy.wav", sound, rate_hz, "pcm_f32le", "flt")
    after, rate, codec = read(denoise(noisy, ".wav"))
    assert (after.shape, rate, codec) == (sound.shape, rate_hz, "pcm_f32le")
    middle = slice(rate_hz // 20, -rate_hz // 20)
    assert snr(sound[:, middle], after[:, middle]) > 80


def test_bits(denoise: Denoise, tmp_path: Path) -> None:
    """At 48 kHz floats pass as they are, and 24 bits are kept in WAV and FLAC."""
    sound = tone(48_000, 12_345)
    floats = write(tmp_path / "floats.wav", sound, 48_000, "pcm_f32le", "flt")
    assert (read(denoise(floats, ".wav"))[0] == sound.astype(np.float32)).all()
    whole = write(tmp_path / "whole.wav", sound, 48_000, "pcm_s24le", "s32")
    for ending in (".wav", ".flac"):
        assert (read(denoise(whole, ending))[0] == read(whole)[0]).all()


def test_late_denoiser(denoise: Denoise, tmp_path: Path) -> None:
    """A chunked denoiser, of which nothing comes for seconds, gives the sound back in its place; so for one shorter than its chunk."""
    for count in (100_000, 1_000):
        sound = tone(16_000, count)
        noisy = write(tmp_path / "noisy.wav", sound, 16_000, "pcm_f32le", "flt")
        heard = read(denoise(noisy, ".wav", denoiser="chunked:passthrough"))[0]
        assert heard.shape == sound.shape and snr(sound, heard) > 25


def test_a_few_samples(denoise: Denoise, tmp_path: Path) -> None:
    """A file shorter than a hop has its length too."""
    noisy = write(tmp_path / "noisy.wav", tone(48_000, 7), 48_000)
    assert read(denoise(noisy, ".wav", denoiser="rnnoise"))[0].shape == (1, 7)


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 192_000])
@pytest.mark.parametrize("count", [10, 100])
def test_less_than_the_filter(count: int, rate_hz: int, denoise: Denoise, tmp_path: Path) -> None:
    """A sound shorter than the resampler's filter is heard all the same."""
    sound = 0.3 * np.sin(np.pi * np.arange(count) / count)[None]
    heard = read(denoise(write(tmp_path / "noisy.wav", sound, rate_hz, "pcm_f32le", "flt"), ".wav"))[0]
    assert heard.shape == sound.shape and snr(sound, heard) > 15


def test_channels(denoise: Denoise, tmp_path: Path) -> None:
    """Channels are folded to their mean; with --stereo each is a voice of its own, as if it had come alone."""
    sound = tone(48_000, 50_000, channels=2) + np.random.default_rng(1).normal(0, 0.02, (2, 50_000))
    both = write(tmp_path / "both.wav", sound, 48_000, "pcm_f32le", "flt")
    assert snr(sound.mean(axis=0, keepdims=True), read(denoise(both, ".wav"))[0]) > 120
    kept, _, _ = read(denoise(both, ".wav", "--stereo", denoiser="rnnoise"))
    for row, channel in enumerate(sound):
        alone = write(tmp_path / "alone.wav", channel[None], 48_000, "pcm_f32le", "flt")
        assert (read(denoise(alone, ".wav", denoiser="rnnoise"))[0] == kept[row]).all()


def test_surround(denoise: Denoise, tmp_path: Path) -> None:
    """Six channels are kept as six."""
    sound = tone(44_100, 20_000, channels=6)
    after, _, _ = read(denoise(write(tmp_path / "six.flac", sound, 44_100), ".flac", "--stereo"))
    assert after.shape == sound.shape and snr(sound[:, 2_000:-2_000], after[:, 2_000:-2_000]) > 70


def test_strength(denoise: Denoise, audio_folder: Path, tmp_path: Path) -> None:
    """At 0 dB the noisy sound comes back in its place; at 6 dB half of it is under the clean one; at 100 dB nothing."""
    wav = write(tmp_path / "noisy.wav", read_wav(audio_folder / "noisy_snr0.wav")[None, : 2 * RATE_HZ], RATE_HZ)
    noisy, clean = read(wav)[0], read(denoise(wav, ".wav", denoiser="rnnoise"))[0]
    assert snr(noisy, read(denoise(wav, ".wav", "--strength-db=0", denoiser="rnnoise"))[0]) > 120
    share = 10 ** (-6 / 20)
    half = read(denoise(wav, ".wav", "--strength-db=6", denoiser="rnnoise"))[0]
    assert snr(noisy * share + clean * (1 - share), half) > 100
    assert (read(denoise(wav, ".wav", "--strength-db=100", denoiser="rnnoise"))[0] == clean).all()


ORDINARY = ("deepfilternet3", "deepfilternet3_ll")  # the others go the same way, and are as exact by tests/workers/deepfilternet
KINDS = [pytest.param(name, False, marks=[] if name in ORDINARY else pytest.mark.slow) for name in FAMILIES]


@pytest.mark.parametrize(("denoiser", "post_filter"), [*KINDS, ("deepfilternet3", True)])
def test_exact(
    denoiser: str, post_filter: bool, denoise: Denoise, offline: Offline, models_folder: Path, audio_folder: Path, tmp_path: Path
) -> None:
    """A file through the streaming model is what the offline model makes of the whole of it, to the last sample."""
    graph_of(denoiser, models_folder, post_filter)
    sound = read_wav(audio_folder / "noisy_snr0.wav")[None, CUT]
    whole = write(tmp_path / "whole.wav", sound, 48_000)
    floats = write(tmp_path / "floats.wav", sound, 48_000, "pcm_f32le", "flt")
    wanted = _offline(denoiser, post_filter, offline)[480:][: sound.shape[1]]
    weights = place_of(denoiser, models_folder)
    for noisy in whole, floats:
        more = [f"--models={weights.parent}", f"--cache={ROOT / 'var' / 'cache'}", *["--post-filter"] * post_filter]
        heard = read(denoise(noisy, ".wav", *more, denoiser=denoiser))[0][0]
        assert len(heard) == len(wanted) and snr(wanted, heard) >= LEAST_DB


def _offline(denoiser: str, post_filter: bool, offline: Offline) -> Sound:
    """The whole CUT through the model, 480 samples late: by upstream's code, or, without a checkpoint, by the graphs of its export."""
    if denoiser == "deepfilternet3_ll":
        return enhanced_by_graphs(tar_of(denoiser), offline.sound("noisy_cut.wav"), look_ahead=0)
    return offline.enhanced(denoiser, "noisy_cut.wav", post_filter)


def test_stranger(denoise: Denoise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A denoiser out of somebody's installed package is asked for by its name, and its delay taken off like any other's."""
    monkeypatch.syspath_prepend(install(tmp_path))
    registry._strangers.cache_clear()
    try:
        sound = tone(48_000, 20_000)
        heard = read(denoise(write(tmp_path / "noisy.wav", sound, 48_000, "pcm_f32le", "flt"), ".wav", denoiser="slow"))[0]
    finally:
        monkeypatch.undo()
        registry._strangers.cache_clear()
    assert (heard == sound.astype(np.float32)).all()
