"""Weights as upstream's ONNX export: found beside folders, told whole from damaged and from another model's, set aside where ours."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from tests.workers.package_index import export
from workers.weights import tars
from workers.weights.weights import FAMILIES, SUMS, fault, find, is_known, sha256, voucher, whole

FAMILY = FAMILIES["deepfilternet3"]
TAR = export()
MEMBERS = {"enc.onnx": b"", "erb_dec.onnx": b"", "df_dec.onnx": b""}


def put(folder: Path, content: bytes = TAR) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FAMILY.tar).write_bytes(content)
    return folder / FAMILY.tar


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (TAR[:-1], "it is cut short"),
        (TAR[:8000], "it is cut short"),
        (b"", "it is no archive of weights, or a damaged one (empty file)"),
        (b"<html>Please sign in</html>", "it is no archive of weights, or a damaged one (Not a gzipped file"),
        (TAR[:-6] + bytes([TAR[-6] ^ 1]) + TAR[-5:], "it is no archive of weights, or a damaged one (CRC check failed"),
        (export(members=MEMBERS), "there is no config.ini in it"),
        (export(members={"config.ini": b""}), "there is no enc.onnx in it"),
        (export(config="[train\n"), "config.ini cannot be read"),
        (export(config="[train]\nmodel = deepfilternet2\n"), "config.ini is another model's: model is deepfilternet2, not deepfilternet3"),
        (export(config="[df]\ndf_lookahead = 0\n"), "config.ini is another model's: df_lookahead is 0, not 2"),
        (export(members={**MEMBERS, "more": bytes(100_001)}), "it is no archive of weights, or a damaged one (far larger"),
    ],
    ids=["last byte", "half", "empty", "page", "flipped", "no config", "no graph", "rubbish", "second version", "low latency", "bomb"],
)
def test_told(content: bytes, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is cut short, spoilt, something else or another model's is told by what it holds."""
    monkeypatch.setattr(tars, "MOST", 100_000)
    assert (fault(FAMILY, put(tmp_path, content)) or "").startswith(says)


def test_whole(tmp_path: Path) -> None:
    """One that nobody knows is whole as far as can be told; with a sum beside it every change is seen."""
    tar = put(tmp_path)
    assert fault(FAMILY, tar) is None and not is_known(FAMILY, tar) and voucher(tar) is None
    for sums, line in ((f"{tar.name}.sha256", f"{sha256(tar)}\n"), (SUMS, f"{sha256(tar)} *{tar.name}\n")):
        (tmp_path / sums).write_text(line)
        assert fault(FAMILY, tar) is None and voucher(tar) == tmp_path / sums
        put(tmp_path, export())
        assert fault(FAMILY, tar) == f"it is not what {sums} says"
        put(tmp_path)
        (tmp_path / sums).unlink()


def test_known(tmp_path: Path) -> None:
    """One whose sum we know is taken as it is."""
    content = export(members=MEMBERS)
    family = replace(FAMILY, tar_sha256=hashlib.sha256(content).hexdigest())
    tar = put(tmp_path, content)
    assert fault(family, tar) is None and is_known(family, tar) and fault(FAMILY, tar) is not None


def test_which_first(tmp_path: Path) -> None:
    """In one folder the checkpoints come first, then the export; folders of models.path come before the cache."""
    mine, cached = put(tmp_path / "mine"), put(tmp_path / "cache" / "weights")
    assert find(FAMILY, [tmp_path / "mine"], tmp_path / "cache") == mine
    assert find(FAMILY, [tmp_path / "nothing"], tmp_path / "cache") == cached
    folder = tmp_path / "mine" / FAMILY.folder
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.ini").touch()
    assert find(FAMILY, [tmp_path / "mine"], tmp_path / "cache") == mine
    (folder / "checkpoints" / "model_1.ckpt.best").touch()
    assert find(FAMILY, [tmp_path / "mine"], tmp_path / "cache") == folder


def test_set_aside(tmp_path: Path) -> None:
    """A damaged one in the cache is set aside and said; one of the user's own is said and left."""
    said: list[str] = []
    mine, cached = put(tmp_path / "mine", TAR[:5000]), put(tmp_path / "weights", TAR[:6000])
    assert whole(FAMILY, [tmp_path / "mine"], tmp_path, said.append) is None
    assert [line.rpartition("; ")[2] for line in said] == ["not used, left as they are", f"set aside as {FAMILY.tar}.broken"]
    assert mine.exists() and not cached.exists() and cached.with_name(f"{FAMILY.tar}.broken").exists()


def test_of_an_older_build(tmp_path: Path) -> None:
    """What another build fetched, with another sum, counts as long as it is what that build put down."""
    cached = put(tmp_path / "weights")
    cached.with_name(f"{FAMILY.tar}.sha256").write_text(f"{sha256(cached)}  {FAMILY.tar}\n")
    assert whole(FAMILY, (), tmp_path, print) == cached


@pytest.mark.parametrize("name", ["deepfilternet3", "deepfilternet2", "deepfilternet2_ll"])
def test_another_models_checkpoint(name: str, models_folder: Path, tmp_path: Path) -> None:
    """The config.ini of each model is its own, and no other's."""
    text = (models_folder / FAMILIES[name].folder / "config.ini").read_text()
    assert [other for other, family in FAMILIES.items() if tars.unlike(text, dict(family.config)) is None] == [name]
