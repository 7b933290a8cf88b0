"""What upstream makes of whole sounds: `python -m tests.workers.offline FOLDER OUT.npz WAV...`, in a process of its own."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.running import ROOT
from tests.sound import Sound, read_wav

SILENCE = 9600  # samples after each sound, so that its end is heard whatever the delay


def padded(sound: Sound) -> Sound:
    """The sound and at least SILENCE after it, in whole blocks of 480."""
    return np.concatenate([sound, np.zeros(SILENCE - len(sound) % 480, np.float32)])


def enhanced(weights: Path, wavs: list[Path], out: Path) -> dict[str, Sound]:
    """Name of each file -> what offline `enhance()` makes of it, padded; it trails the input by 480 samples."""
    subprocess.run([sys.executable, "-m", "tests.workers.offline", weights, out, *wavs], check=True, cwd=ROOT, timeout=120)
    with np.load(out) as kept:
        return dict(kept)


if __name__ == "__main__":
    from workers.streaming.upstream import load

    model = load(Path(sys.argv[1]))
    np.savez(sys.argv[2], **{Path(wav).name: model.enhance(padded(read_wav(Path(wav)))) for wav in sys.argv[3:]})
