"""Exported graphs, made once and kept in the checkout's own cache; what upstream makes of the sounds; a mirror of its weights."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.support import side_by_side
from tests.support.running import ROOT
from tests.support.sound import RATE_HZ, read_wav
from tests.workers.mirror import Upstream
from tests.workers.offline import Offline
from tests.workers.sound_files import write
from tests.workers.tars import tar_of
from workers.models import export
from workers.weights.weights import FAMILIES, whole

CUT = slice(12_345, 400_000)  # ends amid a word, and a hop


def place_of(denoiser: str, models: Path) -> Path:
    """The denoiser's weights: those in `models`, else what the package registry has, fetched once into the checkout's own cache."""
    found = whole(FAMILIES[denoiser], [models], ROOT / "var" / "cache", print)
    return found or tar_of(denoiser)


def graph_of(denoiser: str, models: Path, post_filter: bool = False) -> Path:
    """The denoiser's graph, exported now if the cache has none."""
    weights = place_of(denoiser, models)
    graph = ROOT / "var" / "cache" / export.graph_name(denoiser, weights, post_filter)
    if not export.is_whole(graph):
        command = [sys.executable, "-m", "workers.models.export", denoiser, "--weights", weights, "--out", graph]
        command += ["--post-filter"] * post_filter
        subprocess.run(command, check=True, cwd=ROOT, timeout=120)
    return graph


@pytest.fixture(scope="session")
def deepfilternet3_graph(models_folder: Path) -> Path:
    """A graph that `DeepFilterNet3({"graph": …})` loads."""
    return graph_of("deepfilternet3", models_folder)


@pytest.fixture(scope="session")
def offline(models_folder: Path, audio_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Offline:
    """Upstream on every sound and a CUT of one."""
    cut = write(tmp_path_factory.mktemp("cut") / "noisy_cut.wav", read_wav(audio_folder / "noisy_snr0.wav")[None, CUT], RATE_HZ)
    of_the_run = tmp_path_factory.getbasetemp().parent if side_by_side.WORKER in os.environ else tmp_path_factory.getbasetemp()
    folder = of_the_run / "offline"
    folder.mkdir(exist_ok=True)
    return Offline(models_folder, [*sorted(audio_folder.glob("*.wav")), cut], folder)


@pytest.fixture
def one_model(models_folder: Path, tmp_path: Path) -> Path:
    """A models folder with nothing but the default's weights."""
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "DeepFilterNet3").symlink_to(models_folder / "DeepFilterNet3")
    return folder


@pytest.fixture(scope="session")
def archive(models_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Upstream's zip, made of the weights that are here."""
    file = tmp_path_factory.mktemp("archive") / "DeepFilterNet3.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as packed:
        for each in sorted((models_folder / "DeepFilterNet3").rglob("*")):
            packed.write(each, each.relative_to(models_folder))
    return file.read_bytes()


@pytest.fixture
async def upstream(archive: bytes) -> AsyncIterator[tuple[Upstream, str]]:
    """The mirror, and what models.url is to be for it."""
    server = Upstream(archive)
    app = web.Application()
    app.router.add_get("/models/DeepFilterNet3.zip", server.zip)
    app.router.add_get("/models/DeepFilterNet3.zip.sha256", server.sha256)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield server, f"http://127.0.0.1:{runner.addresses[0][1]}/models"
    await runner.cleanup()


@pytest.fixture
def cache(tmp_path: Path, deepfilternet3_graph: Path) -> Path:
    """A cache that has the graph already: only the weights are missing."""
    folder = tmp_path / "cache"
    folder.mkdir()
    for file in (deepfilternet3_graph, export.sum_file(deepfilternet3_graph)):
        shutil.copyfile(file, folder / file.name)
    return folder


@pytest.fixture(params=["main", "another"])
def ctrl_c_at_birth(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The ids of the children. This process gets Ctrl-C, in its main or in another thread, as soon as it has started one."""
    born: list[int] = []

    class Interrupting(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            born.append(self.pid)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)  # until another thread has taken it

    monkeypatch.setattr(subprocess, "Popen", Interrupting)
    over = threading.Event()
    another = threading.Thread(target=over.wait)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    try:
        if request.param == "another":
            another.start()
        yield born
    finally:
        signal.signal(signal.SIGINT, before)
        over.set()
        if another.ident is not None:
            another.join()
