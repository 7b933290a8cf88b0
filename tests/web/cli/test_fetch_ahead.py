"""Fetching weights while packages are installed, as a process without any packages."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.running import ROOT
from tests.workers.package_index import export


@pytest.mark.parametrize(("download", "there"), [(True, False), (False, False), (True, True)], ids=["missing", "not allowed", "there"])
def test_fetched(download: bool, there: bool, tmp_path: Path) -> None:
    """Missing weights are in the cache afterwards, fetched by the standard library alone; nothing is printed."""
    mirror, models = tmp_path / "mirror", tmp_path / "models"
    for folder in (mirror, models)[: 1 + there]:
        folder.mkdir()
        (folder / "DeepFilterNet3_onnx.tar.gz").write_bytes(export())
    config = tmp_path / "config.toml"
    settings = f'path = ["{models}"]\nurl = "{mirror}"\ndownload = {str(download).lower()}'
    config.write_text(f'[storage]\npath = "{tmp_path / "var"}"\n[models]\n{settings}\n')
    command = [sys.executable, "-S", "-m", "web.cli.fetch_ahead", "--config", config]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "var" / "cache" / "weights" / "DeepFilterNet3_onnx.tar.gz").exists() == (download and not there)


def test_failed(tmp_path: Path) -> None:
    """A failed fetch or bad settings are exit 1 without a line, because the server reports the cause."""
    config = tmp_path / "config.toml"
    for settings in (f'[storage]\npath = "{tmp_path}"\n[models]\npath = []\nurl = "{tmp_path / "nothing"}"\n', "[nothing]\n"):
        config.write_text(settings)
        command = [sys.executable, "-S", "-m", "web.cli.fetch_ahead", "--config", config]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
