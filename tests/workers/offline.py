"""Upstream's own offline `enhance()`, which streaming is measured by: in processes of `.venv-torch`, each sound once a run.

`enhanced` is for one sound; `Offline` is for the files of a folder.
"""

import fcntl
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.support.running import ROOT
from tests.support.sound import Sound, read_wav
from workers.extra_python import CUDA, REFERENCE, python_of
from workers.weights.weights import FAMILIES

SILENCE = 9600  # samples after each sound, so that its end is heard whatever the delay
LATENCY = 480  # samples by which what `enhance()` makes trails its input
END_S = 240.0
_made: dict[tuple[Path, str, bool], Sound] = {}


def padded(sound: Sound) -> Sound:
    """The sound and at least SILENCE after it, in whole blocks of 480."""
    return np.concatenate([sound, np.zeros(SILENCE - len(sound) % 480, np.float32)])


def reference_python(parts: Iterable[str] = (REFERENCE,)) -> Path:
    """The Python that has upstream's packages. Where there is none the test is skipped with the command; under CI it fails."""
    python = python_of(tuple(parts))
    if python is not None:
        return python
    reason = "upstream's packages are not installed; `python3 run.py install reference` does it"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def torch_python() -> Path:
    """The same for who needs torch alone, which either part brings."""
    return reference_python((CUDA, REFERENCE))


def enhanced(folder: Path, sound: Sound, post_filter: bool = False) -> Sound:
    """What offline `enhance()` of the checkpoint in `folder` makes of float32[n], n in whole blocks of 480: as long, LATENCY late."""
    assert len(sound) % 480 == 0, "pad it first"
    key = (folder.resolve(), hashlib.sha256(np.ascontiguousarray(sound, np.float32)).hexdigest(), post_filter)
    if key not in _made:
        with tempfile.TemporaryDirectory() as place, _Child(folder, {_key("it", post_filter): sound}, Path(place)) as child:
            with np.load(child.made()) as made:
                _made[key] = np.asarray(made[_key("it", post_filter)], np.float32)
    return _made[key].copy()


class Offline:
    """What the families that have a checkpoint make of some files, of each family all at once when the first is asked for.

    With the post filter they make only what is noisy. `folder` is for what they say: one for all processes of the run, and the first
    of them that asks has it made.
    """

    def __init__(self, models: Path, wavs: Sequence[Path], folder: Path) -> None:
        self._models, self._folder = models, folder
        self._sounds = {wav.name: padded(read_wav(wav)) for wav in wavs}
        self._asked = {_key(name, False): sound for name, sound in self._sounds.items()}
        self._asked |= {_key(name, True): sound for name, sound in self._sounds.items() if name.startswith("noisy")}

    def sound(self, wav: str) -> Sound:
        """That file as it is given to them, padded."""
        return self._sounds[wav]

    def enhanced(self, name: str, wav: str, post_filter: bool = False) -> Sound:
        """What offline `enhance()` makes of that file, padded; it trails the input by LATENCY."""
        file = self._folder / f"{name}.npz"
        with (self._folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not file.exists():
                weights = self._models / FAMILIES[name].folder
                with tempfile.TemporaryDirectory(dir=self._folder) as room, _Child(weights, self._asked, Path(room)) as child:
                    child.made().rename(file)
        with np.load(file) as made:
            return np.asarray(made[_key(wav, post_filter)], np.float32)


class _Child:
    """One process on its way through some sounds. Owns it."""

    def __init__(self, weights: Path, sounds: Mapping[str, Sound], folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        given, self._out = folder / "given.npz", folder / "made.npz"
        np.savez(given, **{key: np.ascontiguousarray(sound, np.float32) for key, sound in sounds.items()})
        command = [reference_python(), "-P", "-m", "tests.workers.enhancing", weights.absolute(), given, self._out]
        self._process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})

    def __enter__(self) -> "_Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def made(self) -> Path:
        """The file with all that it makes, by key. Waits for its end."""
        assert self._process.wait(END_S) == 0
        return self._out


def _key(name: str, post_filter: bool) -> str:
    return f"{name} {post_filter}"
