"""Which denoisers there are, and where they run: settings that cannot be met end the start, everything else is said."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sfu.config.errors import ConfigError
from tests.support.running import ROOT
from tests.workers.conftest import graph_of
from tests.workers.extras import cuda_environment
from web.denoisers.catalogue import DenoiserCatalogue
from web.denoisers.device import configured_device
from workers import registry
from workers.models import cuda
from workers.models.store import ModelStore, WeightSources

QUICKEST = "deepfilternet3_ll"


@pytest.fixture
def no_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "DRIVERS", (tmp_path / "nothing",))


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something that looks like one; no card."""
    (tmp_path / "nvidiactl").touch()
    monkeypatch.setattr(cuda, "DRIVERS", (tmp_path / "nvidiactl",))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.fixture
def no_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUSHCAST_TEST_TORCH", str(tmp_path / "no torch"))


@pytest.fixture
def torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The packages of CUDA."""
    folder = cuda_environment(tmp_path / "torch")
    monkeypatch.setenv("HUSHCAST_TEST_TORCH", str(folder))
    return folder


async def refusal() -> str:
    with pytest.raises(ConfigError) as caught:
        await configured_device("cuda")
    return str(caught.value)


@pytest.mark.usefixtures("no_driver", "torch")
async def test_without_a_driver() -> None:
    """Without a driver nobody asks torch: "auto" is the CPU, "cuda" one clear line."""
    assert await configured_device("cpu") == await configured_device("auto") == "cpu"
    assert await refusal() == "denoise.device: cuda is not available: there is no NVIDIA driver on this machine; use auto or cpu"


@pytest.mark.usefixtures("driver", "no_torch")
async def test_without_its_packages(caplog: pytest.LogCaptureFixture) -> None:
    """With a GPU and no torch "auto" serves on the CPU and says in a line what could be had; "cuda" is that line."""
    assert await configured_device("cpu") == "cpu" and not caplog.messages
    assert await configured_device("auto") == "cpu" and caplog.messages == [cuda.COULD_HAVE]
    assert await refusal() == "denoise.device: cuda needs the packages of CUDA: python3 run.py install cuda"


@pytest.mark.usefixtures("no_driver", "no_torch")
async def test_neither(caplog: pytest.LogCaptureFixture) -> None:
    """With neither, "auto" is silent, and "cuda" is told both before anything is downloaded for it."""
    assert await configured_device("auto") == "cpu" and not caplog.messages
    wanted = "denoise.device: cuda needs the packages of CUDA: python3 run.py install cuda; and there is no NVIDIA driver on this machine"
    assert await refusal() == wanted


@pytest.mark.usefixtures("driver")
async def test_torchs_word(torch: Path) -> None:
    """With both torch has the last word, in its own Python: here it finds no card."""
    assert await configured_device("auto") == "cpu"
    assert re.fullmatch(r"denoise.device: cuda is not available: torch [\w.+]+ finds no CUDA; use auto or cpu", await refusal())


@pytest.mark.usefixtures("driver")
async def test_torch_finds_one(torch: Path) -> None:
    """Where torch finds a card, it is taken."""
    python = torch / "bin" / "python"
    python.unlink()
    python.write_text("#!/bin/sh\nexit 0\n")
    python.chmod(0o755)
    assert await configured_device("auto") == await configured_device("cuda") == "cuda"


def started(settings: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    config = tmp_path / "config.toml"
    config.write_text(f'[http]\nport = 0\n[rtc]\nport = 0\n[storage]\npath = "{tmp_path / "var"}"\n[denoise]\n{settings}\n')
    command = [sys.executable, "-m", "web.serve", "--config", config]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


async def test_unknown_default(tmp_path: Path) -> None:
    """A default that nobody registered is one line and exit 2."""
    said = await asyncio.to_thread(started, 'default = "chewbacca"', tmp_path)
    known = ", ".join(registry.names())
    assert (said.returncode, said.stderr.splitlines()) == (2, [f"hushcast: denoise.default: no denoiser 'chewbacca'; known: auto, {known}"])


async def test_no_cuda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA asked for where its packages are not installed is one line and exit 2."""
    monkeypatch.setenv("HUSHCAST_TEST_TORCH", str(tmp_path))
    said = await asyncio.to_thread(started, 'device = "cuda"', tmp_path)
    assert said.returncode == 2 and len(said.stderr.splitlines()) == 1, said.stderr
    assert said.stderr.startswith("hushcast: denoise.device: cuda needs the packages of CUDA: python3 run.py install cuda")


async def test_listed(tmp_path: Path) -> None:
    """Without weights the two that need none can serve, and the others say why not; the lighter one is the default."""
    models = ModelStore(WeightSources([], "upstream", False), tmp_path, lambda: None)
    before = {row.name: row for row in DenoiserCatalogue("auto", models).listed()}
    assert before["deepfilternet3"].reason == "weights are being looked for"
    async with models:
        await models.settled()
    rows = {row.name: row for row in DenoiserCatalogue("auto", models).listed()}
    assert {name for name, row in rows.items() if row.available} == {"passthrough", "rnnoise"}
    assert {row.reason for row in rows.values() if not row.available} == {"no weights"}
    assert [name for name, row in rows.items() if row.default] == ["rnnoise"]


async def test_all_that_have_weights(models_folder: Path) -> None:
    """What has weights can serve, and the first model is the default; the quickest one, whose weights a test has not, says so."""
    cache = graph_of("deepfilternet3", models_folder).parent
    async with ModelStore(WeightSources([models_folder], "upstream", False), cache, lambda: None) as models:
        await models.settled()
    rows = DenoiserCatalogue("auto", models).listed()
    quickest = [row for row in rows if row.name == QUICKEST]
    assert all(row.latency_ms == 10 and row.reason in (None, "no weights") and not row.default for row in quickest)
    rows = [row for row in rows if row.name != QUICKEST]
    assert {(row.available, row.reason) for row in rows} == {(True, None)}
    assert [row.name for row in rows if row.default] == ["deepfilternet3"]
    quickest_first = ["deepfilternet3", "rnnoise", "passthrough", "deepfilternet2_ll", "deepfilternet2"]
    assert [name for name in DenoiserCatalogue("auto", models).beforehand() if name != QUICKEST] == quickest_first
    assert {row.name: row.latency_ms for row in rows} == {
        "passthrough": 0, "rnnoise": 20, "deepfilternet3": 30, "deepfilternet2": 50, "deepfilternet2_ll": 10,
    }  # fmt: skip


async def test_broken_stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger's plugin that cannot be imported is listed with the reason and keeps no server from starting."""
    entries = {**registry._strangers(), "broken": "nothing.there:Denoiser"}
    monkeypatch.setattr(registry, "_strangers", lambda: entries)
    denoisers = DenoiserCatalogue("broken", ModelStore(WeightSources([], "upstream", False), tmp_path, lambda: None))
    [row] = [row for row in denoisers.listed() if row.name == "broken"]
    assert not row.available and "nothing" in str(row.reason)
    assert denoisers.chosen(None)[0] == "rnnoise"


async def test_a_stranger_is_loaded_when_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beforehand a stranger's is loaded only where it serves by default: it may start threads, or kill."""
    entries = {**registry._strangers(), "slow": "tests.workers.speech:Slow"}
    monkeypatch.setattr(registry, "_strangers", lambda: entries)
    models = ModelStore(WeightSources([], "upstream", False), tmp_path, lambda: None)
    assert DenoiserCatalogue("auto", models).beforehand() == ["rnnoise", "passthrough"]
    assert DenoiserCatalogue("slow", models).beforehand() == ["slow", "rnnoise", "passthrough"]
