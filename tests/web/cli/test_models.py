"""`run.py models`, as a process, on the real weights and without any."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.running import ROOT
from tests.workers.package_index import export
from tests.workers.spoiling import flip, learn, overwrite
from workers.weights.weights import checkpoint, sha256, write_sums


@pytest.fixture
def run_models(tmp_path: Path, models_folder: Path):
    def run(*words: str, there: bool = True, url: str = "http://127.0.0.1:9") -> subprocess.CompletedProcess[str]:
        settings = {"MODELS_PATH": models_folder if there else tmp_path / "nothing", "MODELS_URL": url, "STORAGE_PATH": tmp_path}
        environment = {**os.environ, **{f"HUSHCAST_{key}": str(value) for key, value in settings.items()}}
        return subprocess.run(
            [sys.executable, "-m", "web.cli.models", *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
        )

    return run


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path, models_folder: Path) -> Iterator[tuple[Path, str]]:
    """A folder with upstream's zip and its sum, and the address under which it is served."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    _pack(models_folder / "DeepFilterNet3", folder / "DeepFilterNet3.zip")
    (folder / "DeepFilterNet3.zip.sha256").write_text(sha256(folder / "DeepFilterNet3.zip"))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder)) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


def _pack(weights: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        for file in (weights / "config.ini", checkpoint(weights)):
            packed.write(file, file.relative_to(weights.parent))


def test_there(run_models, models_folder: Path) -> None:
    """Existing weights are listed, not fetched again, and verified."""
    weights = str(models_folder / "DeepFilterNet3")
    for words in (["list"], ["fetch", "deepfilternet3"], ["verify", "deepfilternet3"]):
        done = run_models(*words)
        assert done.returncode == 0 and weights in done.stdout, (words, done)
    assert "its sha256 is known" in done.stdout


def test_not_there(run_models) -> None:
    """Without weights `list` says so; `fetch` from an unreachable mirror and `verify` end with one line and exit 1."""
    done = run_models("list", there=False)
    assert done.returncode == 0 and "deepfilternet3: no weights" in done.stdout
    for action in ("fetch", "verify"):
        done = run_models(action, "deepfilternet3", there=False)
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done


def test_unknown(run_models) -> None:
    """An unknown name is refused, and the known ones are named."""
    done = run_models("verify", "nonsense")
    assert done.returncode == 2 and "deepfilternet3" in done.stderr


def test_where_from(run_models, models_folder: Path, tmp_path: Path) -> None:
    """`list` names source and licence; `fetch` takes an export from a folder; `verify` finds its damage."""
    folder, there = tmp_path / "mirror", tmp_path / "cache" / "weights" / "DeepFilterNet3_onnx.tar.gz"
    folder.mkdir()
    (folder / there.name).write_bytes(export())
    own = run_models("list", "deepfilternet3").stdout
    assert own == (
        f"deepfilternet3: {models_folder / 'DeepFilterNet3'} (from {models_folder}, a folder of models.path; licence MIT OR Apache-2.0)\n"
    )
    fetched = run_models("fetch", "deepfilternet3", there=False, url=str(folder))
    assert fetched.stdout == f"deepfilternet3: fetched into {there}\n" and not fetched.stderr
    listed = run_models("list", there=False).stdout.splitlines()
    assert listed[0].startswith(f"deepfilternet3: {there} (from {folder.as_uri()}/{there.name}; licence not known here")
    assert listed[1] == "deepfilternet3_ll: no weights (run.py models fetch deepfilternet3_ll gets them)"
    there.write_bytes(there.read_bytes()[:5000])
    verified = run_models("verify", "deepfilternet3", there=False)
    assert verified.returncode == 1
    assert verified.stderr == f"deepfilternet3: damaged: it is not what {there.name}.sha256 says: {there}\n"


def test_damaged_in_the_cache(run_models, mirror: tuple[Path, str], tmp_path: Path) -> None:
    """Damage to fetched weights is found by `verify` and skipped by `list`; `fetch` sets them aside and fetches them again."""
    there = tmp_path / "cache" / "weights" / "DeepFilterNet3"
    run = partial(run_models, there=False, url=mirror[1])
    assert run("fetch", "deepfilternet3").stdout == f"deepfilternet3: fetched into {there}\n"
    overwrite(there)
    verified = run("verify", "deepfilternet3")
    assert verified.returncode == 1 and verified.stderr.startswith("deepfilternet3: damaged: ") and there.exists(), verified
    listed = run("list", "deepfilternet3")
    assert listed.returncode == 0 and "damaged (" in listed.stdout and "no weights" in listed.stdout, listed
    fetched = run("fetch", "deepfilternet3")
    assert fetched.returncode == 0 and fetched.stdout == f"deepfilternet3: fetched into {there}\n", fetched
    assert len(fetched.stderr.splitlines()) == 1 and "set aside as DeepFilterNet3.broken" in fetched.stderr
    assert run("verify", "deepfilternet3").returncode == 0


def test_damaged_in_models_path(run_models, models_folder: Path, tmp_path: Path) -> None:
    """Flipped bits in the user's own weights are found, and nothing of the user's is renamed."""
    weights = _copied(models_folder, tmp_path / "nothing")
    flip(weights)
    for action in ("verify", "fetch"):
        done = run_models(action, "deepfilternet3", there=False)
        assert done.returncode == 1 and "damaged" in done.stderr and "Traceback" not in done.stderr, done
    assert [path.name for path in (tmp_path / "nothing").iterdir()] == ["DeepFilterNet3"]


def test_own_training(run_models, models_folder: Path, tmp_path: Path) -> None:
    """Weights with an unknown sha256 are "unknown" and exit 1, unless a file of sums is beside them."""
    weights = _copied(models_folder, tmp_path / "nothing")
    learn(weights, 0.01)
    verified = run_models("verify", "deepfilternet3", there=False)
    assert verified.returncode == 1 and verified.stderr.startswith("deepfilternet3: unknown: works, ") and not verified.stdout, verified
    write_sums(weights)
    verified = run_models("verify", "deepfilternet3", there=False)
    assert verified.returncode == 0 and "sha256sums" in verified.stdout, verified


class _Refusing(_Quiet):
    """Has no sums, and says that no part of the file can be had, whatever was asked for."""

    def do_GET(self) -> None:
        self.send_error(404 if self.path.endswith(".sha256") else 416)


def test_no_part_to_be_had(run_models, tmp_path: Path) -> None:
    """A mirror that answers 416 to a request for the whole file is named with that answer."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        (tmp_path / "cache" / "weights").mkdir(parents=True)
        said = run_models("fetch", "deepfilternet3", there=False, url=f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        serving.join()
    assert said.returncode == 1 and "416" in said.stderr and said.stderr.count("\n") == 1


def test_interrupted(tmp_path: Path) -> None:
    """Ctrl-C while it waits for a mirror ends it with one line and status 130."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        settings = {"HUSHCAST_MODELS_PATH": str(tmp_path / "none"), "HUSHCAST_MODELS_URL": url, "HUSHCAST_STORAGE_PATH": str(tmp_path)}
        command = [sys.executable, "-m", "web.cli.models", "fetch", "deepfilternet3"]
        before = signal.signal(signal.SIGINT, lambda *_: None)  # a child inherits what is ignored, and a job in the background ignores it
        fetching = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **settings}, stderr=subprocess.PIPE, text=True)
        signal.signal(signal.SIGINT, before)
        silent.settimeout(60)
        asked, _ = silent.accept()
        with asked:
            asked.recv(1000)
            fetching.send_signal(signal.SIGINT)
            _, said = fetching.communicate(timeout=60)
    assert (fetching.returncode, said) == (130, "hushcast: interrupted\n")


def _copied(models_folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(models_folder / "DeepFilterNet3", to / "DeepFilterNet3", copy_function=shutil.copyfile))


def _spoil_content(archive: bytearray) -> None:
    archive[3_000_000:3_200_000] = b"\xff" * 200_000


def _encrypt(archive: bytearray) -> None:
    archive[archive.rindex(b"PK\1\2") + 8] |= 1


def _other_method(archive: bytearray) -> None:
    archive[archive.rindex(b"PK\1\2") + 10] = 97


def _beyond_the_end(archive: bytearray) -> None:
    """The directory says that a member begins within the last bytes."""
    at = archive.rindex(b"PK\1\2") + 42
    archive[at : at + 4] = (len(archive) - 10).to_bytes(4, "little")


@pytest.mark.parametrize("spoil", [_spoil_content, _encrypt, _other_method, _beyond_the_end])
def test_damaged_archive(spoil: Callable[[bytearray], None], run_models, mirror: tuple[Path, str], tmp_path: Path) -> None:
    """A damaged archive from a mirror without sums ends with one line and exit 1, and leaves no file."""
    folder, url = mirror
    (folder / "DeepFilterNet3.zip.sha256").unlink()
    archive = bytearray((folder / "DeepFilterNet3.zip").read_bytes())
    spoil(archive)
    (folder / "DeepFilterNet3.zip").write_bytes(archive)
    done = run_models("fetch", "deepfilternet3", there=False, url=url)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and done.stderr.startswith("deepfilternet3: http://"), done
    assert [path.name for path in (tmp_path / "cache" / "weights").iterdir()] == [".DeepFilterNet3.lock"]
