"""The streaming DeepFilterNets against upstream's own offline `enhance()`, on real sound."""

import os
import subprocess
import sys
from collections.abc import Sequence
from itertools import cycle, product
from pathlib import Path

import numpy as np
import pytest

from tests.support.running import ROOT
from tests.support.sound import Sound, read_wav
from tests.workers.conftest import graph_of
from tests.workers.offline import Offline, padded
from workers import registry
from workers.denoiser import Denoiser, blocks_at_once
from workers.errors import OptionError
from workers.extra_python import CUDA, PARTS
from workers.plugins.deepfilternet import DeepFilterNet2, DeepFilterNet3

LEAST_DB = 100.0
LEAST_OVER_ALL_DB = {"deepfilternet3": 120.0, "deepfilternet2": 105.0, "deepfilternet2_ll": 105.0}
LATENCY = {"deepfilternet3": 1440, "deepfilternet2": 2400, "deepfilternet2_ll": 480}
OFFLINE_LATENCY = 480


def snr(wanted: Sound, heard: Sound) -> float:
    """How far below `wanted` the difference lies, in dB."""
    error = float(np.sum((wanted.astype(float) - heard) ** 2))
    return 10 * float(np.log10(np.sum(wanted.astype(float) ** 2) / max(error, 1e-30)))


def through(denoiser: Denoiser, sounds: Sound, counts: Sequence[int] = (1,)) -> Sound:
    """Each row of float32[n, length] through a voice of its own, all in one batch; so many hops a call, in turn."""
    voices, hops, at, turn = [denoiser.open() for _ in sounds], [], 0, cycle(counts)
    while at < sounds.shape[1]:
        hops.append(denoiser.clean(voices, sounds[:, at : at + 480 * next(turn)]))
        at += hops[-1].shape[1]
    return np.concatenate(hops, axis=1)


@pytest.fixture(scope="module", params=list(LATENCY))
def loaded(request: pytest.FixtureRequest, models_folder: Path) -> tuple[str, Denoiser]:
    """Each model that has a checkpoint. The engine of CUDA has tests of its own (test_torch_engine.py)."""
    name = request.param
    return name, registry.load(name)({"graph": graph_of(name, models_folder)})


@pytest.fixture(scope="module")
def sounds(audio_folder: Path) -> dict[str, Sound]:
    return {wav.name: padded(read_wav(wav)) for wav in sorted(audio_folder.glob("*.wav"))}


@pytest.fixture(scope="module")
def denoiser(deepfilternet3_graph: Path) -> DeepFilterNet3:
    return DeepFilterNet3({"graph": deepfilternet3_graph})


def test_exact(loaded: tuple[str, Denoiser], offline: Offline, sounds: dict[str, Sound]) -> None:
    """Hop by hop, or as many as come, is what offline makes of each sound, to 100 dB, and exactly the promised samples late.

    Of all sounds together to LEAST_OVER_ALL_DB. One begins near silence: what libdf's FFT rounds there in its own way, upstream's
    model makes loud.
    """
    name, denoiser = loaded
    assert denoiser.latency == LATENCY[name] == denoiser.latency_ms * 48
    late = denoiser.latency - OFFLINE_LATENCY
    found, energies = {}, np.zeros(2)
    ways = [(1,), (2,), (1, 2, 2)] if blocks_at_once(denoiser) == 2 else [(1,)]
    for (wav, sound), counts in product(sounds.items(), ways):
        heard = through(denoiser, sound[None], counts)[0]
        wanted = offline.enhanced(name, wav)[: len(heard) - late].astype(float)
        found[wav, counts] = snr(wanted, heard[late:])
        energies += np.sum(wanted**2), np.sum((wanted - heard[late:]) ** 2)
    assert min(found.values()) >= LEAST_DB, found
    assert 10 * np.log10(energies[0] / energies[1]) >= LEAST_OVER_ALL_DB[name], found


@pytest.mark.parametrize("name", LATENCY)
def test_post_filter(name: str, models_folder: Path, offline: Offline, sounds: dict[str, Sound]) -> None:
    """With the post filter it is what offline makes with its own, to 100 dB, and not what it makes without."""
    wav = "noisy_snr0.wav"
    model = registry.load(name)({"graph": graph_of(name, models_folder, post_filter=True)})
    late, sound = model.latency - OFFLINE_LATENCY, sounds[wav]
    heard = through(model, sound[None], (1, 2, 2))[0][late:]
    assert snr(offline.enhanced(name, wav, post_filter=True)[: len(heard)], heard) >= LEAST_DB
    plain = through(registry.load(name)({"graph": graph_of(name, models_folder)}), sound[None], (2,))[0][late:]
    assert snr(plain, heard) < 60
    assert np.sum(heard**2) < np.sum(plain**2)


def test_batch(loaded: tuple[str, Denoiser], sounds: dict[str, Sound]) -> None:
    """A voice in a batch, whose others came earlier or later, is cleaned as if it were alone."""
    _, denoiser = loaded
    noisy = sounds["noisy_snr0.wav"][:48_000].reshape(-1, 480)
    alone = through(denoiser, noisy.reshape(1, -1))[0]
    voices, heard = [denoiser.open() for _ in range(5)], [[] for _ in range(5)]
    for step in range(len(noisy) + 8):
        here = [number for number in range(5) if 0 <= step - 2 * number < len(noisy)]
        batch = denoiser.clean([voices[number] for number in here], np.stack([noisy[step - 2 * number] for number in here]))
        for number, hop in zip(here, batch, strict=True):
            heard[number].append(hop)
    assert min(snr(alone, np.concatenate(hops)) for hops in heard) >= LEAST_DB


def test_silence(denoiser: DeepFilterNet3, sounds: dict[str, Sound]) -> None:
    """After 120 s of digital silence, 80 of which make its smallest state denormal, there is silence, and a voice that comes is heard."""
    voice, silence = denoiser.open(), np.zeros((1, 960), np.float32)
    loudest = 0.0
    for _ in range(6_000):
        loudest = max(loudest, float(np.abs(denoiser.clean([voice], silence)).max()))
    assert loudest == 0.0
    voiced = sounds["clean_freesound_33711.wav"][48_000:96_000].reshape(-1, 1, 480)
    heard = np.concatenate([denoiser.clean([voice], hop) for hop in voiced])
    assert np.isfinite(heard).all() and np.abs(heard).max() > 0.01


def test_hopeless_input(denoiser: DeepFilterNet3) -> None:
    """Full-scale square waves and noise stay numbers."""
    voices, hops = [denoiser.open(), denoiser.open()], []
    rng = np.random.default_rng(1)
    for _ in range(200):
        square = np.sign(np.sin(np.arange(480) * 0.3))
        hops.append(denoiser.clean(voices, np.stack([square, rng.uniform(-8, 8, 480)]).astype(np.float32)))
    assert np.isfinite(hops).all()


def test_result_is_the_callers(denoiser: DeepFilterNet3, sounds: dict[str, Sound]) -> None:
    """A hop that was handed out is not written again, and the input is left as it was."""
    voice, hops = denoiser.open(), sounds["noisy_snr0.wav"][:9600].reshape(-1, 1, 480)
    before, out = hops.copy(), [denoiser.clean([voice], hop) for hop in hops]
    kept = [hop.copy() for hop in out]
    denoiser.clean([voice], hops[0])
    assert (hops == before).all() and all((a == b).all() for a, b in zip(out, kept, strict=True))


def test_forks(denoiser: DeepFilterNet3, sounds: dict[str, Sound]) -> None:
    """Twenty forks of a process that has the model each run a hop, and all hear the same."""
    hop = sounds["noisy_snr0.wav"][None, 48_000:48_480]
    wanted = denoiser.clean([denoiser.open()], hop).tobytes()
    for _ in range(20):
        child = os.fork()
        if child == 0:
            os._exit(0 if denoiser.clean([denoiser.open()], hop).tobytes() == wanted else 1)
        assert os.waitpid(child, 0)[1] == 0


def test_threads(deepfilternet3_graph: Path) -> None:
    """Loading a model adds no thread to the one that onnxruntime's import parks, and no torch."""
    script = (
        "import os, sys, numpy, onnxruntime\n"
        "count = lambda: len(os.listdir('/proc/self/task'))\n"
        "before = count()\n"
        "from workers.plugins.deepfilternet import DeepFilterNet3\n"
        "model = DeepFilterNet3({'graph': sys.argv[1]})\n"
        "model.clean([model.open()], numpy.zeros((1, 480), 'f4'))\n"
        "assert count() == before, (before, count())\n"
        "assert not {'torch', 'df', 'onnx'} & set(sys.modules)\n"
    )
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", script, deepfilternet3_graph], check=True, cwd=ROOT, env=environment, timeout=60)


def test_import_is_light() -> None:
    """The plugin's module can be imported without ONNX Runtime being loaded."""
    script = "import sys, workers.plugins.deepfilternet; assert not {'onnxruntime', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT, timeout=60)


@pytest.mark.parametrize("content", [None, b"", b"no graph at all"])
def test_bad_graph(content: bytes | None, tmp_path: Path) -> None:
    """A missing or broken file is an OptionError, not a crash."""
    graph = tmp_path / "graph.onnx"
    if content is not None:
        graph.write_bytes(content)
    with pytest.raises(OptionError):
        DeepFilterNet3({"graph": graph})
    with pytest.raises(OptionError):
        DeepFilterNet3({})


def test_device(tmp_path: Path) -> None:
    """With a device it may not be forked, and runs where torch is; a device that is none, or no weights, are an OptionError."""
    plain, on_cuda, on_cpu = ({"graph": "file"}, *({"weights": str(tmp_path), "device": device} for device in ("cuda", "cpu")))
    assert DeepFilterNet3.forkable(plain) and not DeepFilterNet3.forkable(on_cuda) and not DeepFilterNet3.forkable(on_cpu)
    assert DeepFilterNet3.extra(plain) == () and DeepFilterNet3.extra(on_cuda) == (CUDA,)
    assert set(DeepFilterNet3.extra(on_cpu)) == set(PARTS)
    for options in ({"device": "tpu", "weights": tmp_path}, {"device": "cpu"}):
        with pytest.raises(OptionError):
            DeepFilterNet3(options)


def test_graph_of_another(deepfilternet3_graph: Path) -> None:
    """A graph that was made for another denoiser is an OptionError."""
    with pytest.raises(OptionError):
        DeepFilterNet2({"graph": deepfilternet3_graph})
