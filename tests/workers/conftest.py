"""Exported graphs, made once and kept in the checkout's own cache, as the server keeps them; and what upstream makes of the sounds."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import ROOT
from tests.sound import RATE_HZ, read_wav
from tests.workers.files import write
from tests.workers.offline import Offline
from workers import export
from workers.weights import FAMILIES

CUT = slice(12_345, 400_000)  # ends amid a word, and a hop


def graph_of(denoiser: str, models: Path, post_filter: bool = False) -> Path:
    """The denoiser's graph, exported now if the cache has none."""
    weights = models / FAMILIES[denoiser].folder
    graph = ROOT / "var" / "cache" / export.graph_name(denoiser, weights, post_filter)
    if not export.is_whole(graph):
        command = [sys.executable, "-m", "workers.export", denoiser, "--weights", weights, "--out", graph]
        command += ["--post-filter"] * post_filter
        subprocess.run(command, check=True, cwd=ROOT, timeout=120)
    return graph


@pytest.fixture(scope="session")
def deepfilternet3_graph(models_folder: Path) -> Path:
    """A graph that `DeepFilterNet3({"graph": …})` loads."""
    return graph_of("deepfilternet3", models_folder)


@pytest.fixture(scope="session")
def offline(models_folder: Path, audio_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Offline]:
    """Upstream on every sound and a CUT of one, at work from the first test that asks for it."""
    folder = tmp_path_factory.mktemp("offline")
    cut = write(folder / "noisy_cut.wav", read_wav(audio_folder / "noisy_snr0.wav")[None, CUT], RATE_HZ)
    made = Offline(models_folder, [*sorted(audio_folder.glob("*.wav")), cut], folder)
    yield made
    made.close()
