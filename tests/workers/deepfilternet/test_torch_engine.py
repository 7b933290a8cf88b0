"""The engine of CUDA, which is torch, on the CPU, where it computes the same: in the Python that has it, whichever runs the tests."""

import gc
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.support.running import ROOT
from tests.workers.extras import cuda_environment
from tests.workers.offline import LATENCY, Offline, reference_python
from tests.workers.sound_files import snr
from tests.workers.tars import tar_of
from workers.denoiser import BLOCK, Denoiser, Sound
from workers.errors import WorkerFailed
from workers.extra_python import CUDA, REFERENCE, MissingExtra
from workers.files.remote_denoiser import RemoteDenoiser
from workers.weights.weights import FAMILIES

LEAST_DB = 100.0
LENGTH = 3 * 48_000  # of what is compared
NAMES = ("deepfilternet3", "deepfilternet2", "deepfilternet2_ll")


@pytest.fixture
def cuda_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages of the part "cuda" and no others: no libdf, no PyAV, no ONNX Runtime."""
    monkeypatch.setenv("HUSHCAST_TEST_TORCH", str(cuda_environment(tmp_path / "torch")))


def through(denoiser: Denoiser, sounds: Sound) -> Sound:
    """Each row of float32[n, length] through a voice of its own, all in one batch, hop by hop."""
    voices = [denoiser.open() for _ in sounds]
    return np.concatenate([denoiser.clean(voices, sounds[:, at : at + BLOCK]) for at in range(0, sounds.shape[1], BLOCK)], axis=1)


def engine(name: str, models: Path, post_filter: bool = False) -> RemoteDenoiser:
    options = {"weights": str(models / FAMILIES[name].folder), "device": "cpu", "post_filter": post_filter}
    return RemoteDenoiser(name, options, (CUDA,))


@pytest.mark.usefixtures("cuda_only")
@pytest.mark.parametrize(("name", "post_filter"), [*((name, False) for name in NAMES), ("deepfilternet3", True), ("deepfilternet2", True)])
def test_exact(name: str, post_filter: bool, offline: Offline, models_folder: Path) -> None:
    """Two voices hop by hop are what offline makes of each whole sound, to 100 dB, and exactly the promised samples late."""
    wavs = ["noisy_snr0.wav", "noisy_cut.wav"]
    both = [offline.sound(wav) for wav in wavs]
    denoiser = engine(name, models_folder, post_filter)
    try:
        heard = through(denoiser, np.stack([sound[:LENGTH] for sound in both]))[:, denoiser.latency - LATENCY :]
    finally:
        denoiser.close()
    assert denoiser.latency == {"deepfilternet3": 1440, "deepfilternet2": 2400, "deepfilternet2_ll": 480}[name] and denoiser.blocks == 1
    found = [snr(offline.enhanced(name, wav, post_filter)[: heard.shape[1]], row) for wav, row in zip(wavs, heard, strict=True)]
    assert min(found) >= LEAST_DB, found


LOAD = """
import sys
from pathlib import Path
import numpy
from workers.deepfilternet.upstream import load
model = load(Path(sys.argv[1]))
numpy.save(sys.argv[2], model.net.erb_fb.numpy())
try:
    model.enhance(numpy.zeros(4800, 'f4'))
except Exception as error:
    print(error)
"""


def test_without_libdf(models_folder: Path, tmp_path: Path) -> None:
    """Upstream's net is loaded without libdf, its ERB bands as libdf has them to the bit; what else is in there is named in a line."""
    banks = []
    for number, place in enumerate((reference_python().parents[1], cuda_environment(tmp_path / "without"))):
        command = [place / "bin" / "python", "-c", LOAD, models_folder / "DeepFilterNet3", tmp_path / f"{number}.npy"]
        done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, timeout=60)
        banks.append(np.load(tmp_path / f"{number}.npy"))
    assert done.stdout == "upstream's offline enhance() needs the packages of the reference: python3 run.py install reference\n"
    assert banks[0].shape == (481, 32) and (banks[0] == banks[1]).all()


FILLED = """
import sys
from pathlib import Path
import numpy
from df.enhance import init_df
from workers.graphs import checkpoint, configuration, folding
from workers.deepfilternet.filled import fill
from workers.deepfilternet.upstream import Upstream, load
folder, sound = Path(sys.argv[1]), numpy.random.default_rng(1).normal(0, 0.1, 48000).astype('f4')
wanted = load(folder).enhance(sound)
of = configuration.parsed((folder / 'config.ini').read_text())
tensors = folding.folded(checkpoint.learnt(next(folder.glob('checkpoints/*.best'))), of)
net, analysis, _ = init_df(sys.argv[2], log_level='none', log_file=None, epoch='none')
fill(net, tensors)
heard = Upstream(net.eval(), analysis).enhance(sound)
print(10 * numpy.log10((wanted.astype(float) ** 2).sum() / max(1e-30, ((wanted.astype(float) - heard) ** 2).sum())))
del tensors['filter_out']
try:
    fill(net, tensors)
except RuntimeError as error:
    print(error)
"""


@pytest.mark.parametrize("name", NAMES)
def test_filled(name: str, models_folder: Path, tmp_path: Path) -> None:
    """Upstream's net with the tensors of an export, norms folded and gates in ONNX's order, is the one of the checkpoint, to 120 dB."""
    weights = models_folder / FAMILIES[name].folder
    (tmp_path / "config.ini").write_bytes((weights / "config.ini").read_bytes())
    command = [reference_python(), "-c", "import workers.deepfilternet.upstream as u; u.stand_in()\n" + FILLED, weights, tmp_path]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, timeout=60, env=environment)
    decibels, fault = done.stdout.splitlines()
    assert float(decibels) >= 120 and fault == "the export lacks df_dec.df_out.0.weight"


def test_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where torch is not installed, that is a line with the command."""
    monkeypatch.setenv("HUSHCAST_TEST_TORCH", str(tmp_path))
    with pytest.raises(MissingExtra, match=r"^deepfilternet3 needs the packages of CUDA: python3 run\.py install cuda$"):
        RemoteDenoiser("deepfilternet3", {}, (CUDA, REFERENCE))


@pytest.mark.usefixtures("cuda_only")
def test_refused(models_folder: Path, tmp_path: Path) -> None:
    """What the denoiser over there has against its options is told here, and no process is left."""
    with pytest.raises(WorkerFailed, match="these weights cannot be loaded") as caught:
        RemoteDenoiser("deepfilternet3", {"weights": str(tmp_path), "device": "cpu"}, (CUDA,))
    assert caught.value.reason == "bad_options"
    with pytest.raises(WorkerFailed, match="deepfilternet2: these weights cannot be loaded"):
        RemoteDenoiser("deepfilternet2", {"weights": str(models_folder / "DeepFilterNet3"), "device": "cpu"}, (CUDA,))
    with pytest.raises(WorkerFailed, match="unknown denoiser"):
        RemoteDenoiser("nobody", {}, (CUDA,))


@pytest.mark.usefixtures("cuda_only")
def test_its_end(models_folder: Path) -> None:
    """A process that dies amid its work is an error of the call; closing it twice is closing it."""
    denoiser = engine("deepfilternet2_ll", models_folder)
    try:
        voices = [denoiser.open(), denoiser.open()]
        noisy = np.random.default_rng(1).normal(0, 0.1, (2, BLOCK)).astype(np.float32)
        both = denoiser.clean(voices, noisy)
        del voices[0]
        gc.collect()
        assert denoiser.clean(voices, noisy[1:]).shape == (1, BLOCK) and both.shape == (2, BLOCK)
        denoiser._process.kill()
        with pytest.raises(WorkerFailed, match="its process ended"):
            denoiser.clean(voices, noisy[1:])
    finally:
        denoiser.close()
    denoiser.close()


@pytest.mark.usefixtures("cuda_only")
def test_export(models_folder: Path) -> None:
    """Of upstream's ONNX export, which a fresh install has, it makes what it makes of the checkpoint, to 120 dB."""
    noisy = np.random.default_rng(1).normal(0, 0.1, (1, 48_000)).astype(np.float32)
    heard = []
    for weights in (models_folder / "DeepFilterNet3", tar_of("deepfilternet3")):
        denoiser = RemoteDenoiser("deepfilternet3", {"weights": str(weights), "device": "cpu"}, (CUDA,))
        try:
            heard.append(through(denoiser, noisy))
        finally:
            denoiser.close()
    assert np.abs(heard[0]).max() > 1e-3 and snr(heard[0], heard[1]) >= 120
