"""Weights that are damaged: told from whole ones, set aside where they are ours, fetched again, never in a circle."""

import asyncio
import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workers.mirror import Upstream
from tests.workers.spoiling import SPOILERS, empty, flip, learn, overwrite, truncate
from workers.errors import WorkerFailed
from workers.files.selection import DenoiserSettings, options
from workers.models.store import ModelStore, WeightSources
from workers.weights.weights import FAMILIES, SUMS, checkpoint, fault, sha256, whole, write_sums

NAME = "deepfilternet3"
FAMILY = FAMILIES[NAME]
Spoil = Callable[[Path], None]


def copied(models_folder: Path, to: Path) -> Path:
    """The real weights in `to`, which may be spoilt."""
    return Path(shutil.copytree(models_folder / FAMILY.folder, to / FAMILY.folder, copy_function=shutil.copyfile))


@pytest.fixture
def weights(models_folder: Path, tmp_path: Path) -> Path:
    return copied(models_folder, tmp_path / "models")


async def prepared(paths: list[Path], url: str, cache: Path, *, download: bool = True) -> ModelStore:
    async with ModelStore(WeightSources(paths, url, download), cache, lambda: None) as models:
        await models.settled()
    return models


def spoil_config(folder: Path) -> None:
    (folder / "config.ini").write_text("[df]\n")


@pytest.mark.parametrize("spoil", [*SPOILERS, spoil_config])
async def test_in_the_cache(spoil: Spoil, upstream: tuple[Upstream, str], cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Fetched weights that were damaged since are set aside, said in one line, and fetched again; of old ones, one is kept."""
    server, url = upstream
    await prepared([], url, cache)
    for fetched in (2, 3):
        caplog.clear()
        spoil(cache / "weights" / FAMILY.folder)
        models = await prepared([], url, cache)
        assert models.state(NAME) == (True, None) and len(server.asked) == fetched
        assert ["set aside as DeepFilterNet3.broken" in record.message for record in caplog.records] == [True]
        assert sorted(path.name for path in (cache / "weights").glob("[!.]*")) == ["DeepFilterNet3", "DeepFilterNet3.broken"]
    assert fault(FAMILY, cache / "weights" / FAMILY.folder) is None


async def test_nothing_to_fetch(upstream: tuple[Upstream, str], models_folder: Path, cache: Path) -> None:
    """Where nothing may be fetched, damaged weights of the cache are set aside all the same, and there are none."""
    server, url = upstream
    overwrite(copied(models_folder, cache / "weights"))
    models = await prepared([], url, cache, download=False)
    assert models.state(NAME) == (False, "no weights") and not server.asked
    assert (cache / "weights" / "DeepFilterNet3.broken").is_dir() and not (cache / "weights" / "DeepFilterNet3").exists()


async def test_of_the_user(upstream: tuple[Upstream, str], weights: Path, cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Damaged weights in models.path are said and left as they are; the cache's are used, fetched if need be."""
    server, url = upstream
    await asyncio.to_thread(truncate, weights)
    left = await asyncio.to_thread(sha256, checkpoint(weights))
    for _ in range(2):
        caplog.clear()
        models = await prepared([weights.parent], url, cache)
        assert models.state(NAME) == (True, None) and len(server.asked) == 1
        assert ["left as they are" in record.message for record in caplog.records] == [True]
    assert [path.name for path in weights.parent.iterdir()] == ["DeepFilterNet3"]
    assert await asyncio.to_thread(sha256, checkpoint(weights)) == left


async def test_at_upstream(upstream: tuple[Upstream, str], weights: Path, cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An archive whose own weights are damaged is fetched once, said in one line, and nothing of it is left."""
    server, url = upstream
    flip(weights)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        for file in (weights / "config.ini", checkpoint(weights)):
            packed.write(file, file.relative_to(weights.parent))
    server.archive = made.getvalue()
    models = await prepared([], url, cache)
    assert models.state(NAME) == (False, "no weights") and len(server.asked) == 1
    assert ["damaged" in record.message for record in caplog.records] == [True]
    assert [path.name for path in (cache / "weights").iterdir()] == [".DeepFilterNet3.lock"]


async def test_for_a_file(upstream: tuple[Upstream, str], models_folder: Path, cache: Path) -> None:
    """`denoise` does the same: sets aside, says so, and fetches where it may."""
    said: list[str] = []
    overwrite(copied(models_folder, cache / "weights"))
    with pytest.raises(WorkerFailed, match="no weights"):
        options(NAME, DenoiserSettings(cache=cache), said.append)
    assert len(said) == 1 and "set aside as DeepFilterNet3.broken" in said[0]
    overwrite(copied(models_folder, cache / "weights"))
    settings = DenoiserSettings(url=upstream[1], download=True, cache=cache)
    given = await asyncio.to_thread(options, NAME, settings, said.append)
    assert set(given) == {"graph"} and "set aside" in said[1] and "being fetched" in said[2] and len(said) == 3


@pytest.mark.parametrize("spoil", SPOILERS)
def test_told(spoil: Spoil, weights: Path) -> None:
    """Damage is seen without any sums beside the weights."""
    assert fault(FAMILY, weights) is None
    spoil(weights)
    assert (fault(FAMILY, weights) or "").startswith("model_120.ckpt.best")


@pytest.mark.parametrize("zipped", [True, False])
def test_own_training(zipped: bool, weights: Path) -> None:
    """Weights that nobody knows are whole, in both formats of torch; with sums beside them every change is seen."""
    learn(weights, 0.01, zipped)
    assert fault(FAMILY, weights) is None
    write_sums(weights)
    assert fault(FAMILY, weights) is None
    flip(weights)
    assert fault(FAMILY, weights) == f"checkpoints/model_120.ckpt.best is not what {SUMS} says"


def test_sums_of_others(weights: Path) -> None:
    """Sums as other programs write them are understood; sums that say nothing of the weights speak against them."""
    write_sums(weights)
    sums = (weights / SUMS).read_text()
    (weights / SUMS).write_text("\n" + sums.replace("  ", " *./"))
    assert fault(FAMILY, weights) is None
    (weights / SUMS).write_bytes(b"\xff\x00")
    assert fault(FAMILY, weights) == f"config.ini is not what {SUMS} says"


def test_not_to_be_read(weights: Path) -> None:
    """What is no file, or may not be read, is a fault and no error."""
    empty(weights)
    checkpoint(weights).unlink()
    (weights / "checkpoints" / "model_1.ckpt.best").mkdir()
    assert "cannot be read" in (fault(FAMILY, weights) or "")


def test_not_to_be_read_for_a_while(models_folder: Path, tmp_path: Path) -> None:
    """Weights of the cache that cannot be read are said and left; when they can be again they are used."""
    said: list[str] = []
    weights = copied(models_folder, tmp_path / "weights")
    file = checkpoint(weights)
    away = file.rename(tmp_path / "away")
    file.symlink_to(file)
    assert whole(FAMILY, (), tmp_path, said.append) is None
    assert len(said) == 1 and "cannot be read" in said[0] and "left as they are" in said[0] and "damaged" not in said[0]
    away.replace(file)
    assert whole(FAMILY, (), tmp_path, said.append) == weights and len(said) == 1
