"""Exported graphs, made once and kept in the checkout's own cache, as the server keeps them."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import ROOT
from workers import export
from workers.weights import FAMILIES


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
