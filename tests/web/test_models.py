"""`run.py models`, as a process, on the real weights and without any."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import ROOT


@pytest.fixture
def run_models(tmp_path: Path, models_folder: Path):
    def run(*words: str, there: bool = True, url: str = "http://127.0.0.1:9") -> subprocess.CompletedProcess[str]:
        settings = {"MODELS_PATH": models_folder if there else tmp_path / "nothing", "MODELS_URL": url, "STORAGE_PATH": tmp_path}
        environment = {**os.environ, **{f"HUSHCAST_{key}": str(value) for key, value in settings.items()}}
        return subprocess.run(
            [sys.executable, "-m", "web.models", *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
        )

    return run


def test_there(run_models, models_folder: Path) -> None:
    """Weights that are there are listed, need no fetching, and work."""
    weights = str(models_folder / "DeepFilterNet3")
    for words in (["list"], ["fetch", "deepfilternet3"], ["verify", "deepfilternet3"]):
        done = run_models(*words)
        assert done.returncode == 0 and weights in done.stdout, (words, done)
    assert "its sha256 is known" in done.stdout


def test_not_there(run_models) -> None:
    """Without weights: listed as such; fetching from nowhere and verifying end in one line and exit 1."""
    done = run_models("list", there=False)
    assert done.returncode == 0 and "deepfilternet3: no weights" in done.stdout
    for action in ("fetch", "verify"):
        done = run_models(action, "deepfilternet3", there=False)
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done


def test_unknown(run_models) -> None:
    """A name that nobody knows is refused with the known ones."""
    done = run_models("verify", "nonsense")
    assert done.returncode == 2 and "deepfilternet3" in done.stderr
