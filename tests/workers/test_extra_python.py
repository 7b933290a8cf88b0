"""The environment that holds torch, as it is found at run time."""

from pathlib import Path

import pytest

from workers.extra_python import CUDA, REFERENCE, MissingExtra, parts, python_for, python_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An environment with both parts."""
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.touch(0o755)
    (tmp_path / "hushcast.json").write_text('{"cuda": "1", "reference": "2", "base": "3"}')
    return tmp_path


def test_parts(folder: Path) -> None:
    """A part is there where the stamp names it, and its interpreter is the environment's."""
    assert parts(folder) == {CUDA, REFERENCE}
    assert python_for("chunked", REFERENCE, folder) == folder / "bin" / "python"
    (folder / "hushcast.json").write_text('{"cuda": "1"}')
    assert parts(folder) == {CUDA} and python_of((CUDA, REFERENCE), folder) and not python_of((REFERENCE,), folder)


@pytest.mark.parametrize("stamp", [None, "", "[1, 2", "[]", '"cuda"', "{}", "\xff"])
def test_no_stamp(stamp: str | None, folder: Path) -> None:
    """Where no stamp is, or none that can be read, nothing is installed."""
    (folder / "hushcast.json").unlink()
    if stamp is not None:
        (folder / "hushcast.json").write_text(stamp, encoding="latin-1")
    assert parts(folder) == frozenset()


def test_unfinished(folder: Path) -> None:
    """An environment that an installation was stopped in, or that lacks its interpreter, holds nothing."""
    (folder / "unfinished").touch()
    assert parts(folder) == frozenset()
    (folder / "unfinished").unlink()
    (folder / "bin" / "python").chmod(0o644)
    assert parts(folder) == frozenset()


def test_missing(tmp_path: Path) -> None:
    """Who needs a part that is not there is told the command that installs it."""
    with pytest.raises(MissingExtra) as caught:
        python_for("denoise.device: cuda", CUDA, tmp_path / "nowhere")
    assert str(caught.value) == "denoise.device: cuda needs the packages of CUDA: python3 run.py install cuda"
    with pytest.raises(MissingExtra, match=r"needs the packages of the reference: python3 run\.py install reference$"):
        python_for("chunked:deepfilternet3", REFERENCE, tmp_path)
