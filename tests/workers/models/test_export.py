"""Weights -> graph, as the child process that does it: the real one, on real and on spoilt weights."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.running import ROOT
from tests.workers.spoiling import learn
from workers.models import export
from workers.weights.weights import checkpoint


@pytest.fixture
def weights(models_folder: Path, tmp_path: Path) -> Path:
    """A copy that may be spoilt."""
    return Path(shutil.copytree(models_folder / "DeepFilterNet3", tmp_path / "DeepFilterNet3", copy_function=shutil.copyfile))


def run_export(weights: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workers.models.export", "deepfilternet3", "--weights", weights, "--out", out]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def listing(folder: Path) -> set[tuple[str, int]]:
    return {(str(file.relative_to(folder)), file.stat().st_mtime_ns) for file in folder.rglob("*")}


def test_export(weights: Path, tmp_path: Path) -> None:
    """The graph stands alone with its sum in the folder asked for, and nothing was written beside the weights."""
    before, out = listing(weights), tmp_path / "cache" / "graph.onnx"
    done = run_export(weights, out)
    assert done.returncode == 0, done.stderr
    assert listing(weights) == before
    assert {file.name for file in out.parent.iterdir()} == {"graph.onnx", "graph.onnx.sha256"}
    assert export.is_whole(out)
    out.write_bytes(out.read_bytes()[:-1])
    assert not export.is_whole(out)


def spoil_with_nan(weights: Path) -> None:
    learn(weights, float("nan"))


def spoil_with_garbage(weights: Path) -> None:
    checkpoint(weights).write_bytes(b"not a checkpoint" * 100)


def spoil_config(weights: Path) -> None:
    (weights / "config.ini").write_text("[df]\nnb_df = 48\n")


def spoil_by_loss(weights: Path) -> None:
    checkpoint(weights).unlink()


@pytest.mark.parametrize("spoil", [spoil_with_nan, spoil_with_garbage, spoil_config, spoil_by_loss])
def test_spoilt_weights(spoil: object, weights: Path, tmp_path: Path) -> None:
    """Weights that are not what they should be end in one line and exit 1, and leave no file."""
    assert callable(spoil)
    spoil(weights)
    out = tmp_path / "cache" / "graph.onnx"
    done = run_export(weights, out)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1 and done.stderr.startswith("deepfilternet3: "), done.stderr
    assert not out.parent.exists() or not list(out.parent.iterdir())


def test_name_follows_the_weights(weights: Path) -> None:
    """Other weights, other file name; the same weights, the same."""
    first = export.graph_name("deepfilternet3", weights)
    assert export.graph_name("deepfilternet3", weights) == first
    (weights / "config.ini").write_text("# changed\n")
    assert export.graph_name("deepfilternet3", weights) != first


def test_tidy(tmp_path: Path) -> None:
    """Graphs of an older format and old drafts go; those of now, a draft being written and strangers' files stay."""
    now = f"deepfilternet3-0123456789abcdef-f{export.FORMAT}-torch2-ort1.onnx"
    old = now.replace(f"-f{export.FORMAT}-", "-f1-")
    stays = {now, f"{now}.sha256", f"{now}.broken", f".{now}.77", "deepfilternet3.onnx", f"other-{old}", "notes.txt"}
    for name in {*stays, old, f"{old}.sha256", f"{old}.broken", f".{now}.78"}:
        (tmp_path / name).write_bytes(b"")
    os.utime(tmp_path / f".{now}.78", (0, 0))
    export.tidy(tmp_path)
    export.tidy(tmp_path / "nowhere")
    assert {file.name for file in tmp_path.iterdir()} == stays
