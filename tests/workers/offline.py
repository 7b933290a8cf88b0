"""What upstream makes of whole sounds, in processes of their own: `python -m tests.workers.offline FOLDER OUT.npz WAV...`"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.running import ROOT
from tests.sound import Sound, read_wav
from workers.weights import FAMILIES

SILENCE = 9600  # samples after each sound, so that its end is heard whatever the delay
END_S = 240.0


def padded(sound: Sound) -> Sound:
    """The sound and at least SILENCE after it, in whole blocks of 480."""
    return np.concatenate([sound, np.zeros(SILENCE - len(sound) % 480, np.float32)])


class Offline:
    """All families at once, each in a child, for a process can load one only. Owns the children; `folder` is for what they say.

    With the post filter they make only what is noisy.
    """

    def __init__(self, models: Path, wavs: Sequence[Path], folder: Path) -> None:
        self._said = {name: folder / f"{name}.npz" for name in FAMILIES}
        self._children = {
            name: subprocess.Popen([sys.executable, "-m", "tests.workers.offline", models / FAMILIES[name].folder, said, *wavs], cwd=ROOT)
            for name, said in self._said.items()
        }

    def close(self) -> None:
        for child in self._children.values():
            child.kill()
            child.wait()

    def enhanced(self, name: str, wav: str, post_filter: bool = False) -> Sound:
        """What offline `enhance()` makes of that file, padded; it trails the input by 480 samples."""
        assert self._children[name].wait(END_S) == 0
        with np.load(self._said[name]) as kept:
            return np.asarray(kept[_key(wav, post_filter)])


def _key(wav: str, post_filter: bool) -> str:
    return f"{wav} {post_filter}"


if __name__ == "__main__":
    from workers.streaming.upstream import load

    weights, out, *wavs = map(Path, sys.argv[1:])
    made = {}
    for post_filter in (False, True):
        model = load(weights, post_filter)
        chosen = [wav for wav in wavs if wav.name.startswith("noisy") or not post_filter]
        made |= {_key(wav.name, post_filter): model.enhance(padded(read_wav(wav))) for wav in chosen}
    np.savez(out, **made)
