"""The environment that holds torch, as it is found at run time."""

from pathlib import Path

import pytest

from tests.support.running import ROOT
from workers.extra_python import CUDA, REFERENCE, MissingExtra, parts, python_of, runner


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment with both parts."""
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.touch(0o755)
    (tmp_path / "hushcast.json").write_text('{"cuda": "1", "reference": "2", "base": "3"}')
    monkeypatch.setenv("HUSHCAST_TEST_TORCH", str(tmp_path))
    return tmp_path


def test_parts(folder: Path) -> None:
    """A part is there where the stamp names it, and its interpreter is the environment's."""
    assert parts() == {CUDA, REFERENCE}
    assert python_of([REFERENCE]) == folder / "bin" / "python"
    (folder / "hushcast.json").write_text('{"cuda": "1"}')
    assert parts() == {CUDA} and python_of((CUDA, REFERENCE)) and not python_of((REFERENCE,))


@pytest.mark.parametrize("stamp", [None, "", "[1, 2", "[]", '"cuda"', "{}", "\xff"])
def test_no_stamp(stamp: str | None, folder: Path) -> None:
    """Where no stamp is, or none that can be read, nothing is installed."""
    (folder / "hushcast.json").unlink()
    if stamp is not None:
        (folder / "hushcast.json").write_text(stamp, encoding="latin-1")
    assert parts() == frozenset()


def test_unfinished(folder: Path) -> None:
    """An environment that an installation was stopped in, or that lacks its interpreter, holds nothing."""
    (folder / "unfinished").touch()
    assert parts() == frozenset()
    (folder / "unfinished").unlink()
    (folder / "bin" / "python").chmod(0o644)
    assert parts() == frozenset()


def test_runner(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is started there finds our modules, and nothing of the Python that starts it."""
    monkeypatch.setenv("PYTHONPATH", "/of/this/python")
    monkeypatch.setenv("PYTHONHOME", "/of/this/python")
    python, environment = runner("chunked:deepfilternet3", (REFERENCE,))
    assert python == folder / "bin" / "python"
    assert environment["PYTHONPATH"] == str(ROOT) and "/of/this/python" not in environment.values()


def test_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who needs a part that is not there is told the command that installs it."""
    monkeypatch.setenv("HUSHCAST_TEST_TORCH", str(tmp_path / "nowhere"))
    with pytest.raises(MissingExtra) as caught:
        runner("denoise.device: cuda", (CUDA, REFERENCE))
    assert str(caught.value) == "denoise.device: cuda needs the packages of CUDA: python3 run.py install cuda"
    with pytest.raises(MissingExtra, match=r"needs the packages of the reference: python3 run\.py install reference$"):
        runner("chunked:deepfilternet3", (REFERENCE,))
