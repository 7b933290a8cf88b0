"""A package index on 127.0.0.1 with real wheels, made of anything; and exports of weights that hold next to nothing."""

import hashlib
import io
import os
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from workers.weights.carriers import CarrierPackage, WheelFile
from workers.weights.weights import FAMILIES, Family

MEMBER = "weights_of_others/models/anything.tar.gz"
LICENCE = "weights_of_others/LICENSE"


class Index:
    """What it has, what was asked of it, and its vices, by the name they concern: "500", "html", "half", and "nothing" after the half."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.vices: dict[str, str] = {}
        self.ending = threading.Event()
        self.halfway: Callable[[], object] = lambda: None  # what happens amid a file that is sent whole
        self.url = ""

    def wheels_asked(self) -> list[str]:
        return [path.rpartition("/")[2] for path in self.asked if path.endswith(".whl")]

    def page(self, project: str) -> bytes:
        names = [name for name in self.files if name.split("-")[0].replace("_", "-") == project]
        return "".join(f'<a href="/files/{name}">{name}</a>\n' for name in names).encode()


class _Handler(BaseHTTPRequestHandler):
    index: Index

    def do_GET(self) -> None:
        index, name = self.index, self.path.strip("/").rpartition("/")[2]
        index.asked.append(self.path)
        vice = index.vices.get(name)
        content = index.files.get(name) if self.path.startswith("/files/") else index.page(name)
        if vice == "500" or not content:
            return self.send_error(500 if vice == "500" else 404)
        if vice == "html":
            content = b"<!DOCTYPE html><html><body>Please sign in</body></html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if content[:1] == b"<" else "application/octet-stream")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])
        if vice == "nothing":
            index.ending.wait()
        if vice not in ("half", "nothing"):
            if self.path.startswith("/files/"):
                index.halfway()
            self.wfile.write(content[len(content) // 2 :])

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def package_index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """The index that pip has, and no other, whatever is set up on this machine."""
    index = Index()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"index": index})) as server:
        index.url = f"http://127.0.0.1:{server.server_port}/simple"
        for name, value in {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": index.url, "NO_PROXY": "127.0.0.1"}.items():
            monkeypatch.setenv(name, value)
        serving = threading.Thread(target=server.serve_forever, args=(0.02,))
        serving.start()
        try:
            yield index
        finally:
            index.ending.set()
            server.shutdown()
            serving.join()


def export(*, config: str | None = None, members: Mapping[str, bytes] | None = None) -> bytes:
    """An export that looks like DeepFilterNet3's and is none."""
    if config is None:
        config = (
            "[train]\nmodel = deepfilternet3\n[df]\ndf_lookahead = 2\n[deepfilternet]\nconv_lookahead = 2\n[asrloss]\nmodel = base.en\n"
        )
    if members is None:
        members = {name: os.urandom(5000) for name in ("enc.onnx", "erb_dec.onnx", "df_dec.onnx")} | {"config.ini": config.encode()}
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as packed:
        for name, content in members.items():
            member = tarfile.TarInfo(f"tmp/export/{name}")
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    return made.getvalue()


def wheel(package: str, tar: bytes, version: str = "1.0") -> tuple[WheelFile, str, bytes]:
    """A wheel with weights in it: as we know it, its file name, and its bytes."""
    name, made = package.replace("-", "_"), io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        packed.writestr(MEMBER, tar)
        packed.writestr(LICENCE, f"The licence of {package}")
        packed.writestr("weights_of_others/library.so", os.urandom(50_000))
        packed.writestr(f"{name}-{version}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        packed.writestr(f"{name}-{version}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        packed.writestr(f"{name}-{version}.dist-info/RECORD", "")
    content = made.getvalue()
    known = WheelFile(package, version, "any", hashlib.sha256(content).hexdigest(), len(content), (LICENCE,))
    return known, f"{name}-{version}-py3-none-any.whl", content


def family(tar: bytes, *known: WheelFile) -> Family:
    """DeepFilterNet3, were its export this one and these its carriers."""
    carriers = tuple(CarrierPackage(each, MEMBER) for each in known)
    return replace(FAMILIES["deepfilternet3"], tar_sha256=hashlib.sha256(tar).hexdigest(), carriers=carriers, archive_sha256=None)
