"""A mirror of weights: a folder or an address with NAME_onnx.tar.gz or NAME.zip, and perhaps FILE.sha256."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.workers.package_index import export
from workers.weights import provenance, transfer
from workers.weights.fetch import NotFetched, fetch
from workers.weights.weights import FAMILIES, fault, sha256

FAMILY = FAMILIES["deepfilternet3_ll"]
TAR = export(config="[train]\nmodel = deepfilternet3\n[df]\ndf_lookahead = 0\n")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address under which it is served."""
    folder = tmp_path / "mirror of mine"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder)) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.02,))
        serving.start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        serving.join()


def fetched(url: str, cache: Path) -> Path:
    return fetch(FAMILY, url, cache, lambda have, total: None)


@pytest.mark.parametrize("kind", ["http", "folder", "file"])
@pytest.mark.parametrize("summed", [True, False])
def test_fetched(kind: str, summed: bool, mirror: tuple[Path, str], tmp_path: Path) -> None:
    """An export of a mirror of any kind is copied into the cache, with its sum and where it came from."""
    folder, address = mirror
    (folder / FAMILY.tar).write_bytes(TAR)
    if summed:
        (folder / f"{FAMILY.tar}.sha256").write_text(f"{sha256(folder / FAMILY.tar)}  {FAMILY.tar}\n")
    url = {"http": address, "folder": str(folder), "file": folder.as_uri()}[kind]
    place = fetched(url, tmp_path)
    assert place.read_bytes() == TAR and fault(FAMILY, place) is None
    assert provenance.source(place) == f"{(url if kind != 'folder' else folder.as_uri()).rstrip('/')}/{FAMILY.tar}"
    there = {".DeepFilterNet3_ll.lock", FAMILY.tar, f"{FAMILY.tar}.sha256", "DeepFilterNet3_ll_onnx.source"}
    assert {path.name for path in place.parent.iterdir()} == there


@pytest.mark.parametrize(
    ("content", "sums", "says"),
    [
        (None, None, "there is neither DeepFilterNet3_ll_onnx.tar.gz nor DeepFilterNet3_ll.zip"),
        (TAR, "0" * 64, "not the file it should be (sha256)"),
        (TAR, "<html>Please sign in</html>", "its .sha256 holds no sum"),
        (TAR[:-500], None, "it is cut short"),
        (b"<html>Please sign in</html>", None, "it is no archive of weights"),
        (export(), None, "config.ini is another model's: "),
        (bytes(100_001), None, "far larger than weights are"),
    ],
    ids=["nothing", "other sum", "no sum", "half", "page", "another model's", "large"],
)
@pytest.mark.parametrize("local", [True, False])
def test_refused(
    content: bytes | None,
    sums: str | None,
    says: str,
    local: bool,
    mirror: tuple[Path, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is not what it should be is one line with its address, and nothing of it is left."""
    monkeypatch.setattr(transfer, "MOST", 100_000)
    folder, url = mirror
    if content is not None:
        (folder / FAMILY.tar).write_bytes(content)
    if sums is not None:
        (folder / f"{FAMILY.tar}.sha256").write_text(sums)
    with pytest.raises(NotFetched) as failure:
        fetched(str(folder) if local else url, tmp_path)
    said = str(failure.value)
    assert said.startswith(folder.as_uri() if local else url.rstrip("/")) and says in said and "\n" not in said
    assert {path.name for path in (tmp_path / "weights").iterdir()} == {".DeepFilterNet3_ll.lock"}


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """A folder that is not there is one line."""
    with pytest.raises(NotFetched, match="there is neither"):
        fetched("/nonexistent/models", tmp_path)
