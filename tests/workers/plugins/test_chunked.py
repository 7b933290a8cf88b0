"""Offline calls on overlapping chunks."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.sound import read_wav
from tests.workers.offline import Offline, reference_python
from tests.workers.sound_files import snr
from tests.workers.speech import voice
from workers import registry
from workers.denoiser import Denoiser, Sound
from workers.errors import OptionError, WorkerFailed
from workers.files.cleaner import Cleaner
from workers.files.remote_denoiser import RemoteDenoiser
from workers.files.selection import DenoiserSettings, chosen, names
from workers.plugins.chunked import Chunked


def through(denoiser: Denoiser, sound: Sound) -> Sound:
    """The whole sound, aligned."""
    cleaning = Cleaner(denoiser, 1)
    return np.concatenate((cleaning.write(sound[None]), cleaning.rest()), axis=1)[0]


@pytest.mark.parametrize(("chunk_s", "overlap_s"), [(1.0, 0.25), (1.0, 0.9), (0.02, 0.01), (2.0, 0.5)])
def test_in_place(chunk_s: float, overlap_s: float) -> None:
    """Of a denoiser that takes nothing out, chunks and cross-fades make the sound itself, whatever their lengths."""
    sound = voice(4.0)[:-100]
    denoiser = Chunked({"denoiser": "passthrough", "chunk_s": chunk_s, "overlap_s": overlap_s})
    assert denoiser.latency == chunk_s * 48_000 - 480
    assert np.abs(through(denoiser, sound) - sound).max() < 1e-6


def test_each_chunk_begins_anew() -> None:
    """Between the cross-fades a chunk sounds as if there had been nothing before it."""
    sound = voice(2.0, seed=2)
    heard = through(Chunked({"denoiser": "rnnoise", "chunk_s": 0.5, "overlap_s": 0.1}), sound)
    begin, end = 2 * 19_200, 2 * 19_200 + 24_000
    alone = Cleaner(registry.load("rnnoise")({}), 1)
    wanted = np.concatenate((alone.write(sound[None, begin:end]), alone.rest()), axis=1)[0]
    assert (heard[begin + 4_800 : end - 4_800] == wanted[4_800:-4_800]).all()


@pytest.mark.parametrize("overlap_s", [0, 1.0, -0.5, "much", None, float("nan")])
def test_options(overlap_s: object) -> None:
    """An overlap that is none, as long as the chunk or no number is refused."""
    with pytest.raises(OptionError):
        Chunked({"denoiser": "passthrough", "chunk_s": 1.0, "overlap_s": overlap_s})


def test_not_live() -> None:
    """Chunked denoisers can be asked for with files, and are not among those that a broadcast may have."""
    assert "chunked:rnnoise" in names()
    assert not [name for name in registry.names() if "chunked" in name]


def test_no_weights(tmp_path: Path) -> None:
    """Without weights there is one sentence, and `auto` takes the denoiser that needs none."""
    reference_python()
    settings, said = DenoiserSettings(paths=(tmp_path,), cache=tmp_path), []
    for name in ("deepfilternet3", "chunked:deepfilternet3"):
        with pytest.raises(WorkerFailed, match="no weights"):
            chosen(name, settings, said.append)
    assert chosen("auto", settings, said.append)[0] == "rnnoise" and "no weights" in said[0]


def test_no_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without upstream's packages a line has the command, before anything is looked for or fetched; other chunked ones need none."""
    monkeypatch.setenv("HUSHCAST_TEST_TORCH", str(tmp_path))
    settings, said = DenoiserSettings(paths=(tmp_path,), cache=tmp_path, download=True, url=str(tmp_path)), []
    with pytest.raises(WorkerFailed) as caught:
        chosen("chunked:deepfilternet3", settings, said.append)
    assert str(caught.value) == "chunked:deepfilternet3 needs the packages of the reference: python3 run.py install reference"
    assert chosen("chunked:rnnoise", settings, said.append)[1].latency == 95_520 and not said


def test_deepfilternet(models_folder: Path, audio_folder: Path, offline: Offline, tmp_path: Path) -> None:
    """Of DeepFilterNet3, a chunk longer than the sound is upstream's own `enhance()` of it."""
    wav = audio_folder / "noisy_snr0.wav"
    wanted = offline.enhanced("deepfilternet3", wav.name)[480:]
    sound = read_wav(wav)
    _, denoiser = chosen("chunked:deepfilternet3", DenoiserSettings((models_folder,), cache=tmp_path, chunk_s=12.0, overlap_s=1.0), print)
    assert isinstance(denoiser, RemoteDenoiser)
    try:
        heard = through(denoiser, sound)
    finally:
        denoiser.close()
    end = len(heard) - 4_800
    assert snr(wanted[:end], heard[:end]) > 90
