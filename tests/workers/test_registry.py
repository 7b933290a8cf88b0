"""Names of denoisers."""

import subprocess
import sys

import pytest

from tests.support.running import ROOT
from workers import registry
from workers.errors import UnregisteredDenoiser


def test_ours() -> None:
    """Ours are there without being installed, each class loads and says its delay without its model."""
    assert {"passthrough", "rnnoise", "deepfilternet3"} <= set(registry.names())
    for name in registry.names():
        assert registry.load(name).latency_ms >= 0


def test_unknown() -> None:
    """An unknown name is refused with the known ones."""
    with pytest.raises(UnregisteredDenoiser) as caught:
        registry.load("nobody")
    assert "rnnoise" in caught.value.known and "rnnoise" in str(caught.value)


def test_light() -> None:
    """Asking for classes imports none of their libraries."""
    code = """
import sys
from workers import registry
for name in registry.names():
    registry.load(name)
heavy = {"torch", "onnxruntime", "df", "pyrnnoise", "av", "asyncio"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60)


def test_forkserver_is_light() -> None:
    """The server's side of the forkserver, rings and lines import no numpy."""
    code = (
        "import sys, workers.link.forkserver, workers.link.ring, workers.link.control, workers.registry; assert 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60)
