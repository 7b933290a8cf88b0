"""What upstream makes of whole sounds, in a process of its own: `python -m tests.workers.offline FOLDER plain|postfilter OUT.npz WAV...`"""

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


def enhanced(weights: Path, wavs: list[Path], out: Path, post_filter: bool = False) -> dict[str, Sound]:
    """Name of each file -> what offline `enhance()` makes of it, padded; it trails the input by 480 samples."""
    command = [sys.executable, "-m", "tests.workers.offline", weights, "postfilter" if post_filter else "plain", out, *wavs]
    subprocess.run(command, check=True, cwd=ROOT, timeout=120)
    with np.load(out) as kept:
        return dict(kept)


if __name__ == "__main__":
    from workers.streaming.upstream import load

    model = load(Path(sys.argv[1]), sys.argv[2] == "postfilter")
    np.savez(sys.argv[3], **{Path(wav).name: model.enhance(padded(read_wav(Path(wav)))) for wav in sys.argv[4:]})
